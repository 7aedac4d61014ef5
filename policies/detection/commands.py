"""Finds a secret in a command: a text that a shell reads, or a list of words that a program gets."""

import re
from collections.abc import Sequence

from detection.finding import Finding
from detection.judgement import SHORTEST_TOKEN, by_entropy, by_name, by_shape
from detection.names import PLAIN, Bearing, Meaning, meaning
from detection.options import find_in_words
from detection.references import HOLE, held, strip
from detection.shapes import password_hash_in
from detection.shell import Command, commands, said
from detection.text import find_in_text

_SUBSTITUTED = re.compile(r"\$\(([^()]{1,1000})\)|`([^`]{1,1000})`")
_POWERSHELL = re.compile(r"\$env:(?=\w{1,100}[ \t]{0,3}=[^=])")
_SEVERAL_WORDS = re.compile(r"[\s;|&]")
_DEEPEST = 3


def find_in_command(command: str | Sequence[str]) -> Finding | None:
    """What secret a command shows to everyone who may list processes, read the state or inspect the container.

    Args:
        command: the text of a command line, or the words of one.
    """
    return _find_in_line(command, 0) if isinstance(command, str) else _find_in_list(command, 0)


def find_in_options(text: str) -> Finding | None:
    """What secret stands in options without their program, as in JAVA_OPTS; references are taken out already."""
    return next(filter(None, (find_in_words(command) for command in commands(text))), None)


def _find_in_line(line: str, depth: int) -> Finding | None:
    if looks := password_hash_in(line):
        return Finding("shape", looks)
    text = strip(_POWERSHELL.sub("", line), "shell")
    for name, default in held(text):
        if found := by_shape(default) or by_name(meaning(name), default):
            return found
    if found := by_shape(text.text) or find_in_text(text.text, options=False):
        return found
    for command in commands(text.text):
        if found := _find_in_simple(command, depth):
            return found
    if depth < _DEEPEST:
        for inner in _SUBSTITUTED.finditer(line):
            if found := _find_in_line(inner[1] or inner[2], depth + 1):
                return found
    return None


def _find_in_list(words: Sequence[str], depth: int) -> Finding | None:
    stripped = []
    for word in words:
        if looks := password_hash_in(word):
            return Finding("shape", looks)
        text = strip(word, "program")
        stripped.append(text.text)
        for name, default in held(text):
            if found := by_shape(default) or by_name(meaning(name), default):
                return found
        if found := by_shape(text.text) or find_in_text(text.text, options=False):
            return found
        if depth < _DEEPEST and _SEVERAL_WORDS.search(word) and (found := _find_in_line(word, depth + 1)):
            return found
    return _find_in_simple(Command(tuple(stripped)), _DEEPEST)


def _find_in_simple(command: Command, depth: int) -> Finding | None:
    if found := find_in_words(command) or _written(command):
        return found
    before = ""
    for word in command.words:
        if len(word) >= SHORTEST_TOKEN:
            option = meaning(before) if before.startswith("-") else PLAIN
            if found := by_entropy(option, word):
                return found
        if depth < _DEEPEST and _SEVERAL_WORDS.search(word) and (found := _find_in_line(word, depth + 1)):
            return found
        before = word
    return None


def _written(command: Command) -> Finding | None:
    """`echo … > /run/secrets/db_password`."""
    for path in command.written:
        folder, _, name = path.replace(HOLE, "").rpartition("/")
        if folder.endswith("/secrets") or meaning(name).bearing is Bearing.SECRET:
            secret = Meaning(Bearing.SECRET, meaning(name).looks or "a secret")
            text = said(command.words)
            if HOLE not in text and (found := by_name(secret, text)):
                return Finding(found.kind, found.looks, "a file of secrets")
    return None
