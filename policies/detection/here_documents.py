"""Which lines of a text are those of here-documents, in a shell command as in a Dockerfile.

Sources: POSIX.1, Shell Command Language, "Here-Document"; docs.docker.com, "Dockerfile reference", Here-Documents.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence

OPENS = re.compile(r"""<<-?[ \t]*(?P<quote>\\|['"]?)(?P<mark>\w+)['"]?""")
"""What opens one, if a line with its mark follows."""
Opened = tuple[re.Match[str], Sequence[str]]
"""What opens a here-document, and its lines."""


def each_line(text: str, around: str) -> Iterator[tuple[str, list[Opened]]]:
    """The lines that are none of a here-document's, each with those that it opens.

    Args:
        text: what may have some.
        around: the characters that may stand around the mark that ends one.
    """
    lines = text.split("\n")
    ends: dict[str, list[int]] = {}
    for position, line in enumerate(lines):
        ends.setdefault(line.strip(around), []).append(position)
    position = 0
    while position < len(lines):
        line, position = lines[position], position + 1
        found: list[Opened] = []
        for opens in OPENS.finditer(line):
            closing = ends.get(opens["mark"], [])
            if (following := bisect_left(closing, position)) < len(closing):
                found.append((opens, lines[position : closing[following]]))
                position = closing[following] + 1
        yield line, found
