"""The plugin's input types, derived from the pydantic models of the components, so that nothing is defined twice.

Pulumi's analyzer reads plain annotations: of a class, its attributes, lists and maps. A pydantic model has more to say
than that, so each model becomes a class of plain annotations here; the model itself validates what arrives.
"""

import types
from collections.abc import Awaitable, Mapping
from datetime import date
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import pulumi
from pulumi.provider.experimental.util import camel_case
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from components.arguments import Flow
from components.docstrings import describe, models_in

_FLOW: Any = str | Awaitable[str] | pulumi.Output[str]
"""What `pulumi.Input[str]` is, as a value."""
_SCALARS = (str, int, float, bool)


@cache
def input_type(model: type[BaseModel]) -> type:
    """The class of plain annotations that Pulumi's analyzer reads in place of a model.

    Raises:
        TypeError: when a field has a type that no other language can be offered.
    """
    hints = field_types(model)
    annotations = {}
    for name, field in model.model_fields.items():
        plain = _plain(hints[name], f"{model.__name__}.{name}")
        annotations[name] = plain if field.is_required() else plain | None
    return type(
        type_name(model), (), {"__annotations__": annotations, "__doc__": model.__doc__, "__module__": __name__}
    )


def type_name(model: type[BaseModel]) -> str:
    """The schema's name for a model inside another one: `ImageSettings` for ImageArgs.

    Generated SDKs have an `ImageArgs` of their own, the arguments of the resource Image.
    """
    name = model.__name__
    return f"{name.removesuffix('Args')}Settings" if name.endswith("Args") else name


def field_types(model: type[BaseModel]) -> dict[str, Any]:
    """The types of a model's fields by name, as they are written."""
    hints = get_type_hints(model, include_extras=True)
    return {name: hints[name] for name in model.model_fields}


def descriptions(model: type[BaseModel]) -> dict[str, str]:
    """What the schema says about each input, by the schema's name for it: the field's docstring, choices, default."""
    describe(model)
    hints = field_types(model)
    return {camel_case(name): _description(field, hints[name]) for name, field in model.model_fields.items()}


def nested_models(model: type[BaseModel]) -> set[type[BaseModel]]:
    """The models inside a model, at any depth."""
    found: set[type[BaseModel]] = set()
    for hint in field_types(model).values():
        for inner in models_in(hint):
            found |= {inner} | nested_models(inner)
    return found


def python_names(value: Any, hint: Any) -> Any:
    """The value with the keys of objects as the models spell them; keys of maps, and unknown ones, stay as they are."""
    hint = without_none(hint)
    if isinstance(value, Mapping):
        if is_model(hint):
            types_, names = field_types(hint), {camel_case(name): name for name in hint.model_fields}
            known = {names.get(str(key), str(key)): item for key, item in value.items() if item is not None}
            return {key: python_names(item, types_.get(key, Any)) for key, item in known.items()}
        return {key: python_names(item, _element(hint)) for key, item in value.items()}
    if isinstance(value, list):
        return [python_names(item, _element(hint)) for item in value]
    return value


def property_path(path: tuple[int | str, ...], model: type[BaseModel]) -> str:
    """A path of pydantic's as a property path of Pulumi's: `run.ports[0].host`."""
    text = ""
    for depth, part in enumerate(path):
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{camel_case(part) if is_model(type_at(path[:depth], model)) else part}"
    return text.removeprefix(".")


def type_at(path: tuple[int | str, ...], model: type[BaseModel]) -> Any:
    """The type that a path of pydantic's leads to; Any where it leads out of the model."""
    here: Any = model
    for part in path:
        here = without_none(field_types(here).get(str(part), Any) if is_model(here) else _element(here))
    return here


def is_model(hint: Any) -> bool:
    """Whether a type is a pydantic model."""
    return isinstance(hint, type) and issubclass(hint, BaseModel)


def without_none(hint: Any) -> Any:
    """`X` for `X | None`; any other type as it is."""
    if get_origin(hint) in (Union, types.UnionType):
        members = [member for member in get_args(hint) if member is not type(None)]
        return members[0] if len(members) == 1 else hint
    return hint


def _plain(hint: Any, where: str) -> Any:
    if hint == Flow:
        return _FLOW
    if hint in _SCALARS or hint is Any:
        return hint
    if hint is date:
        return str
    if is_model(hint):
        return input_type(hint)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _plain(arguments[0], where)
    if origin is Literal and len({type(choice) for choice in arguments}) == 1:
        return type(arguments[0])
    if origin is list or (origin is tuple and arguments[1:] == (...,)):
        return types.GenericAlias(list, (_plain(arguments[0], where),))
    if origin is dict and arguments[0] is str:
        return types.GenericAlias(dict, (str, _plain(arguments[1], where)))
    if (inner := without_none(hint)) is not hint:
        return _plain(inner, where) | None
    raise TypeError(f"{where} is {hint}: no other language can be offered that; use scalars, lists, maps and models")


def _element(hint: Any) -> Any:
    """The type of what a list or map holds."""
    arguments = get_args(hint)
    return (arguments[1] if get_origin(hint) is dict else arguments[0]) if arguments else Any


def _description(field: FieldInfo, hint: Any) -> str:
    parts = [" ".join((field.description or "").split())]
    if choices := _choices(hint):
        parts.append("One of " + ", ".join(f"`{choice}`" for choice in choices) + ".")
    default = field.default
    if isinstance(default, str | int | float) and not field.is_required():
        parts.append(f"Default: `{str(default).lower() if isinstance(default, bool) else default}`.")
    elif isinstance(default, tuple) and default:
        parts.append("Default: " + ", ".join(f"`{item}`" for item in default) + ".")
    return " ".join(part for part in parts if part)


def _choices(hint: Any) -> tuple[Any, ...]:
    if get_origin(hint) is Literal:
        return get_args(hint)
    for argument in get_args(hint):
        if found := _choices(argument):
            return found
    return ()
