"""Names in the pack's configuration that no policy has: a rule that is misspelt there would keep its default settings.

Pulumi sends the whole configuration to the pack, and its SDK hands each policy the part under the policy's own name. So
`judging.servicer` keeps the names where the SDK takes the configuration.
"""

from collections.abc import Collection, Iterator

_ALL = "all"
"""Pulumi's own word for every policy."""
_kept: list[frozenset[str]] = [frozenset()]


def keep_names(names: Collection[str]) -> None:
    """Keep the names of what is configured for the rule that reports mistakes in it."""
    _kept[0] = frozenset(names)


def misnamed(known: Collection[str]) -> Iterator[str]:
    """What is wrong with the names that were kept last: `name: what is wrong: what to write`.

    Args:
        known: the names of all policies.
    """
    for name in sorted(_kept[0] - {*known, _ALL}):
        import difflib  # only a mistake asks for it

        close = difflib.get_close_matches(name, sorted(known), n=1)
        write = f"did you mean {close[0]}?" if close else "write the name of one, or take it out"
        yield f"{name}: no rule has this name: {write}"
