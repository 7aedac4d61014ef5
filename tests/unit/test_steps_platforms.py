"""The platforms of an index: one manifest for each, and nothing that has none."""

from __future__ import annotations

import json
from typing import Any

import pytest

from components.artifact import Digest, ImageReference, Repository
from steps.registry import platforms_of
from steps.tool import StepError
from tests.conftest import ToolMaker

INDEX = ImageReference(Repository.parse("localhost:5380/driftwood/web"), Digest("sha256:" + "1f" * 32))
AMD64 = {"digest": "sha256:" + "a" * 64, "platform": {"os": "linux", "architecture": "amd64"}}
OTHER = "sha256:" + "b" * 64


def refusal(tool: ToolMaker, *entries: dict[str, Any]) -> str:
    """Why an index of these manifests is refused."""
    tool("oras", f"echo '{json.dumps({'manifests': entries})}'")
    with pytest.raises(StepError) as caught:
        platforms_of(INDEX, {})
    return str(caught.value)


@pytest.mark.parametrize(
    "entry",
    [{}, {"platform": None}, {"platform": {}}, {"platform": {"os": "linux"}}, {"platform": {"os": "unknown"}}],
)
def test_a_manifest_without_a_platform_is_refused_with_its_digest(tool: ToolMaker, entry: dict[str, Any]) -> None:
    told = refusal(tool, AMD64, {"digest": OTHER, **entry})
    assert told.startswith(f"{INDEX} has a manifest for no platform ({OTHER}): build it again")


def test_two_manifests_for_one_platform_are_refused(tool: ToolMaker) -> None:
    told = refusal(tool, AMD64, AMD64 | {"digest": OTHER})
    assert told.startswith(f"{INDEX} has two manifests for linux/amd64: build it again")
