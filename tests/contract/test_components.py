"""What holds for every component: its token, arguments, documentation, outputs, children, and size."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from pathlib import Path
from typing import Any, get_type_hints

import pulumi
import pytest
from pydantic import BaseModel, ValidationError

import components
from components.arguments import Arguments
from components.docstrings import describe
from tests.programs import SECRETS, a_release, everything
from tests.recording import STAGING, Engine, Registration, children

ROOT = Path(__file__).resolve().parents[2]
Component = type[pulumi.ComponentResource]
LONGEST_CONSTRUCTOR = 60


def modules() -> list[Any]:
    """All modules of the components."""
    return [importlib.import_module(f"components.{it.name}") for it in pkgutil.iter_modules(components.__path__)]


def own_classes(base: type) -> list[type]:
    """The classes of this kind that the components define."""
    found = {
        value
        for module in modules()
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, base) and value.__module__ == module.__name__
    }
    return sorted(found, key=lambda it: it.__name__)


COMPONENTS: list[Component] = own_classes(pulumi.ComponentResource)
MODELS: list[type[BaseModel]] = own_classes(BaseModel)
each_component = pytest.mark.parametrize("component", COMPONENTS, ids=lambda it: it.__name__)
each_model = pytest.mark.parametrize("model", MODELS, ids=lambda it: it.__name__)


@pytest.fixture(name="engine", scope="module")
def a_whole_stack() -> Engine:
    """The engine after a program that has every component in it."""
    return Engine(exported=STAGING).good(everything, secrets=SECRETS)


def instances(engine: Engine, component: Component) -> list[Registration]:
    """The registrations of a component."""
    found = engine.of(f"slipway:index:{component.__name__}")
    assert found, f"the stack of this test has no {component.__name__}: add it"
    return found


def test_the_sweep_finds_the_components_of_the_design() -> None:
    names = {it.__name__ for it in COMPONENTS}
    assert names >= {
        "Image",
        "Scan",
        "Signature",
        "Evidence",
        "Verification",
        "Publication",
        "Release",
        "Promotion",
        "Proof",
        "Host",
        "HardenedContainer",
    }
    assert len(MODELS) > len(COMPONENTS)


@each_component
def test_its_token_is_slipway_index_and_its_name(engine: Engine, component: Component) -> None:
    source = inspect.getsource(component)
    assert f'"slipway:index:{component.__name__}"' in source
    assert instances(engine, component)


@each_component
def test_it_is_made_of_a_name_its_arguments_and_options(component: Component) -> None:
    parameters = list(inspect.signature(component.__init__).parameters.values())
    hints = get_type_hints(component.__init__)
    assert [it.name for it in parameters] == ["self", "name", "args", "opts"]
    assert hints["name"] is str
    assert hints["args"].__name__ == f"{component.__name__}Args"
    assert hints["args"].__module__ == component.__module__
    assert issubclass(hints["args"], Arguments)
    assert hints["opts"] == pulumi.ResourceOptions | None
    assert parameters[-1].default is None


@each_component
def test_it_and_each_of_its_outputs_are_documented(component: Component) -> None:
    assert component.__doc__
    assert len(component.__doc__.split()) >= 5
    tree = ast.parse(inspect.getsource(component)).body[0]
    assert isinstance(tree, ast.ClassDef)
    documented = [
        before.target.id
        for before, after in zip(tree.body, tree.body[1:], strict=False)
        if isinstance(before, ast.AnnAssign)
        and isinstance(before.target, ast.Name)
        and isinstance(after, ast.Expr)
        and isinstance(after.value, ast.Constant)
    ]
    assert documented == list(inspect.get_annotations(component))
    assert documented


@each_component
def test_every_output_that_it_declares_is_registered_and_no_other(engine: Engine, component: Component) -> None:
    declared = set(inspect.get_annotations(component))
    for instance in instances(engine, component):
        registered = engine.outputs[instance.urn]
        assert set(registered) == declared
        assert not [name for name, value in registered.items() if value is None]


@each_component
def test_its_arguments_are_its_properties_so_that_previews_and_policies_see_them(
    engine: Engine, component: Component
) -> None:
    model: type[Arguments] = get_type_hints(component.__init__)["args"]
    required = {name for name, field in model.model_fields.items() if field.is_required()}
    for instance in instances(engine, component):
        assert required <= set(instance.inputs)
        assert set(instance.inputs) <= set(model.model_fields)


@each_component
def test_its_children_carry_its_name_and_it_as_their_parent(engine: Engine, component: Component) -> None:
    for instance in instances(engine, component):
        found = children(engine, instance)
        assert found
        assert all(child.name.startswith(f"{instance.name}-") for child in found), [it.name for it in found]


def test_every_resource_has_a_component_above_it(engine: Engine) -> None:
    known = {it.urn for it in engine.resources}
    for resource in engine.resources:
        if resource.options.get("custom"):
            assert resource.parent in known, resource.name


def test_the_options_of_the_caller_are_not_those_of_the_children() -> None:
    protected = pulumi.ResourceOptions(protect=True)

    def program() -> None:
        a_release_with(protected)

    engine = Engine().good(program, secrets=SECRETS)
    assert engine.one("slipway:index:Release").options.get("protect") is True
    built = engine.one("docker-build:index:Image")
    assert "retainOnDelete" in built.options
    assert "retainOnDelete" not in engine.one("slipway:index:Release").options


def a_release_with(options: pulumi.ResourceOptions) -> None:
    """A release with options of the caller's."""
    from components.release import Release
    from tests.programs import release_args

    Release("web", release_args(), options)


def test_two_of_a_kind_live_side_by_side() -> None:
    def program() -> None:
        a_release()()
        from components.release import Release
        from tests.programs import release_args

        Release("other", release_args(repository="localhost:5443/driftwood/other"))

    engine = Engine().good(program, secrets=SECRETS)
    urns = [it.urn for it in engine.resources]
    assert len(urns) == len(set(urns))
    assert len(engine.of("slipway:index:Publication")) == 2


@each_component
def test_its_constructor_is_short_enough_to_read(component: Component) -> None:
    assert len(inspect.getsource(component.__init__).splitlines()) < LONGEST_CONSTRUCTOR


@each_model
def test_a_model_is_frozen_and_refuses_what_it_does_not_know(model: type[BaseModel]) -> None:
    assert model.model_config.get("frozen") is True
    assert model.model_config.get("extra") == "forbid"
    with pytest.raises(ValidationError) as caught:
        model.model_validate({"no_such_setting": 1})
    assert "no_such_setting" in {entry["loc"][-1] for entry in caught.value.errors()} or model is Arguments


@each_model
def test_every_field_of_a_model_is_described(model: type[BaseModel]) -> None:
    assert model.__doc__
    describe(model)
    for name, field in model.model_fields.items():
        assert field.description, f"{model.__name__}.{name}"
        assert field.description.endswith("."), f"{model.__name__}.{name}: {field.description}"
        assert len(field.description.split()) >= 2, f"{model.__name__}.{name}: {field.description}"


@each_model
def test_no_model_has_a_field_for_the_value_of_a_secret(model: type[BaseModel]) -> None:
    for name, field in model.model_fields.items():
        if any(word in name for word in ("password", "token", "credential")):
            assert "SecretSource" in str(field.annotation), f"{model.__name__}.{name}"
        if name == "secrets":
            assert "SecretSource" in str(field.annotation), f"{model.__name__}.{name}"


@pytest.mark.parametrize("name", [it.__name__ for it in COMPONENTS])
def test_every_component_is_served_by_the_plugin(name: str) -> None:
    from plugin.provider import COMPONENTS as SERVED

    assert name in {it.__name__ for it in SERVED}
