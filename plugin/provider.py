"""The provider that serves the components: their schema with every docstring, and their errors in a person's words."""

import difflib
import inspect
import json
import tomllib
from pathlib import Path
from typing import Any, get_type_hints

import pulumi
from pulumi.errors import InputPropertiesError
from pulumi.provider import ConstructResult
from pulumi.provider.experimental.analyzer import Analyzer, ComponentDefinition
from pulumi.provider.experimental.component import ComponentProvider
from pulumi.provider.experimental.util import camel_case
from pulumi.provider.server import ComponentInitError
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from components.container import HardenedContainer
from components.evidence import Evidence
from components.host import Host
from components.image import Image
from components.promotion import Promotion
from components.proof import Proof
from components.publication import Publication
from components.release import Release
from components.scan import Scan
from components.signature import Signature, Verification
from plugin.derive import (
    descriptions,
    field_types,
    input_type,
    nested_models,
    property_path,
    python_names,
    type_at,
    type_name,
)

PACKAGE = "slipway"
COMPONENTS: tuple[type[pulumi.ComponentResource], ...] = (
    Image,
    Scan,
    Signature,
    Evidence,
    Verification,
    Publication,
    Release,
    Promotion,
    Host,
    HardenedContainer,
    Proof,
)
"""What is served, in the order in which an artifact travels."""
_MAY_HOLD_SECRETS = frozenset({"environment", "arguments", "secrets", "password"})
"""Fields in which somebody may have put a secret, which no message may repeat."""


class SlipwayProvider(ComponentProvider):
    """What `component_provider_host` runs, plus two things that it lacks.

    Docstrings of derived types reach the schema, and bad input is told as one line a property, without a traceback.
    """

    def __init__(self) -> None:
        self.models = {component.__name__: _model(component) for component in COMPONENTS}
        super().__init__([_served(component) for component in COMPONENTS], PACKAGE, version=_version())
        self.schema: str = json.dumps(_documented(json.loads(self.schema or "{}"), self.models))

    def map_inputs(self, inputs: pulumi.Inputs, component_def: ComponentDefinition) -> pulumi.Inputs:
        """The inputs under the names of the model, with the unknown ones, which the model refuses by name."""
        mapped: dict[str, Any] = python_names(inputs, self.models[component_def.name])
        return mapped

    def construct(
        self, name: str, resource_type: str, inputs: pulumi.Inputs, options: pulumi.ResourceOptions | None = None
    ) -> ConstructResult:
        """Create a component.

        Raises:
            InputPropertiesError: when an input is wrong, or the component cannot be created with it.
        """
        try:
            return super().construct(name, resource_type, inputs, options)
        except ComponentInitError as error:
            raise _told(name, error.inner, self.models[resource_type.rpartition(":")[2]]) from None


def _told(name: str, error: Exception, model: type[BaseModel]) -> Exception:
    """What the engine shows without a traceback, if the error is one for a person; the error itself if it is a bug."""
    if isinstance(error, ValidationError):
        own = error.title == model.__name__  # not that of a component inside this one, whose paths mean nothing here
        lines = [_mistake(entry, model) if own else _message(entry) for entry in error.errors()]
        told = "\n".join([f"{len(lines)} mistake(s) in the inputs of {name}:", *(f"  {line}" for line in lines)])
        # Not as the engine's property errors: it shows the whole value of each, and there may be a secret in it.
        return InputPropertiesError(told, [])
    if isinstance(error, pulumi.RunError | pulumi.ConfigMissingError | OSError | ValueError):
        return InputPropertiesError(f"{name}: {error}", [])  # the SDK fails on a message without a list
    return error


def _version() -> str:
    project = Path(__file__).resolve().parent.parent / "pyproject.toml"
    return str(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"])


def _model(component: type[pulumi.ComponentResource]) -> type[BaseModel]:
    """The model of a component's arguments."""
    model: type[BaseModel] = get_type_hints(component.__init__)["args"]
    return model


def _served(component: type[pulumi.ComponentResource]) -> type[pulumi.ComponentResource]:
    """The component as a class whose `args` are plain annotations, validated by the component's own model."""
    model = _model(component)

    def create(
        self: pulumi.ComponentResource, name: str, args: dict[str, Any], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        component.__init__(self, name, model.model_validate(args), opts)  # type: ignore[arg-type]

    create.__annotations__["args"] = input_type(model)
    body = {"__init__": create, "__doc__": component.__doc__, "__module__": __name__}
    return type(component.__name__, (component,), body)


def _documented(schema: dict[str, Any], models: dict[str, type[BaseModel]]) -> dict[str, Any]:
    """The schema with the docstrings of models, fields and outputs.

    The analyzer looks for docstrings in source text, and a derived type has none.
    """
    schema["description"] = "Ship a container: build, scan, sign, publish and run it, every step a resource."
    analyzer = Analyzer(PACKAGE)
    for component in COMPONENTS:
        resource, model = schema["resources"][f"{PACKAGE}:index:{component.__name__}"], models[component.__name__]
        resource["description"] = inspect.cleandoc(component.__doc__ or "")
        _describe(resource["inputProperties"], descriptions(model))
        outputs = {name: analyzer.get_docstring(component, name) or "" for name in inspect.get_annotations(component)}
        _describe(resource["properties"], {camel_case(name): text for name, text in outputs.items()})
        for nested in nested_models(model):
            definition = schema["types"][f"{PACKAGE}:index:{type_name(nested)}"]
            definition["description"] = inspect.cleandoc(nested.__doc__ or "")
            _describe(definition["properties"], descriptions(nested))
    return schema


def _describe(properties: dict[str, Any], texts: dict[str, str]) -> None:
    for name, text in texts.items():
        properties[name]["description"] = text


def _mistake(entry: ErrorDetails, model: type[BaseModel]) -> str:
    """One mistake: the property, what is wrong, the value unless it may be a secret in the wrong place."""
    seen, line = entry["input"], f"{property_path(entry['loc'], model)}: {_reason(entry, model)}"
    known = isinstance(seen, str | int | float) and entry["type"] not in ("extra_forbidden", "value_error")
    if not known or _MAY_HOLD_SECRETS & set(entry["loc"]):
        return line
    return f"{line} ({seen:g})" if isinstance(seen, float) else f"{line} ({seen!r})"


def _reason(entry: ErrorDetails, model: type[BaseModel]) -> str:
    if isinstance(entry["input"], pulumi.Output):
        return "an output or a secret: write a plain value, it has to be known before anything is created"
    if entry["type"] == "extra_forbidden":
        known = sorted(map(camel_case, field_types(type_at(entry["loc"][:-1], model))))
        close = difflib.get_close_matches(str(entry["loc"][-1]), known, n=1)
        return f"unknown input: {f'did you mean {close[0]}?' if close else 'write one of ' + ', '.join(known)}"
    if entry["type"] == "missing":
        *parents, name = entry["loc"]
        description = descriptions(type_at(tuple(parents), model))[camel_case(str(name))]
        return f"missing: write {description[:1].lower()}{description[1:].rstrip('.')}"
    return _message(entry)


def _message(entry: ErrorDetails) -> str:
    """The message of a validator of ours as it is, pydantic's own as the end of a sentence."""
    message = entry["msg"]
    if entry["type"] == "value_error":
        return message.removeprefix("Value error, ")
    return f"{message[0].lower()}{message[1:]}"
