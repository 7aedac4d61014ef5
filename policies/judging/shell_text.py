"""A shell command for those who look for calls in it: no comments, no redirections, each value in one piece."""

import re
from collections.abc import Callable

_QUOTED = r"""\\.|\$'(?:\\.|[^'\\])*'|'[^']*'|"(?:\\.|[^"\\])*\""""
_TARGET = rf"""(?P<target%d>(?:{_QUOTED}|[^\s;|&'"\\])+)"""
_LEFT_OUT = re.compile(
    rf"""(?P<kept>{_QUOTED})"""
    r"""|(?<![^\s;|&()])\#[^\n]*"""  # a comment
    rf"""|(?:(?<!\S)\d+|&)?(?<![=-])>>?[&|]?[ \t]*(?!\(){_TARGET % 1}"""  # "=>" and "->" are of other languages
    rf"""|(?:(?<!\S)\d+)?(?<!<)<(?![<(])[ \t]*{_TARGET % 2}""",
    re.DOTALL,
)
_ONE_VALUE = re.compile(rf"""{_QUOTED}|\$\([^()`]*\)|`[^`]*`""", re.DOTALL)
_APART = re.compile(r"""[\s;|&()`$"'\[\]{},]+""")
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_DEFAULT = re.compile(r"\$\{\w+:?-([\w./-]+)\}")
Finder = Callable[[str], object]
"""Whether a text holds a call that is looked for."""


def without_asides(text: str, is_call: Finder) -> str:
    """The command without its comments and redirections.

    What is quoted stays as it is, and so does a redirection with a call in its target: then it was none, but another
    language's.
    """

    def kept(found: re.Match[str]) -> str:
        target = found["target1"] or found["target2"] or ""
        return found["kept"] or (found[0] if is_call(target) else " ")

    return _LEFT_OUT.sub(kept, text)


def in_one_piece(text: str, is_call: Finder) -> str:
    """The command with every quoted value, and every substitution, as one word, unless a call stands inside.

    Whoever takes the quotes off afterwards does not take a part of a value for a word of its own.
    """

    def joined(found: re.Match[str]) -> str:
        text = found[0]
        if text[0] == "\\":  # a quote after it opens nothing
            return text
        start = 2 if text[0] == "$" else 1
        inner = text[start:-1]
        if is_call(text):
            return f"{text[:start]}{in_one_piece(inner, is_call)}{text[-1]}"
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
    known = {found[1]: found[2] for found in given}
    return _VARIABLE.sub(lambda used: known.get(used[1] or used[2], used[0]), text) if known else text
