"""How the program begins and ends. Imported before the SDKs: what they load stays until the end.

Python would search it for garbage some thirty times while they load, and once more at the end: a tenth of a second in
each run, of which an `up` makes two. As much goes into the SDK's own debug messages: it hands over some six for each
resource, one by one, and waits each time until the engine has taken it, which shows them to `--debug` alone.
SLIPWAY_DEBUG=1 sends them.
"""

import gc
import os
import sys
from collections.abc import Callable

import pulumi

gc.disable()
if not os.environ.get("SLIPWAY_DEBUG"):
    pulumi.log.debug = lambda *_said, **_about: None


def run(program: Callable[[], None]) -> None:
    """Run the program, once everything is loaded; a mistake of the user's is told in its own words."""
    gc.freeze()
    gc.enable()
    try:
        program()
    except pulumi.RunError as error:
        pulumi.log.error(str(error))
        sys.exit(32)  # what tells Pulumi that the message was shown, and that there is nothing to add
