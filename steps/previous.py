"""What a step printed the last time; Pulumi's command provider hands it on where the state has one."""

import json
import os
from typing import Any

_VARIABLE = "PULUMI_COMMAND_STDOUT"


def printed() -> dict[str, Any] | None:
    """The result of the last time; None where there was none, and empty where it cannot be read."""
    if (text := os.environ.get(_VARIABLE)) is None:
        return None
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
