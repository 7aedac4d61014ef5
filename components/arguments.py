"""What every component's arguments share: one frozen pydantic model each, and the type of a value that may still flow.

A field that is known when the program runs is validated by pydantic. A field that flows between resources (a digest,
a report's path) is declared `Flow`: it takes a value or a Pulumi Output, and only its presence can be checked.
"""

from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import pulumi
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict


def _string_or_output(value: Any) -> Any:
    if isinstance(value, str | pulumi.Output):
        return value
    raise ValueError("write a string or hand in an output of another resource")


def _literal(path: str) -> str:
    if path.startswith("~"):
        raise ValueError(
            f"only a shell knows what ~ stands for ({path}): write an absolute path, or one relative to the project"
        )
    return path


LiteralPath = Annotated[str, AfterValidator(_literal)]
"""A path that a tool gets as it is written, and so without the `~` that a shell would have expanded."""

if TYPE_CHECKING:
    Flow = pulumi.Output[str] | str
else:
    Flow = Annotated[Any, BeforeValidator(_string_or_output)]


def refuse(problems: Iterable[str]) -> None:
    """Refuse a list of settings for all that is wrong in it, in one message.

    Raises:
        ValueError: there is a problem.
    """
    if told := list(problems):
        raise ValueError("; ".join(told))


class Arguments(BaseModel):
    """Base of all component arguments: frozen, and an unknown key is an error; `docstrings` describes the fields."""

    # An error that nobody catches would print the input, which may be a secret in the wrong place.
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, hide_input_in_errors=True)

    def properties(self) -> dict[str, Any]:
        """The arguments as resource properties, so that a preview shows them and a policy can read them."""
        return {name: _plain(getattr(self, name)) for name in type(self).model_fields}


def _plain(value: Any) -> Any:
    if isinstance(value, Arguments):
        return value.properties()
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_none=True)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value.isoformat() if isinstance(value, date) else value
