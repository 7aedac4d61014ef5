"""Reads a longer value as the text that it may be: a connection string, JSON, a header, lines, base64 of them."""

import re
from collections.abc import Iterator

from detection.encoding import decoded
from detection.finding import Finding
from detection.judgement import SHORTEST_TOKEN, TOKEN, by_name, by_shape
from detection.names import Bearing, meaning
from detection.prose import (
    is_code,
    is_comment,
    is_label,
    is_pair,
    is_prose,
    is_small_variable,
    is_task,
    is_type,
    is_variable,
)
from detection.randomness import is_hexadecimal, looks_random
from detection.references import HOLE, is_reference, strip

_ASSIGNMENT = re.compile(
    r"(?<![\w.-])(?P<dashes>-D(?=[A-Za-z])|-{0,2})"
    r"(?P<name>[A-Za-z_][\w.-]{0,100}+(?: Id| ID| Key| Password)?)(?P<quoted>[\"']\]?)?"
    r"(?:[ \t]{1,4}(?:=>|:=|=(?!=))[ \t]{1,4}|=>|:=|=(?!=)|(?:(?<=[\"'])[ \t]{0,4})?:(?!//)(?P<space>[ \t]{0,4}))"
    r"(?:\"(?P<double>[^\"\n]{1,4000})\"|'(?P<single>[^'\n]{1,4000})'|(?P<bare>[^\s\"',;&|<>(){}\[\]]{1,4000}))"
)
_SEPARATOR = re.compile(r"[=:\n]")
_SETTING_LINE = re.compile(
    r"(?:^|\n)[ \t]{0,40}(?P<name>[A-Za-z][\w.-]{2,60})[ \t]{1,40}"
    r"(?P<bare>[^\s=:\"'{]{2,200}[^\s=:\"'{.,!?;])[ \t]{0,8}(?=$|[\r\n;])"
)
_FORWARDS = re.compile(r"(?:proxy|fastcgi|uwsgi|scgi|grpc)_pass")
"""How nginx names where it passes requests on to."""
_ELEMENT = re.compile(r"<(?P<name>[A-Za-z][\w.:-]{0,100})>(?P<value>[^<>\n]{1,1000})</")
_NAMED = re.compile(
    r"(?<![\w.-])[\"']?(?i:name|key)[\"']?[ \t]{0,4}[:=][ \t]{0,4}[\"']?(?P<name>[A-Za-z_][\w.-]{0,100})[\"']?"
    r"(?:,\s{0,40}+|\s{1,40}+)[\"']?(?i:value)[\"']?[ \t]{0,4}[:=][ \t]{0,4}"
    r"(?:\"(?P<double>[^\"\n]{1,1000})\"|'(?P<single>[^'\n]{1,1000})'|(?P<bare>[^\s\"'{}\[\],]{1,1000}))"
)
"""`name: DB_PASSWORD`, and its `value:` beside it."""
_OBJECT = re.compile(r"[a-z]{1,40}(?:[-.][a-z]{1,40}){1,8}")
"""The name of a Secret of a cluster, which a parameter `secret` asks for."""
_BLOCK = re.compile(
    r"(?:^|\n)[ \t]{0,40}(?:- )?(?P<name>[A-Za-z_][\w.-]{0,100}):[ \t]{1,4}[|>][-+]?[ \t]{0,8}\n"
    r"[ \t]{1,40}(?P<value>[^\n]{1,1000})"
)
"""`name: |`, and the value in the lines below."""
_DEFINED = re.compile(
    r"define\([ \t]{0,4}['\"](?P<name>\w{1,100})['\"],[ \t]{0,4}['\"](?P<value>[^'\"\n]{1,1000})['\"]"
)
_HEADER = re.compile(
    r"(?i:authorization)[\"']?\s{0,3}[:=]?\s{0,3}[\"']?"
    r"(?i:(?P<scheme>bearer|basic|token|apikey|bot|digest|negotiate)\s{1,4})(?P<value>[^\s\"'\0<>]{4,200})"
)
_SCHEME = re.compile(r"(?i:token|bearer|apikey) {1,4}(?P<value>[^\s\"'\0<>]{32,400})")
"""The whole value of such a header, whose name is elsewhere or nowhere."""
_BASIC = re.compile(r"(?<![A-Za-z])[Bb]asic (?P<value>[A-Za-z0-9+/]{8,400}={0,2})(?![A-Za-z0-9+/=])")
_DEEPEST = 2


def find_in_text(text: str, *, options: bool = True, depth: int = 0) -> Finding | None:
    """What secret a text holds beside its own shape; references are taken out already.

    Args:
        text: the value of a setting, a command line, a word of one.
        options: whether `--name=value` is judged here; in a command it depends on the program.
        depth: how often the text was decoded already.
    """
    if len(text) < SHORTEST_TOKEN and not _SEPARATOR.search(text):
        return None
    plain = text.replace('\\"', '"').replace("\\n", "\n").replace("%20", " ")
    return (
        _in_headers(plain)
        or _in_assignments(plain, options)
        or (_in_encoded(plain, depth) if depth < _DEEPEST else None)
    )


def without_identifiers(text: str) -> str:
    """The text without the values that it assigns to names of what identifies something, and may look random."""
    kept: list[str] = []
    position = 0
    for found in _ASSIGNMENT.finditer(text):
        if meaning(found["name"]).bearing is Bearing.IDENTIFIER:
            kept.append(text[position : found.start()])
            position = found.end()
    return " ".join([*kept, text[position:]])


def _in_headers(text: str) -> Finding | None:
    header = _HEADER.search(text)
    if header and not is_reference(header["value"]):
        return Finding("shape", "credentials", f"header Authorization ({header['scheme'].capitalize()})")
    alone = _SCHEME.fullmatch(text.strip())
    if alone and (is_hexadecimal(alone["value"]) or looks_random(alone["value"])):
        return Finding("shape", "credentials")
    if any(":" in (decoded(basic["value"]) or "") for basic in _BASIC.finditer(text)):
        return Finding("shape", "credentials")
    return None


def _in_assignments(text: str, options: bool) -> Finding | None:
    for name, value in _assignments(text, options):
        # In base64, `=` may end a text, and chance may make a word of its last letters.
        if HOLE not in value and (found := by_name(meaning(name), value)) and not looks_random(name):
            return Finding(found.kind, found.looks, name)
    return None


def _assignments(text: str, options: bool) -> Iterator[tuple[str, str]]:
    """The names and values that a text assigns: `name=value`, `"name": "value"`, `name: value`, a line `name value`."""
    for found in _ASSIGNMENT.finditer(text):
        if (options or not found["dashes"]) and not _is_no_value(found, text):
            yield found["name"], found["double"] or found["single"] or found["bare"]
    yield from _elsewhere(text)


def _is_no_value(found: re.Match[str], text: str) -> bool:
    """Whether what stands after the name is prose, code, a label."""
    bare, end = found["bare"], found.end()
    if not bare:
        in_json = found["quoted"] is not None
        return is_label(found["double"] or found["single"]) if in_json else is_variable(found["double"] or "")
    if (found["space"] and is_prose(bare, text, end)) or (
        found["quoted"] is None and found["space"] == "" and is_task(bare)
    ):
        return True
    if is_comment(bare, text, found.start()) or is_small_variable(bare):
        return True
    if not (is_code(bare, text, end) or is_variable(bare)):
        return False
    return not (_is_tight(found) and is_pair(text, found.start(), end))


def _is_tight(found: re.Match[str]) -> bool:
    """Whether nothing but `=` stands between the name and the value."""
    return found.start("bare") == found.end("name") + 1 and found.string[found.end("name")] == "="


def _elsewhere(text: str) -> Iterator[tuple[str, str]]:
    """What is assigned otherwise: in elements of XML, as a name and a value, as a line or a block of lines."""
    if "</" in text:
        for found in _ELEMENT.finditer(text):
            yield found["name"], found["value"]
    if "alue" in text or "ALUE" in text:
        for found in _NAMED.finditer(text):
            value = found["double"] or found["single"] or found["bare"]
            if not (found["name"] in ("secret", "secrets") and _OBJECT.fullmatch(value)):
                yield found["name"], value
    if "define(" in text:
        for found in _DEFINED.finditer(text):
            yield found["name"], found["value"]
    if "\n" in text:
        for found in _BLOCK.finditer(text):
            yield found["name"], found["value"]
        for found in _SETTING_LINE.finditer(text):
            of_nginx = _FORWARDS.fullmatch(found["name"]) and text.startswith(";", found.end())
            if not (of_nginx or is_type(found["bare"])):
                yield found["name"], found["bare"]


def _in_encoded(text: str, depth: int) -> Finding | None:
    for token in TOKEN.finditer(text):
        _, equals, after = token[0].partition("=")
        inner = decoded(after if equals and after.strip("=") else token[0])
        if inner is None:
            continue
        plain = strip(inner).text
        if found := by_shape(plain) or find_in_text(plain, depth=depth + 1):
            return found
    return None
