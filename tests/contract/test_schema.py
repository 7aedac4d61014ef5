"""The checked-in JSON Schema of a stack file is the models', and editors find with it what the program finds."""

from __future__ import annotations

import copy
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from settings import Settings, stack_file_schema

STACKS = Path(__file__).resolve().parents[2] / "stacks"
FILES = sorted(STACKS.glob("Pulumi.*.yaml"))


def validate(content: Any) -> list[str]:
    """What an editor would underline."""
    validator = jsonschema.Draft202012Validator(stack_file_schema())
    return [error.message for error in validator.iter_errors(content)]


def content(path: Path) -> Any:
    """A stack file's content."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_the_checked_in_schema_is_the_one_of_the_models() -> None:
    text = (STACKS / "schema.json").read_text(encoding="utf-8")
    assert json.loads(text) == stack_file_schema(), "run `.venv/bin/python -m settings > stacks/schema.json`"
    assert text == json.dumps(stack_file_schema(), indent=2) + "\n"


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(stack_file_schema())


def test_there_is_a_stack_for_development() -> None:
    assert STACKS / "Pulumi.dev.yaml" in FILES


@pytest.mark.parametrize("path", FILES, ids=lambda it: it.name)
def test_a_checked_in_stack_is_valid_for_the_schema_and_for_the_program(path: Path) -> None:
    assert validate(content(path)) == []
    own = {key.removeprefix("slipway:"): value for key, value in content(path)["config"].items()}
    assert Settings.model_validate(own).services


@pytest.mark.parametrize("path", FILES, ids=lambda it: it.name)
def test_a_checked_in_stack_tells_editors_where_its_schema_is(path: Path) -> None:
    assert path.read_text(encoding="utf-8").startswith("# yaml-language-server: $schema=schema.json\n")


def test_no_secret_and_no_salt_is_checked_in() -> None:
    # In the working tree, a plain `pulumi up` leaves its salt.
    files = git("ls-tree", "--name-only", "HEAD", "stacks/").split()
    assert "stacks/Pulumi.dev.yaml" in files
    for file in files:
        text = git("show", f"HEAD:{file}")
        assert "secure:" not in text, file
        assert "encryptionsalt:" not in text, file


def git(*arguments: str) -> str:
    """What git says of this checkout."""
    command = ["git", "-c", f"safe.directory={STACKS.parent}", *arguments]
    return subprocess.run(command, cwd=STACKS.parent, capture_output=True, text=True, check=True).stdout


def broken(change: Callable[[dict[str, Any]], None]) -> list[str]:
    """What an editor would underline after this change to the configuration of the development stack."""
    changed = copy.deepcopy(content(STACKS / "Pulumi.dev.yaml"))
    change(changed["config"])
    return validate(changed)


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.update({"slipway:chanel": "dev"}),
        lambda c: c.update({"slipway:channel": "Dev"}),
        lambda c: c.pop("slipway:services"),
        lambda c: c.pop("slipway:quarantine"),
        lambda c: c["slipway:registry"].update(adress="x"),
        lambda c: c["slipway:registry"].pop("address"),
        lambda c: c["slipway:registry"].update(password="hunter2"),
        lambda c: c["slipway:services"]["web"].update(verison="1.4.0"),
        lambda c: c["slipway:services"]["web"]["run"].update(memory="plenty"),
        lambda c: c["slipway:services"]["web"]["run"]["ports"][0].update(host=70000),
        lambda c: c["slipway:services"]["web"]["build"].update(platforms=[]),
    ],
)
def test_an_editor_underlines_a_mistake(change: Callable[[dict[str, Any]], object]) -> None:
    assert broken(lambda configuration: (change(configuration), None)[1])


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.update({"docker:host": "unix:///x"}),
        lambda c: c.update({"slipway:db_password": {"secure": "v1:abc"}}),
        lambda c: c.update({"slipway:series": True}),
    ],
)
def test_an_editor_accepts_other_packages_and_encrypted_secrets(change: Callable[[dict[str, Any]], object]) -> None:
    assert broken(lambda configuration: (change(configuration), None)[1]) == []


def test_what_pulumi_writes_beside_the_configuration_is_accepted() -> None:
    assert validate({**content(STACKS / "Pulumi.dev.yaml"), "encryptionsalt": "v1:abc"}) == []


def described(schema: dict[str, Any], where: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every setting in a schema, with its path."""
    for name, part in schema.get("properties", {}).items():
        yield f"{where}{name}", part
        yield from described(part, f"{where}{name}.")
    for name, part in schema.get("$defs", {}).items():
        yield from described(part, f"{name}.")


def test_every_setting_is_described_for_editors() -> None:
    settings = [(where, part) for where, part in described(stack_file_schema()) if where != "config"]
    assert len(settings) > 40
    assert [where for where, part in settings if not part.get("description")] == []


def test_no_object_takes_settings_that_nobody_knows() -> None:
    for name, part in stack_file_schema()["$defs"].items():
        assert part.get("additionalProperties") is False, name
