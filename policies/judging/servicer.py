"""The SDK's side of the connection to Pulumi, with two things that no policy can do for itself.

It keeps the names of all that is configured (`judging.misnamed`), and it reads a resource once: the SDK reads the
properties anew for each of eighty policies, and that is half of the time that a pack takes for a resource
(docs/decisions/0009-settings-of-the-pack.md).
"""

from collections.abc import Callable
from typing import Any

from pulumi.runtime.proto import AnalyzeRequest
from pulumi_policy import Policy, ResourceValidationPolicy
from pulumi_policy.policy import _PolicyAnalyzerServicer

from judging.misnamed import keep_names
from judging.reading import SharingPolicy, read, shared


class Servicer(_PolicyAnalyzerServicer):
    """The SDK's servicer."""

    def __init__(self, name: str, version: str, policies: list[Policy], *others: Any, **named: Any) -> None:
        """Take what the SDK's takes."""
        super().__init__(name, version, policies, *others, **named)
        judges = [it for it in policies if isinstance(it, ResourceValidationPolicy)]
        self._all_share = all(isinstance(it, SharingPolicy) for it in judges)

    def Configure(self, request: Any, _context: Any) -> Any:  # noqa: N802
        """Take the configuration."""
        keep_names(request.policyConfig)
        take: Callable[[Any, Any], Any] = super().Configure  # it has no types of its own
        return take(request, _context)

    def Analyze(self, request: Any, _context: Any) -> Any:  # noqa: N802
        """Judge a resource by every policy, on one reading of its properties where all of them know of it."""
        judge: Callable[[Any, Any], Any] = super().Analyze
        if not self._all_share:
            return judge(request, _context)
        # What the SDK would read for each policy: the properties, which are shared, and those of the provider, for
        # which no rule asks.
        rest = AnalyzeRequest()
        rest.CopyFrom(request)
        rest.ClearField("properties")
        if rest.HasField("provider"):
            rest.provider.ClearField("properties")
        with shared(request.urn, read(request.properties)):
            return judge(rest, _context)
