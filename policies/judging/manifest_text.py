"""Finds Kubernetes objects in a text: YAML, JSON, and shell commands that hand either to kubectl."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from judging.node import is_list
from judging.shell_text import expand, here_documents

API_VERSION = re.compile(r"""\bapiVersion\\?["']?\s*:""")
RUNS_PODS = re.compile(
    r"""\bcontainers\\?["']?\s*:|\bkind\\?["']?\s*:\s*\\?["']?"""
    r"""(?:Pod|PodTemplate|Deployment|StatefulSet|DaemonSet|ReplicaSet|ReplicationController|Job|CronJob)\b"""
)
ESCAPE = {r"\n": "\n", r"\t": "\t", r"\"": '"', r"\\": "\\"}
DEEPEST = 4
"""A script in a script in a script: nobody writes more, and a text made to be slow stops here."""

Variables = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Found:
    """What a text holds: the objects in it, and whether it holds some that run pods and could not be read."""

    objects: tuple[Mapping[str, Any], ...] = ()
    unreadable: bool = False

    def __add__(self, other: "Found") -> "Found":
        return Found(self.objects + other.objects, self.unreadable or other.unreadable)


def is_object(value: Any) -> bool:
    """Whether a value names itself a Kubernetes object."""
    # iter, because a wrapped mapping reads the value to tell whether it has the key, and the value may be unknown.
    return isinstance(value, Mapping) and {"apiVersion", "kind"} <= set(iter(value))


@lru_cache(maxsize=256)  # every rule of the pack asks for the same text
def objects_in(text: str, variables: Variables = ()) -> Found:
    """The Kubernetes objects in a text.

    Args:
        text: YAML or JSON of one object or several, or a command that contains such a text.
        variables: what a shell would put in the place of `$NAME` and `${NAME}`, where they are known.
    """
    try:
        return _search(text, variables, DEEPEST)
    except RecursionError:  # nobody nests that deep by accident
        return Found(unreadable=True)


def is_manifest(text: str) -> bool:
    """Whether a text is a manifest as a whole, and so no script."""
    return bool(API_VERSION.search(text) and _parsed(text, (), 1).objects)


def _search(text: str, variables: Variables, depth: int) -> Found:
    """The objects of a text, or of the documents, words and braces within it."""
    if not API_VERSION.search(text):
        return Found()
    if not depth:
        return Found(unreadable=bool(RUNS_PODS.search(text)))
    if (whole := _parsed(text, variables, depth)).objects:
        return whole
    found = Found()
    documents, command = here_documents(text)
    for document in documents:
        body = document.body if document.quoted else expand(document.body, dict(variables))
        found += _search(body, variables, depth - 1)
    if API_VERSION.search(command):
        words = _in_words(command, variables, depth)
        found += words if words.objects else _in_braces(command)
    return found


def _parsed(text: str, variables: Variables, depth: int) -> Found:
    """The objects at any depth of a text that is YAML or JSON from its first to its last character."""
    try:
        return _nested(json.loads(text), variables, depth, set())
    except ValueError:
        import yaml

    try:
        documents = list(yaml.load_all(text, _loader()))
    except (yaml.YAMLError, ValueError, TypeError, RecursionError):  # braces of a template raise the plain errors
        return Found()
    return _nested([it for it in documents if not isinstance(it, str)], variables, depth, set())


@cache
def _loader() -> Any:
    """A loader of YAML that reads 0o17 as a number, as Kubernetes does."""
    import yaml

    loader: Any = type("Loader", (getattr(yaml, "CSafeLoader", yaml.SafeLoader),), {})
    loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"[-+]?0o[0-7][0-7_]*$"), list("-+0"))
    return loader


def _nested(value: Any, variables: Variables, depth: int, seen: set[int]) -> Found:
    """The objects in a value that a text was parsed to; each part once, however often an alias repeats it."""
    if isinstance(value, str):
        return _search(value, variables, depth - 1)
    if id(value) in seen or not (isinstance(value, Mapping) or is_list(value)):
        return Found()
    seen.add(id(value))
    if is_object(value):
        return Found((value,))
    inner = value.values() if isinstance(value, Mapping) else value
    return sum((_nested(item, variables, depth, seen) for item in inner), Found())


def _in_words(command: str, variables: Variables, depth: int) -> Found:
    """The objects in the words of a shell command, their quotes taken off."""
    found = Found()
    known = dict(variables)
    for word in _words(command):
        plain = _search(expand(word, known), variables, depth - 1)
        escaped = _search(expand(_unescaped(word), known), variables, depth - 1)
        found += plain if plain.objects else escaped
    return found


def _words(command: str) -> Iterator[str]:
    """The words of a shell command that mention an object; none where its quotes do not match."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.commenters = ""
    lexer.whitespace_split = True
    try:
        words = [word.removeprefix("$") for word in lexer]  # $'…' is a word in quotes, too
    except ValueError:
        return
    yield from (word for word in words if API_VERSION.search(word) and word != command)


def _in_braces(text: str) -> Found:
    """The JSON objects that stand bare in a text, such as in a program given to an interpreter."""
    decoder = json.JSONDecoder()
    found = Found(unreadable=bool(RUNS_PODS.search(text)))
    position = text.find("{")
    while position >= 0:
        try:
            value, end = decoder.raw_decode(text, position)
        except ValueError:
            end = position + 1
        else:
            inner = _nested(value, (), 1, set())
            found = Found(found.objects + inner.objects, found.unreadable and not inner.objects)
        position = text.find("{", end)
    return found


def _unescaped(word: str) -> str:
    """The word with the escapes that `echo -e` and `printf` know."""
    return re.sub(r"\\[nt\"\\]", lambda escape: ESCAPE[escape[0]], word)
