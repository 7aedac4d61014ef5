"""Finds secrets in a Dockerfile: what it sets and what it runs stays in the image's history."""

import json
import re
from collections.abc import Iterator

from detection.commands import find_in_command
from detection.finding import Finding
from detection.here_documents import each_line
from detection.values import find_in_value

_CONTINUED = re.compile(r"[\\`][ \t]*\r?\n")
_INSTRUCTION = re.compile(r"[ \t]{0,40}(?P<word>[A-Za-z]{2,12})[ \t]+(?P<rest>[^\n]*)")
_SETTING = re.compile(r"(?P<name>[^\s=]{1,200})=(?P<value>\"(?:[^\"\\]++|\\.)*+\"|'[^']*+'|[^\s\"']*)")
_RUNS = frozenset(("RUN", "CMD", "ENTRYPOINT", "HEALTHCHECK", "SHELL", "ADD", "COPY"))
_SETS = frozenset(("ENV", "ARG", "LABEL"))
_COMMENT = re.compile(r"^[ \t]*#[^\n]*(?:\n|$)", re.MULTILINE)
_TRIGGER = re.compile(r"^[ \t]*ONBUILD[ \t]+", re.MULTILINE | re.IGNORECASE)
_LIST = re.compile(r"(?:--\S+\s+)*(?:CMD\s+)?(?=\[)")
_HOLDS = re.compile(r"[ \t]*(?P<word>RUN|COPY|ADD)\b", re.IGNORECASE)
"""An instruction that may hold a here-document."""


def find_in_dockerfile(text: str) -> Iterator[tuple[str, Finding]]:
    """The instructions of a Dockerfile that hold a secret, and what each holds."""
    instructions: list[str] = []
    for line, documents in each_line(_TRIGGER.sub("", _COMMENT.sub("", text)), around="\t\r"):
        instructions.append(line)
        holds = _HOLDS.match(line)
        for _, lines in documents:
            if holds is None:  # `<<` says something else there, and what follows are instructions
                instructions += lines
            elif found := (find_in_command if holds["word"].upper() == "RUN" else _in_file)("\n".join(lines)):
                yield holds["word"].upper(), found
    for line in _CONTINUED.sub(" ", "\n".join(instructions)).splitlines():
        instruction = _INSTRUCTION.match(line)
        if instruction is None:
            continue
        word, rest = instruction["word"].upper(), instruction["rest"].strip()
        if found := _in_settings(rest) if word in _SETS else find_in_command(_words(rest)) if word in _RUNS else None:
            yield word, found


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
