"""Where a promoted release is said to come from: where it was made, wherever it was verified."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.artifact import Digest, Repository
from tests.conftest import ToolMaker
from tests.registries import AMD64, ARM64, DIGEST, OTHER, STAGING, TAKEN, World

CANARY = Repository.parse("canary.example/driftwood/web")
RULE = ("--digest", str(DIGEST), "--requires", "any")


@pytest.fixture(name="world")
def made_in_canary(tmp_path: Path, tool: ToolMaker) -> World:
    """Two stacks to take from; the second one alone holds the release, and has proved it."""
    world = World(tmp_path, tool)
    world.manifests = {str(CANARY.at(it)) for it in (DIGEST, AMD64, ARM64)}
    world.proved(CANARY.at(DIGEST), stack="canary")
    return world


def origin(world: World, canary_runs: Digest = OTHER) -> str:
    """The reference that is handed on, where staging runs another release."""
    version = "1.4.0" if canary_runs == DIGEST else "1.5.0"
    canary = {"stack": "canary", "reference": str(CANARY.at(canary_runs)), "version": version}
    answer = world.ask(*RULE, reference=str(STAGING.at(OTHER)), version="1.5.0", also=[canary])
    assert answer["problem"] == ""
    reference: str = answer["reference"]
    return reference


def test_a_digest_pinned_from_the_second_stack_is_handed_on_from_there(world: World) -> None:
    assert origin(world) == str(CANARY.at(DIGEST))
    assert origin(world, canary_runs=DIGEST) == str(CANARY.at(DIGEST))


def test_the_origin_stays_the_same_once_this_stack_has_run_it(world: World) -> None:
    first = origin(world)
    world.copied()
    assert origin(world) == first
    assert origin(world, canary_runs=DIGEST) == first


def test_a_record_that_names_the_digest_spares_the_question_where_it_was_made(world: World) -> None:
    world.copied()
    world.down = {"staging.example": "dial tcp: connection refused", "canary.example": "dial tcp: connection refused"}
    assert origin(world, canary_runs=DIGEST) == str(CANARY.at(DIGEST))


def test_where_nobody_holds_it_any_more_or_can_be_asked_the_first_stack_is_named(world: World) -> None:
    world.manifests.clear()
    world.copied()
    assert origin(world) == str(TAKEN)
    world.down = {"staging.example": "dial tcp: connection refused"}
    assert origin(world) == str(TAKEN)
