"""Whether a command shows a credential to everyone who may inspect the container: in an option, a header, a variable.

Where a shell puts something in, as `$(cat /run/secrets/probe)` does, nothing is shown. The policy pack knows more
programs (policies/detection/programs.py).
"""

import re
import shlex
from collections.abc import Iterator, Sequence

from components.secret import holds_credential
from components.secret_name import is_secret_by_name

_EXPANSION = re.compile(r"\$\([^()]*\)|`[^`]*`|\$\{[^{}]*\}|\$\$?\w+")
_HOLE = "\0"
"""Stands where the shell puts something in."""
_ENDS = frozenset("|;&()<>\n")
_OPTION = re.compile(r"--(?P<name>[A-Za-z][\w.-]*)(?:=(?P<value>.*))?", re.DOTALL)
_TAKES_NONE = re.compile(r"(?:no|without|ask|prompt|use|require|allow|show|skip)-|.*-(?:stdin|prompt)")
_ASSIGNMENT = re.compile(r"(?:--?[A-Za-z][\w-]*=)?(?P<name>[A-Za-z_][\w.-]*)=(?P<value>.+)", re.DOTALL)
_HEADER = re.compile(r"(?:--?[A-Za-z][\w-]*=|-H)?(?P<name>[A-Za-z][A-Za-z0-9-]*):[ \t]+(?P<value>\S.*)", re.DOTALL)
_CREDENTIALS = re.compile(r"(?:bearer|basic|token|apikey)[ \t]+\S+", re.IGNORECASE)
_PAIR = re.compile(r"[^\s:]*:\S+")
_IDS = re.compile(r"[0-9]+:[0-9]+")
_MYSQL = ("mysql", "mysqladmin", "mysqldump", "mysqlcheck", "mysqlshow", "mariadb", "mariadb-admin", "mariadb-dump")
_ATTACHED = frozenset(_MYSQL)
"""`-pPASSWORD`, in one word; with `-p` alone they ask for it."""
_NEXT = {
    **dict.fromkeys(("redis-cli", "valkey-cli", "keydb-cli"), "-a"),
    **dict.fromkeys(("mongo", "mongosh", "mongodump", "rabbitmqadmin", "cqlsh", "cypher-shell"), "-p"),
    **dict.fromkeys(("sqlcmd", "mosquitto_sub", "mosquitto_pub"), "-P"),
    **dict.fromkeys(("ldapsearch", "ldapwhoami"), "-w"),
}
"""`-a PASSWORD`, in one word or two."""
_CURL = re.compile(
    r"-[0-6aBfgGiIjJklLMnNOpqRsSvVZ#]{0,12}[uU](?P<value>.*)|--(?:proxy-)?user(?:=(?P<long>.*))?", re.DOTALL
)
_KEEPERS = frozenset(
    {"docker", "podman", "nerdctl", "buildah", "kubectl", "oc", "helm", "aws", "gcloud", "az", "fly", "pulumi", "vault"}
)
"""Programs whose `--secret NAME` names a secret that is kept elsewhere."""
_NAMES_A_SECRET = re.compile(r"--(?:set-|update-)?secrets?(?:-(?:id|name|add|rm))?(?:=.*)?", re.DOTALL)
_DEEPEST = 3


def shows_credential(command: Sequence[str]) -> bool:
    """Whether a command shows a credential.

    Args:
        command: the words of a program and its arguments; a word with spaces in it is read as a line of a shell, too.
    """
    return any(map(holds_credential, map(_without_expansions, command))) or _shows([*command], 0)


def _without_expansions(text: str) -> str:
    return _EXPANSION.sub(" ", text)


def _with_holes(text: str) -> str:
    for _ in range(_DEEPEST):  # one may stand in another
        text = _EXPANSION.sub(_HOLE, text)
    return text


def _shows(words: Sequence[str], depth: int) -> bool:
    words = [_with_holes(word) for word in words]
    if any(_in_one(command, end) for command, end in _simple_commands(words)):
        return True
    return depth < _DEEPEST and any(_shows(_split(word), depth + 1) for word in words if len(word.split(None, 1)) > 1)


def _split(line: str) -> list[str]:
    """The words of a line; those that end a command stay words of their own."""
    reader = shlex.shlex(line, posix=True, punctuation_chars="|;&()<>")
    reader.whitespace_split, reader.commenters = True, ""
    try:
        return list(reader)
    except ValueError:  # a quote that nobody closed
        return line.split()


def _simple_commands(words: Sequence[str]) -> Iterator[tuple[Sequence[str], str]]:
    """The commands of a line, and what ends each."""
    start = 0
    for place, word in enumerate(words):
        if word and _ENDS.issuperset(word):
            yield words[start:place], word
            start = place + 1
    yield words[start:], ""


def _in_one(words: Sequence[str], end: str) -> bool:
    program = ""
    for place, word in enumerate(words):
        base = word.rpartition("/")[2]
        if base in _ATTACHED or base in _NEXT or base in _KEEPERS or base == "curl":
            program = base
        following = words[place + 1] if place + 1 < len(words) else ""
        if not following and end.startswith("(") and _ASSIGNMENT.fullmatch(word):
            continue  # a program calls something: token=os.getenv("TOKEN")
        if program in _KEEPERS and _NAMES_A_SECRET.fullmatch(word):
            continue
        if _is_named(word, following) or _is_of_program(program, word, following):
            return True
    return False


def _is_named(word: str, following: str) -> bool:
    """Whether the name of an option, a variable or a header says that a secret stands there."""
    if (option := _OPTION.fullmatch(word)) and not _TAKES_NONE.match(option["name"]):
        value = option["value"] if option["value"] is not None else following
        if not value.startswith("-") and _is_secret(option["name"], value):
            return True
    if (found := _ASSIGNMENT.fullmatch(word)) and _is_secret(found["name"], found["value"]):
        return True
    if header := _HEADER.fullmatch(word):
        if _HOLE in header["value"]:
            return False
        if header["name"].lower() in ("authorization", "proxy-authorization"):
            return bool(_CREDENTIALS.fullmatch(header["value"]))
        return _is_secret(header["name"], header["value"])
    return False


def _is_secret(name: str, value: str) -> bool:
    return bool(value) and _HOLE not in value and is_secret_by_name(name, value)


def _is_of_program(program: str, word: str, following: str) -> bool:
    """Whether the program takes a password there, in an option whose name does not say so."""
    if program in _ATTACHED:
        return word.startswith("-p") and len(word) > 2 and _HOLE not in word
    if program == "curl":
        pair = _CURL.fullmatch(word)
        value = (pair["value"] or pair["long"] or following) if pair else ""
        return bool(_PAIR.fullmatch(value)) and _HOLE not in value.partition(":")[2] and not _IDS.fullmatch(value)
    option = _NEXT.get(program)
    if option is None:
        return False
    value = following if word == option else word.removeprefix(option) if word.startswith(option) else ""
    return bool(value) and not value.startswith("-") and _HOLE not in value
