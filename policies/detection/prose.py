"""What follows a name in a text and is not its value: prose, a call or a type of a program, a label of a form."""

import re

from detection.vocabulary import ABOUT, NOUNS

_REST_OF_PROSE = re.compile(r"[ \t]{1,4}(?:[A-Za-z(]|(?P<number>\d{1,6})(?P<counted>[ \t]{1,4}[A-Za-z])?)")
_WORDS = re.compile(r"[a-z]+(?:[:/-][a-z]+)*|\d{1,5}(?:[/?][^\s]*)?")
"""What stands after a colon in the name of a task, `npm run token:refresh`, and in an address, `auth:8080`."""
_TYPE = re.compile(
    r"(?i:string|str|text|varchar|char|bytes|bytea|int|integer|bool|boolean|uuid|secretstr"
    r"|(?:optional|list)\[\w+\]?)[!?]?"
)
_KEYWORDS = frozenset(
    ("await", "new", "async", "function", "lambda", "def", "func", "self", "this", "null", "undefined")
)
_PATH_OF_NAMES = re.compile(r"[A-Za-z_]\w{0,60}(?:\.[A-Za-z_]\w{0,60}){0,10}")
_INNER = r"[^()\[\]\n]{0,400}+"
_CALL = re.compile(
    rf"(?:\({_INNER}(?:[(\[]{_INNER}[)\]]{_INNER}){{0,8}}+\)|\[{_INNER}(?:\({_INNER}\){_INNER}){{0,8}}+\])"
    r"(?=[\s;,.?:()\[\]}\"'&|]|$)"
)
"""After the name of what is called; one call may stand in another. What follows it goes on in a program, too."""
_OWN_NAMES = frozenset((
    "var", "local", "data", "module", "self", "this", "req", "request", "settings", "config", "conf", "cfg", "process",
    "os", "env", "input", "args", "options", "opts", "params", "ctx", "context", "props", "state", "user", "secrets",
    "form", "body", "app", "getpass", "values", "session", "credentials", "auth",
))  # fmt: skip
"""What a path of names in a program begins with; a password may have a point in it, too."""
_VARIABLE = re.compile(r"\$(?:[A-Za-z_]\w*|[0-9@*#])")
_COMMENTED = re.compile(r"[a-z]{1,20}")
_LABEL = re.compile(r"[^\W\d_a-z][^\W\d_]{0,30}(?:[?:\u2026]{0,3}|(?: [^\W\d_]{1,30}){1,6}[?:!.\u2026]{0,3})")
"""One word with an exclamation mark is a password as people make them."""
_PAIR_BEFORE = re.compile(
    r"(?:\A|[;\"'\s])(?!(?:const|let|var) )(?:[A-Za-z][\w .-]{0,40}=(?![= ])|\w[\w:]{0,40}://)[^;=()\n]{0,80};[ ]?\Z"
)
_PAIR_AFTER = re.compile(r";[ ]?(?:[\"'\])]|[A-Za-z][\w .-]{0,40}=(?![= ])|\Z)")
_FURTHEST = 130
"""How far before a pair the one before it may begin."""
_SMALL_VARIABLE = re.compile(r"\$[a-z_]{1,40}")


def is_prose(value: str, text: str, end: int) -> bool:
    """Whether a sentence goes on after what looked like a value, which ends there; a port may stand beside one, too."""
    rest = _REST_OF_PROSE.match(text, end)
    if not rest or not rest["number"]:
        return bool(rest)
    return value.lower() in ABOUT or (value.isalpha() and rest["counted"] is not None)


def is_task(value: str) -> bool:
    """Whether it is the rest of the name of a task, or the port of an address."""
    return bool(_WORDS.fullmatch(value))


def is_code(value: str, text: str, end: int) -> bool:
    """Whether a program computes the value instead: `password = read_secret(…)`, `password: String!`.

    Args:
        value: what stands there without quotes.
        text: the text.
        end: where the value ends in it.
    """
    if value in _KEYWORDS or is_type(value):
        return True
    if not _PATH_OF_NAMES.fullmatch(value):
        return False
    first, joint, _ = value.partition(".")
    return bool(_CALL.match(text, end)) or bool(joint and first.lower() in _OWN_NAMES)


def is_type(value: str) -> bool:
    """Whether the value is the type of a column or of a parameter: `password text`."""
    return bool(_TYPE.fullmatch(value))


def is_variable(value: str) -> bool:
    """Whether the value is a variable of a script: `token="$1"`."""
    return bool(_VARIABLE.fullmatch(value))


def is_small_variable(value: str) -> bool:
    """Whether the value is a variable wherever it stands: `$ummer2024` may be a password, `$password` is none."""
    return bool(_SMALL_VARIABLE.fullmatch(value))


def is_pair(text: str, start: int, end: int) -> bool:
    """Whether what is assigned there stands among pairs, `Server=db;Password=…;`, where no program computes anything.

    Args:
        text: the text.
        start: where the name begins in it.
        end: where the value ends in it.
    """
    if text[start - 1 : start] in (";", " ") and _PAIR_BEFORE.search(text[max(0, start - _FURTHEST) : start]):
        return True
    return start == 0 and bool(_PAIR_AFTER.match(text, end))


def is_comment(value: str, text: str, start: int) -> bool:
    """Whether a line that is commented out shows a default, `;password = admin`; a longer value may have been used."""
    line = text[text.rfind("\n", max(0, start - 80), start) + 1 : start].strip(" \t")
    return line in (";", "#", "//") and bool(_COMMENTED.fullmatch(value))


def is_label(value: str) -> bool:
    """Whether the value is what a form shows for such a field: `"password": "Repeat the password"`."""
    words = value.rstrip("?:!.\u2026").lower().split()
    return bool(_LABEL.fullmatch(value)) and not NOUNS.keys().isdisjoint(words)
