"""Reads the text of a command line as a shell does, as far as it matters: words, quotes, pipes.

The standard library's `shlex` refuses what is not balanced and takes a second for a megabyte; a policy reads whatever
stands there.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_PART = re.compile(
    r"(?P<gap>(?:[ \t\r]|\\\n)++)"
    r"|(?P<here>[0-9]?<<<|[0-9]?<<-?[ \t]{0,4}[\"']?\w{1,40}[\"']?)"
    r"|(?P<end>\|\|?|&&?|;{1,2}|\n|[()])"
    r"|(?P<redirection>[<>]{1,2}&?)"
    r"|'(?P<single>[^']*+)'?"
    r"|\"(?P<double>(?:[^\"\\]++|\\.)*+)\"?"
    r"|\\(?P<escaped>.?)"
    r"|(?P<bare>[^\s'\"\\|&;()<>]++|.)",
    re.DOTALL,
)
_ESCAPED = re.compile(r"\\([\"\\$`])")


@dataclass(frozen=True)
class Command:
    """One command of a line."""

    words: tuple[str, ...]
    fed: str = ""
    """What it reads on standard input, where an `echo` before it or the line itself says so."""


def commands(text: str) -> Iterator[Command]:
    """The commands of a line, in order."""
    words: list[str] = []
    word: list[str] | None = None
    fed, here = "", False
    for part in _PART.finditer(text):
        kind = part.lastgroup
        if kind in ("gap", "here", "end", "redirection"):
            if word is not None:
                if here:
                    fed, here = "".join(word), False
                else:
                    words.append("".join(word))
                word = None
            here = here or (kind == "here" and part[0].endswith("<<<"))
            if kind == "end":
                yield Command(tuple(words), fed)
                fed, words = (_said(words) if part[0] == "|" else ""), []
            continue
        word = word if word is not None else []
        word.append(_unquoted(kind or "", part))
    if word is not None:
        fed, words = ("".join(word), words) if here else (fed, [*words, "".join(word)])
    yield Command(tuple(words), fed)


def _unquoted(kind: str, part: re.Match[str]) -> str:
    text = part[kind] if kind else ""
    return _ESCAPED.sub(r"\1", text) if kind == "double" else text


def _said(words: Sequence[str]) -> str:
    """What `echo` and `printf` print."""
    for place, word in enumerate(words[:2]):
        if word.rpartition("/")[2] in ("echo", "printf"):
            return " ".join(said for said in words[place + 1 :] if not said.startswith("-"))
    return ""
