"""Finds a secret in a command: a text that a shell reads, or a list of words that a program gets."""

import re
from collections.abc import Sequence
from itertools import pairwise

from detection.finding import Finding
from detection.judgement import SHORTEST_TOKEN, by_entropy, by_name, by_shape
from detection.names import PLAIN, Bearing, Meaning, meaning
from detection.options import find_in_words
from detection.programs import SEARCHERS, SHELLS
from detection.prose import is_small_variable
from detection.references import HOLE, held, strip
from detection.shapes import password_hash_in
from detection.shell import Command, commands, said
from detection.text import find_in_text
from detection.wrappers import program_place

_SUBSTITUTED = re.compile(r"\$\(([^()]{1,1000})\)|`([^`]{1,1000})`")
_POWERSHELL = re.compile(r"\$env:(?=\w{1,100}[ \t]{0,3}=[^=])")
_SEVERAL_WORDS = re.compile(r"[\s;|&]")
_DEEPEST = 3
_PREFIX = re.compile(r"--?(?:from-literal|set(?:-string|-literal)?|e|env|build-arg|var|extra-vars|parameters?)=")
"""Of an option that takes a name and its value: `--from-literal=password=…`."""
_ASSIGNED = re.compile(r"(?P<name>[A-Za-z_][\w.-]{0,100})=(?P<value>[^\s;&?|<>{}\[\]\"'`]{1,400})")
_EVALUATED = frozenset(("-c", "--eval", "--execute"))
"""Options before a text that a program runs."""
_OPTION_FIRST = re.compile(r"\s{0,40}--?[A-Za-z]")
_PUBLIC_FILES = ("/etc/passwd", "/etc/group")
"""Everybody may read them; a password's hash in them has a shape of its own."""


def find_in_command(command: str | Sequence[str]) -> Finding | None:
    """What secret a command shows to everyone who may list processes, read the state or inspect the container.

    Args:
        command: the text of a command line, or the words of one.
    """
    return _find_in_line(command, 0) if isinstance(command, str) else _find_in_list(command, 0)


def find_in_options(text: str) -> Finding | None:
    """What secret stands in options without their program, as in JAVA_OPTS; references are taken out already."""
    # A text that only contains an option may as well be a program, in which `password=settings.password` computes one.
    begins = bool(_OPTION_FIRST.match(text))
    for command in commands(text):
        if found := find_in_words(command) or (_assigned(command) if begins else None):
            return found
    return None


def _find_in_line(line: str, depth: int, *, shell: bool = True) -> Finding | None:
    """What a line shows.

    Args:
        line: the text of it.
        depth: in how many others it stands.
        shell: whether it is known that a shell reads it, and no other program.
    """
    if looks := password_hash_in(line):
        return Finding("shape", looks)
    text = strip(_POWERSHELL.sub("", line), "shell")
    for name, default in held(text):
        if found := by_shape(default) or by_name(meaning(name), default):
            return found
    if found := by_shape(text.text) or find_in_text(text.text, options=False):
        return found
    for command in commands(text.text):
        if found := _find_in_simple(command, depth) or (_assigned(command) if shell else None):
            return found
    if depth < _DEEPEST:
        for inner in _SUBSTITUTED.finditer(line):
            if found := _find_in_line(inner[1] or inner[2], depth + 1):
                return found
    return None


def _find_in_list(words: Sequence[str], depth: int) -> Finding | None:
    stripped = []
    shell = _runs_shell(words)
    for word in words:
        if shell and depth < _DEEPEST and _SEVERAL_WORDS.search(word):
            if found := _find_in_line(word, depth + 1):
                return found
            stripped.append(strip(word, "shell").text)
            continue
        if looks := password_hash_in(word):
            return Finding("shape", looks)
        text = strip(word, "program")
        stripped.append(text.text)
        for name, default in held(text):
            if found := by_shape(default) or by_name(meaning(name), default):
                return found
        if found := by_shape(text.text) or find_in_text(text.text, options=False):
            return found
        if depth < _DEEPEST and _SEVERAL_WORDS.search(word) and (found := _find_in_line(word, depth + 1, shell=False)):
            return found
    command = Command(tuple(stripped))
    return _find_in_simple(command, _DEEPEST) or _assigned(command)


def _find_in_simple(command: Command, depth: int) -> Finding | None:
    if found := find_in_words(command) or _written(command):
        return found
    before = ""
    shell = _runs_shell(command.words)
    for word in command.words:
        if len(word) >= SHORTEST_TOKEN:
            option = meaning(before) if before.startswith("-") else PLAIN
            if found := by_entropy(option, word):
                return found
        if depth < _DEEPEST and _SEVERAL_WORDS.search(word) and (found := _find_in_line(word, depth + 1, shell=shell)):
            return found
        before = word
    return None


def _program(command: Command) -> str:
    return next(iter(command.words[program_place(command.words) :]), "").rpartition("/")[2]


def _runs_shell(words: Sequence[str]) -> bool:
    return any(word.rpartition("/")[2] in SHELLS for word in words)


def _assigned(command: Command) -> Finding | None:
    """`NAME=value` as a word: what stands there is never computed, whatever it looks like."""
    if command.called or _program(command) in SEARCHERS:
        return None
    for before, word in pairwise(("", *command.words)):
        if before in _EVALUATED or (before == "-e" and "(" in word):
            continue
        prefix = _PREFIX.match(word)
        for part in word[prefix.end() if prefix else 0 :].split(","):
            found = _ASSIGNED.fullmatch(part)
            if not found or HOLE in part or is_small_variable(found["value"]):
                continue
            if judged := by_name(meaning(found["name"]), found["value"]):
                return Finding(judged.kind, judged.looks, found["name"])
    return None


def _written(command: Command) -> Finding | None:
    """`echo … > /run/secrets/db_password`."""
    for path in command.written:
        folder, _, name = path.replace(HOLE, "").rpartition("/")
        if path.endswith(_PUBLIC_FILES):
            continue
        kept = folder.endswith("/secrets") and not name.startswith(".")
        if kept or meaning(name).bearing is Bearing.SECRET:
            secret = Meaning(Bearing.SECRET, meaning(name).looks or "a secret")
            text = said(command.words)
            if HOLE not in text and (found := by_name(secret, text)):
                return Finding(found.kind, found.looks, "a file of secrets")
    return None
