"""How a stack's mistakes are told: `key: what is wrong (value): what to write`, one line each."""

import difflib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from components.secret import redacted

NAMESPACE = "slipway"
OF_BUILDS = ("builder", "build_on_preview", "quarantine")
"""The settings of a stack that are about its builds alone."""
_SHAPES = frozenset({"model_type", "dict_type", "tuple_type", "model_attributes_type"})
"""Kinds of mistakes where something else stands in place of an object or a list: it may be a secret."""
_FORMS = {
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "dict_type": "each as `NAME: …`",
    "literal_error": "one of those",
}
"""How a value is written, by the kind of mistake, where its description says only what it is for."""
Place = tuple[int | str, ...]
"""Where a setting stands in a stack's file."""


def told(lines: list[str]) -> str:
    """All mistakes in one message, without a secret in it and without a character that a terminal would obey."""
    clean = [_printable(redacted(line)) for line in sorted(lines)]
    return "\n".join([f"{len(clean)} mistake(s) in this stack's configuration:", *(f"  {line}" for line in clean)])


def _printable(line: str) -> str:
    """One line, whatever a key or a value of the file holds."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in line)


def mistakes(error: ValidationError, schema: dict[str, Any]) -> Iterator[str]:
    """What pydantic found, each in the words of the setting's own description.

    Args:
        error: what it found.
        schema: the JSON Schema of the settings.
    """
    for entry in error.errors():
        path = tuple(part for part in entry["loc"] if part not in ("function-after", "function-before"))
        yield f"{key_of(path)}: {_what(schema, entry['type'], entry['msg'], path, entry['input'])}"


def missing(path: Place, schema: dict[str, Any]) -> str:
    """The line about a setting that has to be there."""
    return f"{key_of(path)}: {_what(schema, 'missing', '', path, None)}"


def kinds(raw: Mapping[str, Any], schema: Callable[[], dict[str, Any]]) -> Iterator[str]:
    """What does not go together: a stack either builds all of its services or promotes them.

    Args:
        raw: the settings as they were written.
        schema: makes the JSON Schema of the settings, for a mistake alone.
    """
    services = raw.get("services")
    named = services.items() if isinstance(services, dict) else ()
    known = {("services", name): service for name, service in named if isinstance(service, dict)}
    if raw.get("promote") is None:
        if raw.get("quarantine") is None:
            yield missing(("quarantine",), schema())
        for path, service in known.items():
            yield from (missing((*path, key), schema()) for key in ("build", "version") if service.get(key) is None)
            if service.get("digest") is not None:
                yield f"{key_of((*path, 'digest'))}: this stack builds, and a build has a digest of its own: remove it"
        return
    idle: list[Place] = [(key,) for key in OF_BUILDS if raw.get(key)]
    idle += [(*path, "build") for path, service in known.items() if service.get("build") is not None]
    for place in idle:
        yield (
            f"{key_of(place)}: this stack promotes what others have proved, and builds nothing: "
            "remove it, or remove slipway:promote"
        )


def key_of(path: Place) -> str:
    """A setting as the stack's file has it."""
    return f"{NAMESPACE}:" + ".".join(map(str, path)) if path else NAMESPACE


def _what(schema: dict[str, Any], kind: str, message: str, path: Place, seen: Any) -> str:
    if kind == "extra_forbidden":
        known = list(_at(schema, path[:-1]).get("properties", {}))
        close = difflib.get_close_matches(str(path[-1]), known, n=1)
        return (
            f"unknown setting: {f'did you mean {close[0]}?' if close else 'write one of ' + ', '.join(sorted(known))}"
        )
    if kind == "missing":
        return f"missing: write {_description(schema, path)}"
    if kind == "value_error":
        return message.removeprefix("Value error, ")
    if kind in _SHAPES and kind != "tuple_type" and (below := _settings_below(_at(schema, path), path)):
        return below
    shown = isinstance(seen, str | int | float | bool) and kind not in _SHAPES and not _is_private(path)
    value = f" ({seen!r})" if shown else ""
    write = ": ".join(filter(None, (_form(schema, kind, path, seen), _description(schema, path))))
    return f"{message[0].lower()}{message[1:]}{value}" + (f": write {write}" if write else "")


def _form(schema: dict[str, Any], kind: str, path: Place, seen: Any) -> str:
    """How a value is written, where the description says only what it is for."""
    default = _at(schema, path).get("default")
    if kind == "string_pattern_mismatch" and isinstance(default, str):
        return f"it like {default}"
    if kind == "string_type" and isinstance(seen, int | float):
        return "it in quotes"  # YAML reads 1.10 as the number 1.1
    return _FORMS.get(kind, "")


def _settings_below(described: dict[str, Any], path: Place) -> str:
    """The keys that have to be in an object, or those that may be where none has to, and how to write them."""
    required, known = sorted(described.get("required", ())), sorted(described.get("properties", {}))
    if not known:
        return ""
    example = ", ".join(f"{key}: …" for key in required or known[:1])
    name = f"{path[-1]}: " if isinstance(path[-1], str) else ""
    keys = " and ".join(required) or " or ".join(known)
    return f"settings of its own belong here: {keys}: write `{name}{{ {example} }}`"


def _is_private(path: Place) -> bool:
    """Whether a value may be a secret that was put in the wrong place."""
    return bool({"secrets", "environment", "arguments", "password", "command"} & set(path))


def _description(schema: dict[str, Any], path: Place) -> str:
    text = str(_at(schema, path).get("description", ""))
    return text[:1].lower() + text[1:].rstrip(".").split(";")[0] if text else ""


def _at(schema: dict[str, Any], path: Place) -> dict[str, Any]:
    """The part of the JSON Schema that describes the setting at this path, or an empty one."""
    here: dict[str, Any] = schema
    for part in path:
        target = _resolved(schema, here)
        here = target.get("properties", {}).get(part) or target.get("items") or target.get("additionalProperties") or {}
        if not isinstance(here, dict):
            return {}
    own = {"description": here["description"]} if "description" in here else {}
    return {**_resolved(schema, here), **own}


def _resolved(whole: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    reference = part.get("$ref") or next((option["$ref"] for option in part.get("anyOf", ()) if "$ref" in option), None)
    return whole["$defs"][reference.rpartition("/")[2]] if reference else part
