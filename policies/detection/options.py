"""Finds a secret among the words of one command: in an option, in a place where its program takes a password."""

import re
from collections.abc import Sequence

from detection.finding import Finding
from detection.harmless import is_path
from detection.judgement import by_name
from detection.names import Bearing, Meaning, meaning
from detection.programs import (
    ATTACHED,
    COMBINED,
    ENGINES,
    LAST_WORD,
    PAIRS,
    POSITIONAL,
    PROMPTING,
    READERS,
    SECRETS_BY_NAME,
    SETTERS,
    SETTING_VERBS,
    SHORT,
    SLASHED,
    WHOLE_OPTIONS,
)
from detection.references import HOLE, is_reference
from detection.shell import Command
from detection.text import find_in_text
from detection.wrappers import inner_command, program_place

_OPTION = re.compile(
    r"(?P<dashes>-D(?=[a-z]+[.A-Z])|--?|/(?=[A-Za-z]{2,40}:))(?P<name>[A-Za-z][\w.-]*)(?:[=:](?P<value>.*))?", re.DOTALL
)
_SWITCH = re.compile(r"/[A-Za-z]:(?P<value>.+)", re.DOTALL)
_PORT = re.compile(r"[\d.:\[\]/-]+(?:/(?:tcp|udp|sctp))?|(?:[\w.-]+:)?\d+(?::\d+)?")
_PAIR = re.compile(r"[^\s:,%]*[:,%](?P<password>[^\s].*)", re.DOTALL)
_IDS = re.compile(r"\d+:\d+")
_WITHOUT_VALUE = re.compile(
    r"(?:^|[-_.])(?:no|not|disabled?|ask|prompt|without|enabled?|requires?|required|use|skip|allow|show|generate|random|with)[-_.]"
)
_SHORTEST_ALONE = 5
"""A word that stands alone is no option with a value below this length."""
_DEEPEST = 3
"""How many programs may run one another: `docker exec builder docker run …`."""
_VERB = re.compile(rf"(?i:{'|'.join(SETTING_VERBS)})[-_]")
_MODIFIERS = frozenset(("file", "env"))
"""`-storepass:file PATH`: where the password is kept."""
_FILLERS = frozenset((
    "to", "is", "are", "and", "or", "in", "for", "from", "as", "if", "of", "on", "with", "the", "a", "an", "option",
))  # fmt: skip
"""Words after an option in prose: `use --password to set it`."""
_SAYS = re.compile(r"(?:/bin/)?(?:echo|printf)\s+(?:-\w+\s+)?(?P<said>[^\s|;&]{1,1000})\s*")
"""A command that prints what somebody wrote down: `--password-command 'echo …'`."""
_SLASHED = re.compile(r"[\w.$#]{1,60}/(?P<password>[^\s/@\"]{1,200})(?:@[^\s]{0,300})?")
_NUMBERED = re.compile(r"(?:[\w.-]{1,60}:)?(?:group|grp|users?|staff|team|node|host|pod|worker)[-_]?\d{1,6}")
_UNKNOWN_PAIR = ("-u", "--user")
_MIXED = re.compile(r"(?=[^0-9]*[0-9])(?=[^A-Za-z]*[A-Za-z])[^\s]{6,}")
_USER_OPTIONS = ("-u", "-U", "--user", "--username", "-user", "-username")


def find_in_words(command: Command) -> Finding | None:
    """What secret one command shows; references are taken out of its words already."""
    words = command.words
    for _ in range(_DEEPEST):
        if found := _in_words(words, command.fed):
            return found
        words = inner_command(words)
    return None


def _in_words(words: Sequence[str], fed: str) -> Finding | None:
    if len(words) == 1 and len(words[0]) < _SHORTEST_ALONE:
        return None
    if any(word[:1] in ("-", "/") or ":" in word for word in words):
        for search in (_named_option, _short_option, _pair_option, _unknown_pair):
            if found := search(words):
                return found
    if len(words) > 1:
        for search in (_prefixed, _positional, _last_word, _setter, _slashed):
            if found := search(words):
                return found
    if fed and _is_literal(fed) and not READERS.isdisjoint(map(_base, words)):
        return Finding("shape", "a password", f"standard input of {_program(words)}")
    return None


def _program(words: Sequence[str]) -> str:
    """The program that these words run, as far as the detector knows it; empty when it does not."""
    return next((name for word in words[:8] if (name := _base(word)) in _PROGRAMS), "")


def _base(word: str) -> str:
    return word.replace("\\", "/").rpartition("/")[2].removesuffix(".exe")


def _is_literal(value: str) -> bool:
    return bool(value.strip("\"' \n")) and HOLE not in value and not is_reference(value.strip("\"' \n"))


def _next(words: Sequence[str], place: int) -> str:
    """The word after this one, unless it is an option."""
    following = words[place + 1] if place + 1 < len(words) else ""
    return "" if following.startswith("-") and len(following) > 1 else following


def _named_option(words: Sequence[str]) -> Finding | None:
    program = _program(words)
    for place, word in enumerate(words):
        option = _OPTION.fullmatch(word)
        if option is None or len(option["name"]) == 1:
            continue
        value = option["value"]
        if value is None:
            value = "" if _WITHOUT_VALUE.search(option["name"].lower() + "-") else _next(words, place)
        said = meaning(option["name"])
        if said.bearing is Bearing.PLAIN and (found := find_in_text(value)):
            return found
        if not _is_literal(value) or value in _MODIFIERS | _FILLERS or _names_a_secret(program, option["name"]):
            continue
        if said.bearing is Bearing.ABOUT and _is_command(option["name"]) and (says := _SAYS.fullmatch(value)):
            value, said = says["said"].strip("\"'"), Meaning(Bearing.SECRET, said.looks)
        if _is_literal(value) and (found := by_name(said, value)):
            return Finding(found.kind, found.looks, option["dashes"] + option["name"])
    return None


def _is_command(option: str) -> bool:
    return option.lower().endswith(("command", "cmd"))


def _names_a_secret(program: str, option: str) -> bool:
    return program in SECRETS_BY_NAME and option.startswith(("secret", "set-secrets", "update-secrets"))


def _short_option(words: Sequence[str]) -> Finding | None:
    program = _program(words)
    letters = SHORT.get(program, "")
    logs_in = "-p" in words and _logs_in(program, words)
    for place, word in enumerate(words):
        if len(word) < 2 or word[0] != "-" or word[1] == "-":
            continue
        attached, value = word[2:], _next(words, place)
        if program in ATTACHED and word[1] == "p" and _is_literal(attached):
            return Finding("shape", "a password", f"{program} -p")
        if attached and program in WHOLE_OPTIONS:
            continue
        if word[1] in letters and _is_literal(attached or value) and not is_path(attached or value):
            return Finding("shape", "a password", f"{program} {word[:2]}")
        if word == "-p" and logs_in and _is_literal(value) and not (_PORT.fullmatch(value) or is_path(value)):
            return Finding("shape", "a password", "-p")
    return None


def _logs_in(program: str, words: Sequence[str]) -> bool:
    """Whether `-p` is a password here: beside a user it mostly is."""
    if program in PROMPTING:
        return False
    if program in ENGINES:
        return "login" in words
    return "login" in words or any(word in _USER_OPTIONS and _next(words, place) for place, word in enumerate(words))


def _pair_option(words: Sequence[str]) -> Finding | None:
    options = PAIRS.get(program := _program(words), ())
    combined = COMBINED.get(program, "")
    for place, spelled in enumerate(words):
        word = "-" + spelled[1:].lstrip(combined) if combined and _is_short(spelled) else spelled
        for option in options:
            if word == option:
                value = _next(words, place)
            elif word.startswith(option) and (len(option) == 2 or word[len(option)] == "="):
                value = word[len(option) :].removeprefix("=")
            else:
                continue
            pair = _PAIR.fullmatch(value)
            if pair and _is_literal(pair["password"]) and not is_reference(value) and not _IDS.fullmatch(value):
                return Finding("shape", "a password", f"{program} {option}")
    return None


def _is_short(word: str) -> bool:
    return len(word) > 2 and word[0] == "-" and word[1] != "-"


def _unknown_pair(words: Sequence[str]) -> Finding | None:
    """`--user USER:PASSWORD` where the words are options alone, and their program stands elsewhere."""
    if not words[0].startswith("-"):
        return None
    for place, word in enumerate(words):
        option, _, value = word.partition("=")
        pair = _PAIR.fullmatch(value or _next(words, place)) if option in _UNKNOWN_PAIR else None
        if pair and _MIXED.fullmatch(pair["password"]) and _is_of_a_pair(pair):
            return Finding("shape", "a password", option)
    return None


def _is_of_a_pair(pair: re.Match[str]) -> bool:
    """Whether it is a password: no group, `app:group1`, and no part of a name of Kubernetes, `system:node:node01`."""
    password = pair["password"]
    return _is_literal(password) and not (_NUMBERED.fullmatch(password) or pair[0].startswith("system:"))


def _positional(words: Sequence[str]) -> Finding | None:
    program = _program(words)
    for known, subcommands, distance in POSITIONAL:
        if not program or known != program:
            continue
        plain = [word for word in _after(words, program) if not word.startswith("-")]
        if tuple(plain[: len(subcommands)]) != subcommands:
            continue
        place = len(subcommands) + distance - 1
        if place < len(plain) and _is_literal(plain[place]) and "=" not in plain[place]:
            return Finding("shape", "a password", " ".join((program, *subcommands)))
    return None


def _after(words: Sequence[str], program: str) -> Sequence[str]:
    place = next(place for place, word in enumerate(words) if _base(word) == program)
    return words[place + 1 :]


def _last_word(words: Sequence[str]) -> Finding | None:
    program = _program(words)
    marks = LAST_WORD.get(program, ())
    options = [word for word in words if word.startswith("-") and not word.startswith("--")]
    marked = any(mark in words or any(mark in option for option in options) for mark in marks)
    if not marked or len(plain := [word for word in _after(words, program) if word[:1] not in "-/"]) < 2:
        return None
    return Finding("shape", "a password", program) if _is_literal(plain[-1]) and "\\" not in plain[-1] else None


def _setter(words: Sequence[str]) -> Finding | None:
    setting = False
    for place, word in enumerate(words):
        if word[:1] not in ("-", "") and (setting or _VERB.match(word)):
            said = meaning(word)
            value = _next(words, place)
            if said.bearing is Bearing.SECRET and "=" not in word and _is_literal(value) and by_name(said, value):
                return Finding("name", said.looks, word)
        setting = setting or _base(word).lower() in SETTERS
    return None


def _slashed(words: Sequence[str]) -> Finding | None:
    place = program_place(words)
    program = _base(words[place]) if place < len(words) else ""
    if program not in SLASHED:
        return None
    for word in words[place + 1 :]:
        found = _SLASHED.fullmatch(word.removeprefix("userid="))
        if found and _is_literal(found["password"]):
            return Finding("shape", "a password", program)
    return None


def _prefixed(words: Sequence[str]) -> Finding | None:
    """`-passin pass:PASSWORD`, `/p:PASSWORD`, `http-basic.HOST USER PASSWORD`, `ACL SETUSER USER >PASSWORD`."""
    sets_user = any(word.lower() == "setuser" for word in words)
    for place, word in enumerate(words):
        if word.startswith("http-basic.") and len(words) > place + 2 and _is_literal(words[place + 2]):
            return Finding("shape", "a password", "http-basic")
        if word.startswith("pass:") and _is_literal(word[5:]) and place and words[place - 1].startswith("-pass"):
            return Finding("shape", "a password", words[place - 1])
        if sets_user and word.startswith(">") and _is_literal(word[1:]):
            return Finding("shape", "a password", "setuser")
        if word.startswith("/p:") and _SWITCH.fullmatch(word) and _is_literal(word[3:]):
            return Finding("shape", "a password", "/p")
    return None


_PROGRAMS = frozenset(
    (*ATTACHED, *SHORT, *PAIRS, *LAST_WORD, *SECRETS_BY_NAME, *ENGINES, *SLASHED, *(row[0] for row in POSITIONAL))
)
