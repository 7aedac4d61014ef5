"""References to a secret that is kept elsewhere, `${NAME}`, `$(cat /run/secrets/x)`, `vault://…`; stand-ins for one.

What is only a reference holds no secret. A default does: `${PASSWORD:-hunter2}`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

HOLE = "\0"
"""Stands in a text where a reference stood, so that no pattern matches across it."""

_NESTED = (
    re.compile(r"\$\{\{[^{}]{0,1000}\}\}"),  # ${{ secrets.NAME }}
    re.compile(r"\{\{[^{}]{0,1000}\}\}"),  # {{ .Values.name }}
    re.compile(r"\$?\$\{(?P<name>[\w.]{0,200}+)(?::?[-=](?P<default>[^${}]{0,1000}+)|[^${}]{0,1000}+)\}"),
    re.compile(r"\$\([^()$`]{0,1000}\)"),  # $(NAME), $(cat /run/secrets/name)
)
_PLAIN = (
    re.compile(r"`[^`]{0,1000}`"),
    re.compile(r"<%[^%]{0,1000}%>"),
    re.compile(r"#\{[^{}]{0,200}\}#?"),
    re.compile(r"%[A-Za-z]?\{[^{}]{0,200}\}"),
    re.compile(r"%%[A-Za-z_]\w{0,200}%%"),
    re.compile(r"\(\([\w./-]{1,200}\)\)"),
    re.compile(r"\$env:\w{1,200}"),
)
Reader = Literal["nobody", "program", "shell"]
_VARIABLES: dict[Reader, re.Pattern[str]] = {
    "nobody": re.compile(r"(?<![A-Za-z0-9$])\$\$?[A-Z_][A-Z0-9_]*(?![A-Za-z0-9$])"),
    "program": re.compile(r"(?<!\$)\$\$?[A-Z_][A-Z0-9_]{2,}(?![A-Za-z0-9$])"),
    "shell": re.compile(r"\$\$?(?:[A-Za-z_]\w*|[0-9@*#?!])"),
}
_WHOLE = re.compile(
    r"%[A-Za-z_]\w*%|%[sdvq]|%\(\w{1,100}\)s|\$[0-9@*]|__[A-Z0-9_]+__|@[A-Za-z.]+\(.*\)|!\w+ .*"
    r"|(?:ENC\[|\{cipher\}).*"
    r"|projects/[^/\s]+/secrets/\S+"
    r"|arn:[a-z-]+:[^\s]*"
    r"|ref\+[a-z0-9]+:\S+"
    r"|(?:aws|awsssm|awssm|ssm|sm|gcp|gcpsm|azure|akv|akvs|keyvault|kv|vault|kms|op|bws|sops|doppler|infisical"
    r"|secretref|secretsmanager|env|file|keyring|keychain):[/\w][^\s]*"
    r"|(?:process\.env|os\.environ|os\.getenv|System\.getenv|ENV|env)[.\[(].*"
    r"|id=[\w.-]+(?:,\w+=\S*)*",  # how BuildKit names a secret
    re.DOTALL,
)
_STAND_IN = re.compile(
    r"<[^<>]{0,200}>|\{[\w.-]{1,100}\}|(?:[\w.~-]{0,40}[_.~-])?(?P<mask>[xX*#.])(?P=mask){7,200}[\w=.~-]{0,40}|[*xX.\u2022\u2026#?_-]{3,}|[\[(<{]?(?i:redacted|masked|hidden|omitted|sanitized)[\])>}]?|\[[A-Z]{1,20}\]"
    r"|\[[a-z_ -]{0,20}(?:secret|password|token|key)\]"
    r"|(?:\.\*|\[\^|\\[wdsSW]).*"
)
_DEEPEST = 3
_VARIABLE = re.compile(r"\$\$?[A-Z_][A-Z0-9_]*")
_LITERAL = re.compile(
    r"(?=[^A-Za-z0-9]*+(?:[A-Za-z0-9][^A-Za-z0-9]*+){4})(?=[^0-9!#%&*+,;=?@^|~]*+[0-9!#%&*+,;=?@^|~])"
)
"""More than the joints of a name that is put together: four letters, and a digit or a symbol."""


@dataclass(frozen=True)
class Stripped:
    """A text without its references."""

    text: str
    """The text with a HOLE in the place of each reference."""
    defaults: tuple[tuple[str, str], ...]
    """The name and the default of each reference that has one: a default is written down here after all."""

    @property
    def refers(self) -> bool:
        """Whether there was a reference."""
        return HOLE in self.text


def strip(text: str, reader: Reader = "nobody") -> Stripped:
    """Take the references out of a text.

    Args:
        text: a value, a word of a command, or the text of a command line.
        reader: who replaces variables in it: a shell knows `$name` in small letters, too.
    """
    if not any(mark in text for mark in "$`{%<(#"):
        return Stripped(text, ())
    defaults: list[tuple[str, str]] = []

    def hole(found: re.Match[str]) -> str:
        groups = found.groupdict()
        if default := groups.get("default"):
            defaults.append((groups["name"], default))
        return HOLE

    for _ in range(_DEEPEST):
        before = text
        for pattern in _NESTED:
            text = pattern.sub(hole, text)
        if text == before:
            break
    for pattern in _PLAIN:
        text = pattern.sub(HOLE, text)
    text = _VARIABLES[reader].sub(HOLE, text)
    return Stripped(text, tuple(defaults))


def is_reference(value: str) -> bool:
    """Whether the whole value says where the secret is kept, or stands in for one that somebody took out."""
    return bool(_WHOLE.fullmatch(value) or _STAND_IN.fullmatch(value))


def is_literal_beside(value: str) -> bool:
    """Whether what is read as `$NAME` may as well stand in a password: `Tr0ub4dor&$X`."""
    rest = _VARIABLE.sub(HOLE, value)
    braced = any(mark in rest for mark in ("$(", "{", "`", "<%", "((", "$env:"))
    return not braced and not rest.startswith(HOLE + "/") and not re.search(r"\s", rest) and bool(_LITERAL.match(rest))


def held(stripped: Stripped) -> Iterator[tuple[str, str]]:
    """The defaults that hold something."""
    for name, default in stripped.defaults:
        if default.strip(HOLE + "\"' "):
            yield name, default
