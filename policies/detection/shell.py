"""Reads the text of a command line as a shell does, as far as it matters: words, quotes, pipes.

The standard library's `shlex` refuses what is not balanced and takes a second for a megabyte; a policy reads whatever
stands there.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_PART = re.compile(
    r"(?P<here>[0-9]?<<<|[0-9]?<<-?[ \t]{0,4}[\"']?\w{1,40}[\"']?)"
    r"|(?P<end>\|\|?|&&?|;{1,2}|\n|[()])"
    r"|(?P<redirection>[0-9]?[<>]{1,2}&?)"
    r"|(?:[ \t\r]|\\\n)++"
    r"|(?P<word>(?:[^\s'\"\\|&;()<>]++|'[^']*+'?|\"(?:[^\"\\]++|\\.)*+\"?|\\.?|[^\S \t\r\n])++)",
    re.DOTALL,
)
_QUOTED = re.compile(r"'(?P<single>[^']*+)'?|\"(?P<double>(?:[^\"\\]++|\\.)*+)\"?|\\(?P<escaped>.?)", re.DOTALL)
_ESCAPED = re.compile(r"\\([\"\\$`])")


@dataclass(frozen=True)
class Command:
    """One command of a line."""

    words: tuple[str, ...]
    fed: str = ""
    """What it reads on standard input, where an `echo` before it or the line itself says so."""
    written: tuple[str, ...] = ()
    """The files that it writes its output to."""
    called: bool = False
    """Whether a parenthesis follows: then it is no command of a shell, but a call in a program."""


def commands(text: str) -> Iterator[Command]:
    """The commands of a line, in order; where a redirection leads is no word of its command."""
    words: list[str] = []
    fed, before = "", ""
    written: list[str] = []
    for part in _PART.finditer(text):
        kind = part.lastgroup
        if kind == "word":
            word = _unquoted(part[0])
            if before == "<<<":
                fed = word
            elif not before:
                words.append(word)
            elif before.lstrip("1") in (">", ">>"):
                written.append(word)
            before = ""
        elif kind == "end":
            if words:
                yield Command(tuple(words), fed, tuple(written), part[0] == "(")
            fed, words, written, before = (said(words) if part[0] == "|" else ""), [], [], ""
        elif kind == "redirection":
            before = "" if part[0].endswith("&") else part[0]
        elif kind == "here":
            before = "<<<" if part[0].endswith("<<<") else ""
    if words:
        yield Command(tuple(words), fed, tuple(written))


def _unquoted(word: str) -> str:
    return _QUOTED.sub(_inside, word) if "'" in word or '"' in word or "\\" in word else word


def _inside(quoted: re.Match[str]) -> str:
    text = quoted[quoted.lastgroup or 0]
    return _ESCAPED.sub(r"\1", text) if quoted.lastgroup == "double" else text


def said(words: Sequence[str]) -> str:
    """What `echo`, `printf` and `yes` print."""
    for place, word in enumerate(words[:2]):
        if word.rpartition("/")[2] in ("echo", "printf", "yes"):
            return " ".join(word for word in words[place + 1 :] if not word.startswith("-"))
    return ""
