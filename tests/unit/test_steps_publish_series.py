"""Which tags of a series a release moves: never back to a lower version."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.artifact import Digest, ImageReference, Repository
from steps.publish import Request, publish
from tests.conftest import ToolMaker
from tests.evidence import all_verified
from tests.running import calls

INDEX = Digest("sha256:" + "1f" * 32)
AMD64 = Digest("sha256:" + "2e" * 32)
SOURCE = ImageReference(Repository.parse("localhost:5380/driftwood/web"), INDEX)
TARGET = Repository.parse("registry.driftwood.example/driftwood/web")
MANIFESTS = {"manifests": [{"digest": str(AMD64), "platform": {"os": "linux", "architecture": "amd64"}}]}
SAYS = {"version": "1.3.9"}


def registry_with(tool: ToolMaker, *tags: str) -> Path:
    """A registry that holds the artifact, and these tags."""
    tool("cosign", f"echo '{all_verified(str(TARGET.at(INDEX)), [str(TARGET.at(AMD64))], SAYS)}'")
    answers = {"manifest": json.dumps(MANIFESTS), "repo": "\n".join(tags), "resolve": str(INDEX)}
    cases = " ".join(f"{verb}) echo '{answer}';;" for verb, answer in answers.items())
    return tool("oras", f"case $1 in {cases} esac")


def moved(*tags: str) -> list[str]:
    """The tags that a release of 1.3.9 has put on, where these are asked for."""
    request = Request(SOURCE, TARGET, tags, "cosign.pub", SAYS, immutable_tag="1.3.9", authority="ca.crt", reuse=True)
    found: list[str] = publish(request, {})["tags"]
    return found


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ((), ["1.3.9", "1.3", "1"]),
        (("1.3.8", "0.9.0", "2.0.0", "latest", "1.3", "1"), ["1.3.9", "1.3", "1"]),
        (("1.4.0",), ["1.3.9", "1.3"]),
        (("1.3.10",), ["1.3.9"]),
        (("1.4.0-rc.1", "1.4.0-dev.0123456789ab"), ["1.3.9", "1.3", "1"]),
    ],
)
def test_a_series_moves_only_where_it_holds_no_higher_release(
    tool: ToolMaker, there: tuple[str, ...], expected: list[str]
) -> None:
    path = registry_with(tool, *there)
    assert moved("1.3.9", "1.3", "1") == expected
    [listed] = [call for call in calls(path) if call.startswith("repo tags")]
    assert "--ca-file ca.crt" in listed
    [tagged] = [call for call in calls(path) if call.startswith("tag ")]
    assert tagged.split()[-len(expected) :] == expected


def test_a_series_that_stays_is_told_with_the_version_that_holds_it(
    tool: ToolMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    registry_with(tool, "1.4.0", "1.5.0")
    moved("1.3.9", "1.3", "1")
    told = capsys.readouterr().err
    assert f"{TARGET}:1 stays where it is: 1.5.0 is released, which is higher than 1.3.9" in told
    assert f"{TARGET}:1.3 stays" not in told


def test_without_a_series_no_tags_are_listed(tool: ToolMaker) -> None:
    path = registry_with(tool, "1.4.0")
    assert moved("1.3.9") == ["1.3.9"]
    assert not [call for call in calls(path) if call.startswith("repo")]
