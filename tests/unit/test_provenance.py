"""Provenance: what is observed at the time of attesting, and that the rest is left out."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from components.artifact import Digest, ImageReference, Repository
from steps.provenance import BUILDER, provenance, source_address
from tests.conftest import ToolMaker
from tests.running import calls

DIGEST = "sha256:" + "1f" * 32
REFERENCE = ImageReference(Repository.parse("localhost:5380/driftwood/web"), Digest(DIGEST))


def build(context: Path, **source: Any) -> dict[str, Any]:
    """A build definition."""
    dependencies = [{"name": "source", "digest": {"gitCommit": "0f" * 20}} | source, {"name": "Dockerfile"}]
    return {"externalParameters": {"context": str(context)}, "resolvedDependencies": dependencies}


def record(ref: str, digest: str = DIGEST, seconds: int = 1_795_000_000, **changes: Any) -> dict[str, Any]:
    """A record of BuildKit's history."""
    return {
        "Ref": ref,
        "Exporters": [{"Type": "image", "Attrs": {"name": str(REFERENCE.repository)}}],
        "CreatedAt": {"seconds": seconds, "nanos": 139880356},
        "CompletedAt": {"seconds": seconds + 9},
        "Result": {"ResultDeprecated": {"digest": digest}, "Results": {"0": {"digest": digest}}},
    } | changes


@pytest.fixture(autouse=True)
def builder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A builder named `slipway`."""
    (tmp_path / "instances").mkdir()
    (tmp_path / "instances" / "slipway").write_text(json.dumps({"Nodes": [{"Endpoint": "unix:///run/buildkitd.sock"}]}))
    monkeypatch.setenv("BUILDX_CONFIG", str(tmp_path))


def history(tool: ToolMaker, *records: dict[str, Any]) -> Path:
    """A buildctl that knows these builds."""
    lines = "\n".join(json.dumps({"type": 1, "record": it}) for it in records)
    info = "echo 'BuildKit:   github.com/moby/buildkit v0.34.2 '"
    return tool("buildctl", f"case $* in *histories*) cat <<'END'\n{lines}\nEND\n;; *info*) {info};; esac")


def run_details(tool: ToolMaker, tmp_path: Path, *records: dict[str, Any]) -> dict[str, Any]:
    """What the provenance says of the run."""
    history(tool, *records)
    details: dict[str, Any] = provenance(build(tmp_path), REFERENCE, "slipway")["runDetails"]
    return details


def test_the_times_and_the_builder_are_those_of_the_history(tool: ToolMaker, tmp_path: Path) -> None:
    path = history(tool, record("older", seconds=1_794_000_000), record("made"), record("other", "sha256:" + "e" * 64))
    details = provenance(build(tmp_path), REFERENCE, "slipway")["runDetails"]
    assert details == {
        "builder": {"id": BUILDER, "version": {"buildkit": "v0.34.2"}},
        "metadata": {
            "invocationId": "made",
            "startedOn": "2026-11-18T11:06:40Z",
            "finishedOn": "2026-11-18T11:06:49Z",
        },
    }
    assert all(call.startswith("--addr unix:///run/buildkitd.sock debug ") for call in calls(path))


@pytest.mark.parametrize(
    "known",
    [
        [],
        [record("other", "sha256:" + "e" * 64)],
        [record("failed", error={"message": "it broke"})],
        [record("elsewhere", Exporters=[{"Attrs": {"name": "localhost:5380/driftwood/other"}}])],
        [{"Ref": "odd"}],
        [record("odd", CreatedAt={})],
    ],
)
def test_what_the_history_does_not_say_is_left_out(
    tool: ToolMaker, tmp_path: Path, known: list[dict[str, Any]]
) -> None:
    assert run_details(tool, tmp_path, *known) == {"builder": {"id": BUILDER}}


def test_a_builder_that_does_not_answer_is_no_failure(tool: ToolMaker, tmp_path: Path) -> None:
    tool("buildctl", "exit 1")
    assert provenance(build(tmp_path), REFERENCE, "slipway")["runDetails"] == {"builder": {"id": BUILDER}}
    assert provenance(build(tmp_path), REFERENCE, "unknown")["runDetails"] == {"builder": {"id": BUILDER}}
    assert provenance(build(tmp_path), REFERENCE, None)["runDetails"] == {"builder": {"id": BUILDER}}


def cloned(folder: Path, address: str) -> Path:
    """A repository that was cloned from this address."""
    subprocess.run(["git", "init", "--quiet", str(folder)], check=True)
    subprocess.run(["git", "remote", "add", "origin", address], cwd=folder, check=True)
    return folder


def test_the_source_has_the_address_that_it_was_cloned_from(tool: ToolMaker, tmp_path: Path) -> None:
    history(tool)
    context = cloned(tmp_path / "clone", "https://robot:hunter2@git.example/driftwood.git")
    given = build(context)
    found = provenance(given, REFERENCE, None)["buildDefinition"]["resolvedDependencies"]
    assert found[0]["uri"] == "git+https://git.example/driftwood.git"
    assert "uri" not in given["resolvedDependencies"][0], "what was given stays as it is"
    assert "uri" not in found[1]


def test_the_address_of_the_settings_counts_more_than_that_of_a_clone(tool: ToolMaker, tmp_path: Path) -> None:
    context = cloned(tmp_path / "clone", "https://mirror.example/driftwood.git")
    found = provenance(build(context, uri="git+https://git.example/driftwood"), REFERENCE, None)
    assert found["buildDefinition"]["resolvedDependencies"][0]["uri"] == "git+https://git.example/driftwood"


def test_a_source_without_an_address_has_none(tool: ToolMaker, tmp_path: Path) -> None:
    for context in (tmp_path, cloned(tmp_path / "clone", "/srv/git/driftwood.git"), tmp_path / "missing"):
        found = provenance(build(context), REFERENCE, None)["buildDefinition"]["resolvedDependencies"]
        assert "uri" not in found[0]


@pytest.mark.parametrize(
    ("address", "uri"),
    [
        ("https://git.example/a/b.git", "git+https://git.example/a/b.git"),
        ("https://user:token@git.example:8443/a/b", "git+https://git.example:8443/a/b"),
        ("ssh://git@git.example:2222/a/b.git", "git+ssh://git.example:2222/a/b.git"),
        ("git@git.example:a/b.git", "git+ssh://git.example/a/b.git"),
        ("git.example:/srv/b.git", "git+ssh://git.example/srv/b.git"),
        ("https://git.example/a/b?token=hunter2#x", "git+https://git.example/a/b"),
        ("/srv/git/b.git", None),
        ("../b", None),
        ("file:///srv/git/b.git", None),
        ("C:\\work\\b", None),
        ("", None),
    ],
)
def test_an_address_names_a_repository_and_no_credential_or_path_of_this_machine(address: str, uri: str | None) -> None:
    assert source_address(address) == uri


@pytest.mark.parametrize(
    "address",
    [
        "https://git.example/shop/../evil/web.git",
        "https://git.example/shop/%2e%2E/evil/web.git",
        "https://git.example/shop/..%2Fevil/web.git",
        "ssh://git@git.example/shop/web#/../../evil/web.git",
        "git@git.example:../evil/web.git",
        "git@git.example:shop/./web.git",
    ],
)
def test_an_address_that_git_resolves_to_another_place_is_not_attested(address: str) -> None:
    assert source_address(address) is None
