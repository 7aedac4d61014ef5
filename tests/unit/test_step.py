"""A step's command line: its words arrive as they were given, and a preview knows the line before the values."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pulumi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.step import Argument, _python, step
from tests.programs import SECRETS, a_release
from tests.recording import COMMAND, Engine

WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
ARGUMENTS = st.lists(
    st.tuples(st.sampled_from(["--reference", "--tag", "--own-key"]), WORDS, st.booleans()), max_size=6
)


class Parent(pulumi.ComponentResource):
    def __init__(self) -> None:
        super().__init__("test:index:Parent", "parent")


def inputs_of(pairs: list[tuple[str, str, bool]], engine: Engine | None = None) -> dict[str, Any]:
    """What the engine is given for a step with these flags, values, and whether each value flows."""

    def program() -> None:
        words: list[Argument] = []
        for flag, value, flows in pairs:
            words += [flag, pulumi.Output.from_input(value) if flows else value]
        step("step", "sign", words, Parent())

    return (engine or Engine()).good(program).one(COMMAND).inputs


@given(ARGUMENTS)
def test_every_argument_reaches_the_step_as_it_was_given(pairs: list[tuple[str, str, bool]]) -> None:
    inputs = inputs_of(pairs)
    words = inputs["create"].partition("-m steps.sign")[2]
    environment = os.environ | inputs.get("environment", {})
    ended = subprocess.run(
        ["/bin/sh", "-c", f"printf '%s\\0' begin {words}"], capture_output=True, check=True, env=environment
    )
    given_ = [word for flag, value, _ in pairs for word in (flag, value)]
    assert ended.stdout.decode().split("\0")[1:-1] == given_


def test_what_flows_is_a_variable_named_by_its_flag() -> None:
    inputs = inputs_of([("--reference", "a@b", True), ("--tag", "1.0", False), ("--own-key", "key.pub", True)])
    assert inputs["create"].endswith(
        '-m steps.sign --reference "${STEP_REFERENCE?}" --tag 1.0 --own-key "${STEP_OWN_KEY?}"'
    )
    assert inputs["environment"] == {"STEP_REFERENCE": "a@b", "STEP_OWN_KEY": "key.pub"}


def test_a_step_is_not_run_with_what_the_surroundings_call_by_the_name_of_a_value_that_is_missing() -> None:
    words = inputs_of([("--reference", "a@b", True)])["create"].partition("-m steps.sign")[2]
    ended = subprocess.run(["/bin/sh", "-c", f"echo {words}"], capture_output=True, check=False, env={})
    assert (ended.returncode != 0, ended.stdout) == (True, b"")


def test_a_value_that_flows_and_is_none_stops_the_program() -> None:
    def program() -> None:
        nothing: Any = None
        step("step", "sign", ["--reference", pulumi.Output.from_input(nothing)], Parent())

    errors = Engine().run(program).errors
    assert "--reference has no value" in str(errors)


def test_a_flag_with_two_values_that_flow_has_two_variables() -> None:
    inputs = inputs_of([("--annotation", "a=1", True), ("--annotation", "b=2", True)])
    assert inputs["create"].endswith('--annotation "${STEP_ANNOTATION?}" --annotation "${STEP_ANNOTATION_2?}"')


def test_a_step_without_values_that_flow_has_no_variables() -> None:
    assert "environment" not in inputs_of([("--tag", "1.0", False)])


def test_a_preview_knows_the_line_before_it_knows_the_values() -> None:
    engine = Engine(preview=True).good(a_release(), secrets=SECRETS)
    scan = engine.step("scan").inputs
    assert '-m steps.scan --reference "${STEP_REFERENCE?}" --platform linux/amd64' in scan["create"]
    assert "STEP_REFERENCE" not in (scan.get("environment") or {}), "it is not built yet"


def test_a_plugins_steps_are_its_own_whatever_the_project_calls_its_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("steps", "components"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    (tmp_path / "steps" / "verify.py").write_text("print('a gate of the project')")
    monkeypatch.chdir(tmp_path)
    line = f"{_python()} -m steps.verify --help"
    ended = subprocess.run(line, shell=True, capture_output=True, text=True, check=True)
    assert "--public-key" in ended.stdout
    assert "a gate of the project" not in ended.stdout
