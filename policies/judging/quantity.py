"""Quantities as the Kubernetes API writes them: 128Mi, 500m, 1e9.

Grammar: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
"""

import re
from typing import Any

QUANTITY = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?P<unit>[numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?")
UNITS = {"n": 1e-9, "u": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18} | {
    f"{letter}i": 1024.0**power for power, letter in enumerate("KMGTPE", start=1)
}


def quantity(value: Any) -> float | None:
    """The number that a quantity stands for; None where there is none, or what is written is no quantity."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    matched = QUANTITY.fullmatch(value.strip()) if isinstance(value, str) else None
    if not matched:
        return None
    unit = matched["unit"] or ""
    if unit in UNITS:
        return float(matched[0].removesuffix(unit)) * UNITS[unit]
    return float(matched[0])
