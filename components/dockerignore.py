"""What a .dockerignore keeps from the builder, read as Docker reads it.

That is not how git reads a .gitignore, nor what Python's readers of one do: a pattern begins at the context, `*` alone
covers all that is below it too, and `!` brings back a file of a folder that was left out.
Source: docs.docker.com, "Build context: .dockerignore files"; github.com/moby/patternmatcher 0.6, which BuildKit uses.
"""

import os
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FILE = ".dockerignore"
_PART = re.compile(
    r"(?P<deep>\*\*/?)|(?P<star>\*)|(?P<one>\?)|\[(?P<set>\^?(?:\\.|[^]\\])+)\]|(?P<text>\\?.)", re.DOTALL
)
_SPECIAL = re.compile(r"[*?\[\\]")


@dataclass(frozen=True)
class _Rule:
    leaves_out: bool
    start: str
    """What every path begins with that it can match."""
    pattern: re.Pattern[str]


@dataclass(frozen=True)
class Dockerignore:
    """What one .dockerignore says of the paths of a context."""

    rules: tuple[_Rule, ...] = ()

    @classmethod
    def of(cls, context: Path, dockerfile: str) -> "Dockerignore":
        """What holds for a build: the file beside the Dockerfile that has its name, else that of the context."""
        for file in (context / f"{dockerfile}{FILE}", context / FILE):
            if file.is_file():
                return cls.parse(file.read_text(encoding="utf-8-sig", errors="replace"))
        return cls()

    @classmethod
    def parse(cls, text: str) -> "Dockerignore":
        """Read the text of a file; a pattern that Docker refuses ends its build, whatever is said of it here."""
        return cls(tuple(rule for line in text.split("\n") if (rule := _rule(line))))

    def leaves_out(self, path: str) -> bool:
        """Whether the builder never sees this file or folder of the context: the last line that matches it decides."""
        return next((rule.leaves_out for rule in reversed(self.rules) if rule.pattern.fullmatch(path)), False)

    def sent(self, context: Path, path: str) -> str | None:
        """The first file that the builder gets of this one, or of this folder and all below it; None if it gets none.

        An empty folder counts for nothing, as it does for git.
        """
        if path != "." and self.leaves_out(path) and not self._may_bring_back(path):
            return None  # so that the thousands of files of a virtual environment are not looked at
        return next((it for it in _files(context, path) if not self.leaves_out(it)), None)

    def _may_bring_back(self, folder: str) -> bool:
        below = f"{folder}/"
        starts = [rule.start for rule in self.rules if not rule.leaves_out]
        return any(start.startswith(below) or below.startswith(start) for start in starts)


def _files(context: Path, path: str) -> Iterator[str]:
    """The file itself, or those in the folder, in the order of their names."""
    if (context / path).is_symlink() or not (context / path).is_dir():
        yield path
        return
    for folder, folders, files in os.walk(context / path):
        folders.sort()
        links = [name for name in folders if Path(folder, name).is_symlink()]
        for name in sorted([*files, *links]):
            yield Path(folder, name).relative_to(context).as_posix()


def _rule(line: str) -> _Rule | None:
    text = line.strip()
    if not text or line.startswith("#"):
        return None
    body = text.removeprefix("!").strip()
    cleaned = posixpath.normpath(body).lstrip("/") if body else ""
    if not cleaned:
        return None
    try:
        pattern = re.compile(f"(?:{_expression(cleaned)})(?:/.*)?", re.DOTALL)
    except re.error:
        return None
    return _Rule(not text.startswith("!"), _SPECIAL.split(cleaned, maxsplit=1)[0], pattern)


def _expression(pattern: str) -> str:
    """The regular expression for a pattern; what is below a match is up to the caller."""
    if (end := pattern.removeprefix("**")) != pattern and not end.startswith("/") and not _SPECIAL.search(end):
        return ".*" + re.escape(end)  # `**.pyc` is any name that ends so
    return "".join(_piece(found, found.end() == len(pattern)) for found in _PART.finditer(pattern))


def _piece(found: re.Match[str], is_last: bool) -> str:
    kind, text = str(found.lastgroup), found[0]
    if kind == "deep":
        return ".*" if is_last else "(?:.*/)?"
    if kind == "set":
        return "[" + re.sub(r"([\[&~|])", r"\\\1", found["set"]) + "]"
    return {"star": "[^/]*", "one": "[^/]"}.get(kind) or re.escape(text[-1])
