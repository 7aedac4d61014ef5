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
_CODE_NAMES = re.compile(
    r"\bimport\s+(?P<imported>\w+(?:\s*,\s*\w+)*)|(?<![\w.$-])(?P<set>[A-Za-z_]\w*)\s*=\s*[A-Za-z_][\w.]*[(\[]"
)
"""What a program imports, and what it sets to the result of a call: `pw = open(…)`."""
_CODE_ARGUMENT = re.compile(
    r"(?<![\w.-])(?P<key>[A-Za-z_]\w*\s*=\s*)(?P<root>[A-Za-z_]\w*)(?:\.\w+|\[[\\'\"]*\w+[\\'\"]*\]){0,5}(?=\s*[,)])"
)
"""`password=pw` in a call."""
_TAKES_NONE = re.compile(r"(?:no|without|ask|prompt|use|require|allow|show|skip)-|.*-(?:stdin|prompt)")
_ASSIGNMENT = re.compile(r"(?:--?[A-Za-z][\w-]*=)?(?P<name>[A-Za-z_][\w.-]*)=(?P<value>.+)", re.DOTALL)
_VERDICT = re.compile(r"(?:ok|pass(?:ed)?|fail(?:ed|ure)?|success|error|missing|unknown)(?=[\s;&|]|$)", re.IGNORECASE)
"""What a script keeps of a test in a variable: `pass=ok`."""
_HEADER_OPTION = re.compile(r"-[A-Za-z]{0,12}H|--?(?:[a-z]{1,12}-)?headers?")
_ATTACHED_HEADER = re.compile(r"(?:-[A-Za-z]{0,12}?H=?|--?(?:[a-z]{1,12}-)?headers?=)(?P<header>.+)", re.DOTALL)
_HEADER = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9-]*):[ \t]*(?P<value>\S.*)", re.DOTALL)
"""Behind such an option only: `grep 'auth: ok'` looks for a text."""
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
_KEYWORDS = frozenset({"if", "then", "elif", "else", "while", "until", "do", "!", "{", "time", "CMD", "CMD-SHELL"})
"""A command follows them."""
_WRAPPERS = {
    **dict.fromkeys(("exec", "env", "sudo", "doas", "runuser", "setpriv", "nice", "ionice", "nohup", "timeout"), 0),
    **dict.fromkeys(("command", "eval", "xargs", "watch", "retry", "tini", "dumb-init", "catatonit", "busybox"), 0),
    **dict.fromkeys(("stdbuf", "setsid", "strace", "docker-entrypoint.sh", "with-contenv"), 0),
    **dict.fromkeys(("gosu", "su-exec", "chroot", "flock", "s6-setuidgid"), 1),
}
"""Programs that run another one, and how many words of their own stand before it: a user, a folder."""
_CONTAINERS = frozenset({"docker", "docker-compose", "podman", "nerdctl", "kubectl", "oc"})
"""Programs that run another one in a container, behind its name and much else."""
_TIME = re.compile(r"[0-9.]+[smhd]?")
_BEFORE_A_PROGRAM = frozenset({"--", "-exec", "-execdir"})
_SETS_A_VARIABLE = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL)
_KNOWN = _ATTACHED | _NEXT.keys() | _KEEPERS | _WRAPPERS.keys() | {"curl"}
_NAMES_A_SECRET = re.compile(r"--(?:set-|update-)?secrets?(?:-(?:id|name|add|rm))?(?:=.*)?", re.DOTALL)
_DEEPEST = 3


def shows_credential(command: Sequence[str]) -> bool:
    """Whether a command shows a credential.

    Args:
        command: the words of a program and its arguments; a word with spaces in it is read as a line of a shell, too.
    """
    words = [_without_variables(word) for word in command]
    return any(map(holds_credential, map(_without_expansions, words))) or _shows(words, 0)


def _without_variables(text: str) -> str:
    """The text where an argument of a call that the program itself has read from elsewhere is an expansion."""
    names = {
        name.strip() for found in _CODE_NAMES.finditer(text) for name in (found["imported"] or found["set"]).split(",")
    }
    if not names:
        return text
    return _CODE_ARGUMENT.sub(lambda it: f"{it['key']}$(code)" if it["root"] in names else it[0], text)


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


def _with_programs(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The words of a command, each with the program that reads it; a host may have a program's name."""
    program, before, operands, awaited = "", "", 0, True
    for word in words:
        base = word.rpartition("/")[2]
        if awaited and operands and not _stands_before(program, word, before):
            operands -= 1
        elif (awaited and not _stands_before(program, word, before)) or _runs_another(program, base, before):
            program, operands, awaited = base, _WRAPPERS.get(base, 0), base in _WRAPPERS
        before = word
        yield program, word


def _stands_before(wrapper: str, word: str, before: str) -> bool:
    """Whether a word where a program is awaited is none yet: a variable, or an option of what runs the program."""
    if word in _KEYWORDS or _SETS_A_VARIABLE.fullmatch(word):
        return True
    if not wrapper:
        return False
    is_of_option = before.startswith("-") and before != "--" and word.rpartition("/")[2] not in _KNOWN
    return word.startswith("-") or is_of_option or bool(_TIME.fullmatch(word))


def _runs_another(program: str, base: str, before: str) -> bool:
    """Whether a word is a program that another one runs; `docker run --name mysql` names a container."""
    if base not in _KNOWN:
        return False
    is_contained = program in _CONTAINERS and base != "exec" and not before.startswith("-")
    return before in _BEFORE_A_PROGRAM or is_contained


def _in_one(words: Sequence[str], end: str) -> bool:
    for place, (program, word) in enumerate(_with_programs(words)):
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
    found = _ASSIGNMENT.fullmatch(word)
    if found and not _VERDICT.match(found["value"]) and _is_secret(found["name"], found["value"]):
        return True
    attached = _ATTACHED_HEADER.fullmatch(word)
    header = attached["header"] if attached else following if _HEADER_OPTION.fullmatch(word) else ""
    return _is_secret_header(header)


def _is_secret_header(text: str) -> bool:
    header = _HEADER.fullmatch(text)
    if not header or _HOLE in header["value"]:
        return False
    if header["name"].lower() in ("authorization", "proxy-authorization"):
        return bool(_CREDENTIALS.fullmatch(header["value"]))
    return _is_secret(header["name"], header["value"])


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
