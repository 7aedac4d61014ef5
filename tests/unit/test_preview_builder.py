"""What a preview reads of an image that only the builder has."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from commands.previews.builder import Builder, digest_in
from commands.previews.commits import NotKnownError
from commands.previews.drafts import Side
from commands.previews.report import Artifact
from tests.conftest import ToolMaker

DIGEST = "sha256:" + "1" * 64
ARGUMENTS = {"VERSION": "1.5.0", "REVISION": "a" * 40}
QUARANTINE = "localhost:5380/driftwood/web"
NOW = datetime(2026, 11, 25, tzinfo=UTC)


def built(digest: str = DIGEST, seconds: float = 1, push: str = "false", **changes: Any) -> dict[str, Any]:
    """BuildKit's record of a build, this long after the preview began."""
    moment = (NOW + timedelta(seconds=seconds)).timestamp()
    return {
        "Ref": "ref",
        "CreatedAt": {"seconds": int(moment), "nanos": 0},
        "FrontendAttrs": {f"build-arg:{key}": value for key, value in ARGUMENTS.items()},
        "Exporters": [{"Type": "image", "Attrs": {"name": QUARANTINE, "push": push}}],
        "Result": {"ResultDeprecated": {"digest": digest}},
    } | changes


def asked() -> Side:
    """A side of a service that a preview builds."""
    return Side(Artifact(version="1.5.0"), quarantine=QUARANTINE, build_arguments=ARGUMENTS)


def test_the_youngest_build_of_a_preview_is_the_one() -> None:
    other = "sha256:" + "2" * 64
    assert digest_in([built(), built(other, seconds=9), built(DIGEST, seconds=5)], asked(), NOW) == other


@pytest.mark.parametrize(
    "record",
    [
        built(seconds=-60),
        built(push="true"),
        built(error={"message": "it failed"}),
        built(FrontendAttrs={"build-arg:VERSION": "1.4.0"}),
        built(Exporters=[]),
        built(Result={}),
    ],
    ids=["an older one", "one of an up", "a failed one", "other arguments", "exports nothing", "without a result"],
)
def test_another_build_is_not_taken_for_it(record: dict[str, Any]) -> None:
    assert digest_in([record], asked(), NOW) is None


@pytest.fixture(name="blobs")
def blobs_of_a_builder(tmp_path: Path, tool: ToolMaker) -> Path:
    """A folder whose files are what a builder has, by digest."""
    folder = tmp_path / "blobs"
    folder.mkdir()
    tool("buildctl", f'for last; do :; done; exec cat "{folder}/$last"')
    return folder


def test_an_image_that_only_the_builder_has_is_read_and_laid_out_for_a_scanner(blobs: Path, tmp_path: Path) -> None:
    manifest, config, layer, index = (f"sha256:{it * 64}" for it in "abcd")
    at = {"os": "linux", "architecture": "arm", "variant": "v7"}
    documents: dict[str, Any] = {
        index: {"manifests": [{"digest": manifest, "platform": at}, {"digest": "x", "platform": {"os": "unknown"}}]},
        manifest: {
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {"digest": config, "size": 2},
            "layers": [{"digest": layer, "size": 5}],
        },
        config: {"config": {"Labels": {"org.opencontainers.image.revision": "a" * 40}}},
    }
    for digest, content in documents.items():
        (blobs / digest).write_text(json.dumps(content))
    (blobs / layer).write_bytes(b"\x1f\x8b\x00\xff\x00")
    builder = Builder("unix:///run/buildkitd.sock")

    assert builder.platforms(index) == {"linux/arm/v7": manifest}
    assert builder.layers(manifest) == [(layer, 5)]
    assert builder.labels(manifest) == {"org.opencontainers.image.revision": "a" * 40}
    layout = tmp_path / "layout"
    builder.layout(manifest, "linux/arm/v7", layout)
    [entry] = json.loads((layout / "index.json").read_text())["manifests"]
    assert (entry["digest"], entry["platform"]) == (manifest, at)
    assert (layout / "blobs" / "sha256" / ("c" * 64)).read_bytes() == b"\x1f\x8b\x00\xff\x00"
    assert sorted(it.name for it in (layout / "blobs" / "sha256").iterdir()) == ["a" * 64, "b" * 64, "c" * 64]


def test_what_the_builder_has_forgotten_is_said(blobs: Path) -> None:
    assert blobs.is_dir()
    with pytest.raises(NotKnownError, match="the builder does not have sha256"):
        Builder("unix:///run/buildkitd.sock").layers(DIGEST)
