"""A shell command for those who look for something in it.

Its here-documents by themselves, the variables that are known in place, and for those who look for calls: no comments,
no redirections, each value in one piece.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from detection.here_documents import OPENS, each_line

_QUOTED = r"""\\.|\$'(?:\\.|[^'\\])*'|'[^']*'|"(?:\\.|[^"\\])*\""""
_TARGET = rf"""[ \t]*(?!\()(?P<target>(?:{_QUOTED}|[^\s;|&'"\\])+)"""
_LEFT_OUT = re.compile(
    rf"""(?P<kept>{_QUOTED})"""
    r"""|(?<![^\s;|&()])\#[^\n]*"""  # a comment
    r"""|(?:(?:(?<!\S)\d+|&)?(?<![=-])>>?[&|]?"""  # "=>" and "->" are of other languages
    rf"""|(?:(?<!\S)\d+)?(?<!<)<(?![<(])){_TARGET}""",
    re.DOTALL,
)
_QUOTES = re.compile(r"[\"'`]")
COMMENT = re.compile(r"^[^\S\n]*#.*$", re.MULTILINE)
"""A line that is a comment from its beginning."""
_ONE_VALUE = re.compile(rf"""{_QUOTED}|\$\([^()`]*\)|`[^`]*`""", re.DOTALL)
_APART = re.compile(r"""[\s;|&()`$"'\[\]{},]+""")
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_LISTED = re.compile(r""""[^"\n]*"|'[^'\n]*'""")
_DEFAULT = re.compile(r"\$\{\w+:?-([\w./-]+)\}")
Finder = Callable[[str], object]
"""Whether a text holds a call that is looked for."""


@dataclass(frozen=True)
class HereDocument:
    """A text that a shell command holds for another one; a shell leaves a quoted one as it is."""

    body: str
    quoted: bool


def here_documents(command: str) -> tuple[list[HereDocument], str]:
    """The texts that a shell command holds, and the command without them."""
    found: list[HereDocument] = []
    rest: list[str] = []
    for line, documents in each_line(command, around=" \t"):
        rest.append(OPENS.sub("", line))
        for opens, lines in documents:
            found.append(HereDocument("".join(f"{each.lstrip(chr(9))}\n" for each in lines), bool(opens["quote"])))
    return found, "\n".join(rest)


def without_asides(text: str, is_call: Finder) -> str:
    """The command without its comments and redirections.

    What is quoted stays as it is, and so does a redirection with a call in its target: then it was none, but another
    language's.
    """

    def kept(found: re.Match[str]) -> str:
        return found["kept"] or (found[0] if is_call(found["target"] or "") else " ")

    return _LEFT_OUT.sub(kept, text)


def without_comments(text: str) -> str:
    """The command without its comments; where something is quoted, without those that have a line of their own.

    Quotes within quotes cannot be told from others here, and a sign between them begins no comment; nor does one in
    `${name/ #/}`.
    """
    if _QUOTES.search(text) or "${" in text:
        return COMMENT.sub(lambda found: found[0] if _QUOTES.search(found[0]) else "", text)
    return _LEFT_OUT.sub(lambda found: "" if found[0].startswith("#") else found[0], text)


def in_one_piece(text: str, is_call: Finder) -> str:
    """The command with every quoted value, and every substitution, as one word, unless a call stands inside.

    Whoever takes the quotes off afterwards does not take a part of a value for a word of its own.
    """

    def joined(found: re.Match[str]) -> str:
        value = found[0]
        if value[0] == "\\":  # a quote after it opens nothing
            return value
        start = 2 if value[0] == "$" else 1
        inner = value[start:-1]
        if is_call(value):
            return f"{value[:start]}{in_one_piece(inner, is_call)}{value[-1]}"
        return _APART.sub("_", inner) or "_"

    return _ONE_VALUE.sub(joined, text)


def with_values(text: str, value: str) -> str:
    """The command with the value in the place of each variable that the same command gives such a value.

    Args:
        text: the command.
        value: pattern of the values that matter.
    """
    text = _DEFAULT.sub(r"\1", text)
    given = re.finditer(rf"""(?:^|[\s;&|(])([A-Za-z_]\w*)=["']?({value})["']?(?=[\s;&|)]|$)""", text)
    return expand(text, {found[1]: found[2] for found in given})


def spelled_plainly(text: str, program: str) -> str:
    """The command with a program as it is that is quoted, looked up, or the first word of another language's list.

    Args:
        text: the command.
        program: pattern of the programs that matter.
    """
    looked_up = rf"""\$\((?:which|command\s+-v|type\s+-P)\s+({program})\)|`(?:which|command\s+-v)\s+({program})`"""
    text = re.sub(looked_up, lambda it: it[1] or it[2], text)
    quoted = rf"""(^|[;&|(\n])([ \t]*)(?:"({program})"|'({program})')(?=\s)"""  # elsewhere it is somebody's argument
    text = re.sub(quoted, lambda it: f"{it[1]}{it[2]}{it[3] or it[4]}", text)
    listed = rf"""\[\s*((?:"{program}"|'{program}')(?:\s*,\s*(?:"[^"\n]*"|'[^'\n]*'))+)"""
    return re.sub(listed, lambda it: f"{' '.join(word[1:-1] for word in _LISTED.findall(it[1]))} ;", text)


def expand(text: str, known: Mapping[str, str]) -> str:
    """The text with the known variables in place; others stay as they are written, and fail where they are judged."""
    return _VARIABLE.sub(lambda name: known.get(name[1] or name[2], name[0]), text)
