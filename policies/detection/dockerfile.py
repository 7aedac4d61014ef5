"""Finds secrets in a Dockerfile: what it sets and what it runs stays in the image's history."""

import json
import re
from bisect import bisect_left
from collections.abc import Iterator

from detection.commands import find_in_command
from detection.finding import Finding
from detection.values import find_in_value

_CONTINUED = re.compile(r"[\\`][ \t]*\r?\n")
_INSTRUCTION = re.compile(r"[ \t]{0,40}(?P<word>[A-Za-z]{2,12})[ \t]+(?P<rest>[^\n]*)")
_SETTING = re.compile(r"(?P<name>[^\s=]{1,200})=(?P<value>\"(?:[^\"\\]++|\\.)*+\"|'[^']*+'|[^\s\"']*)")
_RUNS = frozenset(("RUN", "CMD", "ENTRYPOINT", "HEALTHCHECK", "SHELL", "ADD", "COPY"))
_SETS = frozenset(("ENV", "ARG", "LABEL"))
_COMMENT = re.compile(r"^[ \t]*#[^\n]*(?:\n|$)", re.MULTILINE)
_TRIGGER = re.compile(r"^[ \t]*ONBUILD[ \t]+", re.MULTILINE | re.IGNORECASE)
_LIST = re.compile(r"(?:--\S+\s+)*(?:CMD\s+)?(?=\[)")
_OPENS = re.compile(r"[ \t]*(?P<word>RUN|COPY|ADD)\b", re.IGNORECASE)
_MARK = re.compile(r"<<-?(?P<quote>[\"']?)(?P<mark>\w+)(?P=quote)")
"""Of a here-document. Source: docs.docker.com, "Dockerfile reference", Here-Documents."""


def find_in_dockerfile(text: str) -> Iterator[tuple[str, Finding]]:
    """The instructions of a Dockerfile that hold a secret, and what each holds."""
    plain = _TRIGGER.sub("", _COMMENT.sub("", text))
    documents, rest_of_it = _documents(plain)
    for word, body in documents:
        if found := find_in_command(body) if word == "RUN" else _in_file(body):
            yield word, found
    for line in _CONTINUED.sub(" ", rest_of_it).splitlines():
        instruction = _INSTRUCTION.match(line)
        if instruction is None:
            continue
        word, rest = instruction["word"].upper(), instruction["rest"].strip()
        if found := _in_settings(rest) if word in _SETS else find_in_command(_words(rest)) if word in _RUNS else None:
            yield word, found


def _documents(text: str) -> tuple[list[tuple[str, str]], str]:
    """The here-documents of instructions, and the Dockerfile without them."""
    lines = text.split("\n")
    ends: dict[str, list[int]] = {}
    for position, line in enumerate(lines):
        ends.setdefault(line.strip("\t\r"), []).append(position)
    found, rest, position = [], [], 0
    while position < len(lines):
        line, position = lines[position], position + 1
        opens, mark = _OPENS.match(line), _MARK.search(line)
        closing = ends.get(mark["mark"], []) if opens and mark else []
        if opens and (following := bisect_left(closing, position)) < len(closing):
            found.append((opens["word"].upper(), "\n".join(lines[position : closing[following]])))
            position = closing[following] + 1
        rest.append(line)
    return found, "\n".join(rest)


def _in_file(text: str) -> Finding | None:
    """What a file that is written out sets: `NAME=value`, a line each."""
    lines = (line.strip().removeprefix("export ") for line in text.splitlines())
    return next((found for line in lines if _SETTING.match(line) and (found := _in_settings(line))), None)


def _words(rest: str) -> str | list[str]:
    """The words of a list, which no shell reads; else the line of a shell."""
    listed = _LIST.match(rest)
    try:
        words = json.loads(rest[listed.end() :]) if listed else None
    except (ValueError, RecursionError):
        words = None
    return [str(word) for word in words] if isinstance(words, list) else rest


def _in_settings(text: str) -> Finding | None:
    """`NAME=value NAME=value`, or `NAME the rest of the line`."""
    settings = [(found["name"], found["value"]) for found in _SETTING.finditer(text)]
    if "=" not in text.split(maxsplit=1)[0]:
        name, _, value = text.partition(" ")
        settings = [(name, value)]
    for name, value in settings:
        if found := find_in_value(name, value.strip().strip("\"'")):
            return Finding(found.kind, found.looks, found.at or name)
    return None
