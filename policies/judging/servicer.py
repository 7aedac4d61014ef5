"""The SDK's side of the connection to Pulumi, with two things that it leaves to no policy.

It keeps the names of all that is configured (`judging.misnamed`), and it reads a resource once: the SDK reads the
properties anew for each of eighty policies, and that is half of the time that a pack takes for a resource.
"""

from collections.abc import Callable
from typing import Any

from pulumi.runtime.proto import AnalyzeRequest
from pulumi_policy.policy import _PolicyAnalyzerServicer

from judging.misnamed import keep_names
from judging.reading import read_once, shared


class Servicer(_PolicyAnalyzerServicer):
    """The SDK's servicer; what it does with a call is left as it is."""

    def Configure(self, request: Any, _context: Any) -> Any:  # noqa: N802
        """Take the configuration."""
        keep_names(request.policyConfig)
        take: Callable[[Any, Any], Any] = super().Configure  # it has no types of its own
        return take(request, _context)

    def Analyze(self, request: Any, _context: Any) -> Any:  # noqa: N802
        """Judge a resource, with every rule, on one reading of its properties."""
        judge: Callable[[Any, Any], Any] = super().Analyze
        # What the SDK would read for each policy: the properties, which are shared, and those of the provider, for
        # which no rule asks.
        rest = AnalyzeRequest()
        rest.CopyFrom(request)
        rest.ClearField("properties")
        if rest.HasField("provider"):
            rest.provider.ClearField("properties")
        with shared(read_once(request.properties)):
            return judge(rest, _context)
