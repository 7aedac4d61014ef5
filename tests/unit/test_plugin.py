"""What the plugin derives from the models, and how it tells what is wrong."""

import asyncio
import json
from datetime import date
from typing import Any, Literal

import pulumi
import pytest
from pulumi.errors import InputPropertiesError
from pulumi.provider.experimental.util import camel_case
from pydantic import BaseModel, Field

from components.arguments import Arguments, Flow
from plugin.derive import descriptions, field_types, input_type, nested_models, property_path, python_names, type_name
from plugin.provider import COMPONENTS, SlipwayProvider


class PartArgs(Arguments):
    """One part."""

    maximum_size: int = 3
    """Size in MiB."""
    kind: Literal["a", "b"] = "a"
    """Which one."""


class WholeArgs(Arguments):
    """A whole."""

    reference: Flow
    """What flows."""
    parts: tuple[PartArgs, ...] = ()
    """Its parts."""
    by_name: dict[str, PartArgs] = {}
    """Its parts by name."""
    until: date | None = None
    """Last day."""
    flag: bool = Field(default=False, description="A flag.")


@pytest.fixture(scope="module", name="provider")
def slipway_provider() -> SlipwayProvider:
    """The provider as the engine gets it."""
    return SlipwayProvider()


@pytest.fixture(scope="module", name="schema")
def slipway_schema(provider: SlipwayProvider) -> dict[str, Any]:
    """The provider's schema."""
    schema: dict[str, Any] = json.loads(provider.schema or "")
    return schema


def test_a_model_becomes_plain_annotations() -> None:
    part = input_type(PartArgs)
    assert part.__name__ == "PartSettings"
    assert part.__annotations__ == {"maximum_size": int | None, "kind": str | None}
    whole = input_type(WholeArgs).__annotations__
    assert whole["parts"] == list[part] | None  # type: ignore[valid-type]
    assert whole["by_name"] == dict[str, part] | None  # type: ignore[valid-type]
    assert whole["until"] == str | None
    assert pulumi.Output[str] in whole["reference"].__args__
    assert type(None) not in whole["reference"].__args__


def test_a_type_that_no_language_can_be_offered_is_named() -> None:
    class OddArgs(BaseModel):
        either: int | str

    with pytest.raises(TypeError, match=r"OddArgs\.either is int \| str"):
        input_type(OddArgs)


def test_a_description_ends_with_choices_and_default() -> None:
    assert descriptions(PartArgs) == {
        "maximumSize": "Size in MiB. Default: `3`.",
        "kind": "Which one. One of `a`, `b`. Default: `a`.",
    }
    assert descriptions(WholeArgs)["flag"] == "A flag. Default: `false`."


def test_keys_of_objects_are_renamed_and_keys_of_maps_are_not() -> None:
    given = {
        "byName": {"someKey": {"maximumSize": 5, "kind": None}},
        "parts": [{"maximumSize": 1}],
        "oddKey": {"aB": 1},
    }
    assert python_names(given, WholeArgs) == {
        "by_name": {"someKey": {"maximum_size": 5}},
        "parts": [{"maximum_size": 1}],
        "oddKey": {"aB": 1},
    }


def test_a_path_is_told_in_the_names_of_the_schema() -> None:
    assert property_path(("by_name", "some_key", "maximum_size"), WholeArgs) == "byName.some_key.maximumSize"
    assert property_path(("parts", 0, "no_such"), WholeArgs) == "parts[0].noSuch"


def test_every_field_of_every_model_is_in_the_schema(schema: dict[str, Any], provider: SlipwayProvider) -> None:
    for component in COMPONENTS:
        resource = schema["resources"][f"slipway:index:{component.__name__}"]
        model = provider.models[component.__name__]
        assert set(resource["inputProperties"]) == {camel_case(name) for name in field_types(model)}
        required = {camel_case(name) for name, field in model.model_fields.items() if field.is_required()}
        assert set(resource["requiredInputs"]) == required
        for nested in nested_models(model):
            assert set(schema["types"][f"slipway:index:{type_name(nested)}"]["properties"]) == set(descriptions(nested))


def test_no_type_has_the_name_of_what_a_sdk_generates_for_a_component(schema: dict[str, Any]) -> None:
    types = {token.rpartition(":")[2] for token in schema["types"]}
    taken = {component.__name__ for component in COMPONENTS}
    assert types.isdisjoint(taken | {f"{name}Args" for name in taken})


def test_what_flows_takes_an_output_and_what_is_known_does_not(schema: dict[str, Any]) -> None:
    properties = schema["resources"]["slipway:index:HardenedContainer"]["inputProperties"]
    assert "plain" not in properties["reference"]
    assert properties["run"]["plain"] is True


def refusal(provider: SlipwayProvider, component: str, inputs: dict[str, Any]) -> str:
    """What a person reads when a component is asked for with these inputs."""

    async def construct() -> None:
        provider.construct("web", f"slipway:index:{component}", inputs)

    with pytest.raises(InputPropertiesError) as raised:
        asyncio.run(construct())
    return raised.value.message


def test_all_mistakes_are_told_at_once(provider: SlipwayProvider) -> None:
    inputs = {
        "host": {"registry": "localhost:5443", "dokcer": "unix:///run/docker.sock"},
        "run": {"name": "web", "pids": 0.0, "environment": {"API_TOKEN": "hunter2"}, "ports": [{"host": 8080.0}]},
    }
    assert refusal(provider, "HardenedContainer", inputs).splitlines() == [
        "5 mistake(s) in the inputs of web:",
        "  reference: missing: write the published artifact, `REPOSITORY@sha256:…`",
        "  run.ports[0].container: missing: write port inside the container",
        "  run.pids: input should be greater than or equal to 1 (0)",
        "  run.environment: API_TOKEN looks like a secret: move it to run.secrets, which mounts it as a file",
        "  host.dokcer: unknown input: did you mean docker?",
    ]


def test_an_output_where_a_known_value_belongs_is_refused_by_name(provider: SlipwayProvider) -> None:
    async def construct() -> None:
        digest = pulumi.Output.from_input("a")
        provider.construct(
            "scan", "slipway:index:Scan", {"reference": digest, "platforms": ["linux/amd64"], "reports": digest}
        )

    with pytest.raises(InputPropertiesError, match="reports: an output or a secret: write a plain value"):
        asyncio.run(construct())
