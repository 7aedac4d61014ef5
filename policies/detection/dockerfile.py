"""Finds secrets in a Dockerfile: what it sets and what it runs stays in the image's history."""

import re
from collections.abc import Iterator

from detection.commands import find_in_command
from detection.finding import Finding
from detection.values import find_in_value

_CONTINUED = re.compile(r"[\\`][ \t]*\r?\n")
_INSTRUCTION = re.compile(r"[ \t]{0,40}(?P<word>[A-Za-z]{2,12})[ \t]+(?P<rest>[^\n]*)")
_SETTING = re.compile(r"(?P<name>[^\s=]{1,200})=(?P<value>\"(?:[^\"\\]++|\\.)*+\"|'[^']*+'|[^\s\"']*)")
_RUNS = frozenset(("RUN", "CMD", "ENTRYPOINT", "HEALTHCHECK", "SHELL"))
_SETS = frozenset(("ENV", "ARG", "LABEL"))


def find_in_dockerfile(text: str) -> Iterator[tuple[str, Finding]]:
    """The instructions of a Dockerfile that hold a secret, and what each holds."""
    for line in _CONTINUED.sub(" ", text).splitlines():
        instruction = _INSTRUCTION.match(line)
        if instruction is None:
            continue
        word, rest = instruction["word"].upper(), instruction["rest"].strip()
        found = _in_settings(rest) if word in _SETS else find_in_command(rest) if word in _RUNS else None
        if found:
            yield word, found


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
