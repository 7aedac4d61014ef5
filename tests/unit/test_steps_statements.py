"""Whether nobody has said anything, or only nobody could be heard."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.artifact import Digest, ImageReference, Repository
from steps.evidence import Key
from steps.predicates import APPROVED, SBOM, SIGNATURE
from steps.statements import predicates
from steps.tool import ToolError
from tests.conftest import ToolMaker
from tests.evidence import discovered
from tests.running import calls, fails
from tests.toolbox import Toolbox

MANIFEST = ImageReference(Repository.parse("registry.example/driftwood/web"), Digest("sha256:" + "1f" * 32))


@pytest.fixture(name="box")
def registry(tool: ToolMaker, tmp_path: Path) -> Toolbox:
    """A registry with a manifest that two keys have said something about."""
    box = Toolbox(tmp_path / "box")
    box.install(tool, {"manifests": []})
    box.write(str(MANIFEST), SIGNATURE)
    box.write(str(MANIFEST), SBOM, predicate={"components": []})
    box.write(str(MANIFEST), SBOM, key="somebody", predicate={"components": []})
    return box


def test_what_a_key_has_said_costs_one_question(box: Toolbox) -> None:
    assert predicates(MANIFEST, SBOM, "cosign.pub", {}) == [{"components": []}]
    assert [call[0] for call in box.ran()] == ["cosign"]


def test_where_nobody_has_said_such_a_thing_nothing_is_read(box: Toolbox) -> None:
    assert predicates(MANIFEST, APPROVED, "cosign.pub", {}) == []
    assert sorted(call[:2] for call in box.ran()) == [["cosign", "verify-attestation"], ["oras", "discover"]]


def test_what_only_others_have_said_is_nothing_by_this_key(box: Toolbox) -> None:
    assert predicates(MANIFEST, SBOM, "maria.pub", {}) == []
    assert Key("maria.pub", {}).said(str(MANIFEST)) == []


def test_what_the_registry_lists_and_does_not_hand_out_is_told_with_its_own_words(box: Toolbox) -> None:
    (box.folder / "unreadable").write_text(f"{SIGNATURE} {SBOM}")
    for ask in (
        lambda: predicates(MANIFEST, SBOM, "cosign.pub", {}),
        lambda: Key("cosign.pub", {}).said(str(MANIFEST)),
    ):
        with pytest.raises(ToolError) as caught:
            ask()
        assert f"which the registry lists for {MANIFEST}:\n  Error response from registry" in str(caught.value)
        assert "503: Service Unavailable" in str(caught.value)


def test_what_could_not_be_read_for_a_moment_is_asked_for_again(tool: ToolMaker) -> None:
    path = tool("cosign", f'[ $(wc -l <"$0.calls") -gt 1 ] || {fails("Error: no matching attestations: ")}')
    bundle = {"layers": [{"digest": "sha256:" + "d" * 64}]}
    tool("oras", f"case $1 in discover) echo '{discovered(e=SBOM)}';; *) echo '{json.dumps(bundle)}';; esac")
    assert predicates(MANIFEST, SBOM, "cosign.pub", {}) == []
    assert len(calls(path)) == 2


def test_of_a_manifest_that_is_not_there_nobody_says_anything(tool: ToolMaker) -> None:
    tool("cosign", fails("Error: no signatures found"))
    tool("oras", fails(f"Error response from registry: {MANIFEST}: not found"))
    assert predicates(MANIFEST, SBOM, "cosign.pub", {}) == []


def test_a_registry_that_does_not_list_what_it_has_is_no_empty_one(tool: ToolMaker) -> None:
    tool("cosign", fails("Error: no signatures found"))
    tool("oras", fails("Error response from registry: response status code 503: Service Unavailable"))
    with pytest.raises(ToolError, match="503: Service Unavailable"):
        predicates(MANIFEST, SBOM, "cosign.pub", {})
