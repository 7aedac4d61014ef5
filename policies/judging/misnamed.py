"""Names in the pack's configuration that no policy has: a rule that is misspelt there would keep its default settings.

Pulumi sends the whole configuration to the pack, and its SDK hands each policy the part under the policy's own name. So
the names are kept where the SDK takes the configuration.
"""

from collections.abc import Callable, Collection, Iterator
from typing import Any

from pulumi_policy.policy import _PolicyAnalyzerServicer

_ALL = "all"
"""Pulumi's own word for every policy."""
_kept: list[frozenset[str]] = [frozenset()]


class Servicer(_PolicyAnalyzerServicer):
    """The SDK's servicer, which keeps the names as well."""

    def Configure(self, request: Any, _context: Any) -> Any:  # noqa: N802
        """Take the configuration."""
        keep_names(request.policyConfig)
        take: Callable[[Any, Any], Any] = super().Configure  # it has no types of its own
        return take(request, _context)


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
