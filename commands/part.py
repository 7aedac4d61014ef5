"""What every part of a report that a command prints as data has in common."""

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """Base of all parts of a report: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
