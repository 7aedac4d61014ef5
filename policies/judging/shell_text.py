"""A shell command for those who look for calls in it: no comments, no redirections, each value in one piece."""

import re
from collections.abc import Callable

_WORD = r"""(?:'[^']*'|"(?:\\.|[^"\\])*"|[^\s;|&'"])+"""
_LEFT_OUT = re.compile(
    rf"""(?P<kept>'[^']*'|"(?:\\.|[^"\\])*"|\\.)"""
    rf"""|(?<!\S)\#[^\n]*"""  # a comment
    rf"""|(?:(?<!\S)\d+|&)?>>?[&|]?[ \t]*(?!\(){_WORD}"""
    rf"""|(?:(?<!\S)\d+)?(?<!<)<(?![<(])[ \t]*{_WORD}""",
    re.DOTALL,
)
_ONE_VALUE = re.compile(r"""\\.|'[^']*'|"(?:\\.|[^"\\])*"|\$\([^()`]*\)|`[^`]*`""", re.DOTALL)
_APART = re.compile(r"[\s;|&()`$]+")
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_DEFAULT = re.compile(r"\$\{\w+:?-([\w./-]+)\}")


def without_asides(text: str) -> str:
    """The command without its comments and redirections; what is quoted stays as it is."""
    return _LEFT_OUT.sub(lambda found: found["kept"] or " ", text)


def in_one_piece(text: str, is_call: Callable[[str], object]) -> str:
    """The command with every quoted value, and every substitution, as one word, unless a call stands inside.

    Whoever takes the quotes off afterwards does not take a part of a value for a word of its own.

    Args:
        text: the command.
        is_call: whether a text names a program that is looked for.
    """

    def joined(found: re.Match[str]) -> str:
        quoted = found[0]
        if quoted[0] == "\\":  # a quote after it opens nothing
            return quoted
        if not is_call(quoted):
            return _APART.sub("_", quoted)
        return f"{quoted[0]}{in_one_piece(quoted[1:-1], is_call)}{quoted[-1]}" if quoted[0] in "'\"" else quoted

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
