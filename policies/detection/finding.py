"""What the detector says about a secret: how it was recognised and what it looks like, never the value."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["name", "shape", "entropy"]


@dataclass(frozen=True)
class Finding:
    """A secret that was found. Its fields are words of the detector or names of settings, never a part of the value."""

    kind: Kind
    """Recognised by the name it stands under, by its shape, or because it looks random."""
    looks: str
    """What it looks like, with an article: "a GitHub token"."""
    at: str = ""
    """Where in a longer text it stands: the option or the setting before it; empty when it is the whole value."""
