"""How the program begins and ends. Imported before the SDKs: what they load stays until the end.

An `up` runs the program twice, and each run waits for much that can be done at once, or need not be done:

- Pulumi starts a provider when the program asks for the first thing of it, and one after the other. They are asked for
  here, so that they start while Python loads the SDKs.
- Python would search what it loads for garbage some thirty times, and once more at the end: a tenth of a second.
- The SDK hands the engine some six debug messages for each resource, one by one, and waits each time until the engine
  has taken it, which shows them to `--debug` alone: another tenth. SLIPWAY_DEBUG=1 sends them.
- pydantic would read the metadata of every installed package in search of plugins for it, of which there are none.
"""

import asyncio
import gc
import os
import sys
from collections.abc import Awaitable, Callable

import pulumi
from pulumi.runtime.proto.resource_pb2 import ResourceInvokeRequest
from pulumi.runtime.proto.resource_pb2_grpc import ResourceMonitorStub
from pulumi.runtime.settings import get_monitor

_asked: list[object] = []
_SENT = 0.002
"""Seconds in which the SDK sends what has been declared."""


def _wake(package: str) -> None:
    """Have the engine start this provider; it does so for any function of its, and there is none of this name."""
    if isinstance(monitor := get_monitor(), ResourceMonitorStub):
        # Whoever lets go of an answer that is still to come calls off what it asked for.
        _asked.append(monitor.Invoke.future(ResourceInvokeRequest(tok=f"{package}:index:awake")))


gc.disable()
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")
_wake("command")
if not pulumi.Config("slipway").get("promote"):  # a stack that promotes builds nothing
    _wake("docker-build")
if not os.environ.get("SLIPWAY_DEBUG"):
    pulumi.log.debug = lambda *_said, **_about: None


async def begin(component: pulumi.ComponentResource) -> None:
    """Send what the component has declared, so that its provider starts while the rest is declared."""
    await component.urn.future()
    await asyncio.sleep(_SENT)


def run(program: Callable[[], Awaitable[None]]) -> None:
    """Run the program, once everything is loaded; a mistake of the user's is told in its own words."""

    async def told() -> None:
        try:
            await program()
        except pulumi.RunError as error:
            pulumi.log.error(str(error))
            sys.exit(32)  # what tells Pulumi that the message was shown, and that there is nothing to add

    gc.freeze()
    gc.enable()
    pulumi.run(told)
