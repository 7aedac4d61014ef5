"""What may refer to an artifact that is published: statements of whomever, and nothing that a host can run."""

from __future__ import annotations

import json
from typing import Any

import pytest

from components.artifact import Digest, ImageReference, Repository
from steps.attached import can_run, inspect
from steps.publish import Request, publish
from steps.tool import StepError
from tests.conftest import ToolMaker
from tests.running import calls

INDEX, AMD64 = Digest("sha256:" + "1f" * 32), Digest("sha256:" + "2e" * 32)
FIRST, SECOND = "sha256:" + "a1" * 32, "sha256:" + "b2" * 32
SOURCE = ImageReference(Repository.parse("localhost:5380/driftwood/web"), INDEX)
TARGET = Repository.parse("registry.driftwood.example/driftwood/web")
PLATFORMS = {"manifests": [{"digest": str(AMD64), "platform": {"os": "linux", "architecture": "amd64"}}]}
BUNDLE = {"config": {"mediaType": "application/vnd.oci.empty.v1+json"}, "layers": []}


def referring(tool: ToolMaker, tree: list[dict[str, Any]], manifests: dict[str, Any]) -> Any:
    """An oras that finds this tree of referrers at the index and nothing at its platform; returns its program."""
    shown = " ".join(f"*{digest}*) echo '{json.dumps(it)}';;" for digest, it in manifests.items())
    listed = f"*{INDEX}*) echo '{json.dumps({'referrers': tree})}';; *) echo '{{}}';;"
    return tool(
        "oras",
        f"""case $1 in
        discover) case $* in {listed} esac;;
        manifest) case $* in {shown} *) echo '{json.dumps(PLATFORMS)}';; esac;;
        resolve) echo "Error: not found" >&2; exit 1;;
        esac""",
    )


def config(media_type: str | None) -> dict[str, Any]:
    """A manifest whose config has this type."""
    return {"config": {"digest": FIRST} | ({"mediaType": media_type} if media_type is not None else {}), "layers": []}


@pytest.mark.parametrize(
    "statement",
    [
        BUNDLE,
        config("application/vnd.cncf.notary.signature"),
        config("application/vnd.dev.cosign.artifact.sig.v1+json"),
        {"artifactType": "application/spdx+json", "blobs": []},
    ],
)
def test_what_others_say_about_an_artifact_may_travel_with_it(tool: ToolMaker, statement: dict[str, Any]) -> None:
    oras = referring(tool, [{"digest": FIRST, "referrers": []}], {FIRST: statement})
    at = SOURCE.repository
    assert inspect([str(SOURCE), str(at.at(AMD64))], {}) == {FIRST}
    assert all("--plain-http" in call for call in calls(oras))


@pytest.mark.parametrize(
    "image",
    [
        config("application/vnd.oci.image.config.v1+json"),
        config("application/vnd.docker.container.image.v1+json"),
        config("application/octet-stream"),
        config(""),
        config(None),
        {"artifactType": "application/vnd.dev.sigstore.bundle.v0.3+json"}
        | config("application/vnd.oci.image.config.v1+json"),
        {"manifests": [{"digest": SECOND}]},
        {"schemaVersion": 1, "fsLayers": []},
    ],
)
def test_an_image_may_not_whatever_else_it_calls_itself(tool: ToolMaker, image: dict[str, Any]) -> None:
    referring(
        tool, [{"digest": FIRST, "artifactType": "application/vnd.dev.sigstore.bundle.v0.3+json"}], {FIRST: image}
    )
    with pytest.raises(StepError, match=f"an image that no gate has seen refers to this artifact.*{FIRST}"):
        inspect([str(SOURCE)], {})


@pytest.mark.parametrize(
    "text",
    [
        '{"config": {"mediaType": "EMPTY"}, "Config": {"mediaType": "IMAGE"}}',
        '{"config": {"mediaType": "EMPTY", "MEDIATYPE": "IMAGE"}}',
        '{"Config": {"mediatype": "IMAGE"}}',
        '{"config": {"mediaType": "EMPTY"}, "config": {"mediaType": "IMAGE"}}',
        '{"config": {"mediaType": "IMAGE"}, "blobs": []}',
        '{"config": {"mediaType": "EMPTY"}, "manife\\u017fts": []}',
        '{"blobs": [], "layers": []}',
        '{"config": []}',
        '{"config": {"mediaType": ["EMPTY"]}}',
        "[]",
        "null",
        "",
    ],
)
def test_a_manifest_that_can_be_read_in_two_ways_counts_as_an_image(text: str) -> None:
    of = {"EMPTY": "application/vnd.oci.empty.v1+json", "IMAGE": "application/vnd.oci.image.config.v1+json"}
    for word, media_type in of.items():
        text = text.replace(word, media_type)
    assert can_run(text)
    assert not can_run(json.dumps(BUNDLE))


def test_an_image_that_refers_to_a_statement_is_found_too(tool: ToolMaker) -> None:
    tree = [{"digest": FIRST, "referrers": [{"digest": SECOND}]}]
    referring(tool, tree, {FIRST: BUNDLE, SECOND: config("application/vnd.oci.image.config.v1+json")})
    with pytest.raises(StepError, match=SECOND):
        inspect([str(SOURCE)], {})


def test_nothing_is_copied_where_an_image_refers_to_the_artifact(tool: ToolMaker) -> None:
    image = config("application/vnd.oci.image.config.v1+json")
    oras = referring(tool, [{"digest": FIRST}], {FIRST: image})
    request = Request(SOURCE, TARGET, ["1.4.0"], "cosign.pub", {"version": "1.4.0"}, immutable_tag="1.4.0")
    with pytest.raises(StepError, match="would be published with it"):
        publish(request, {})
    assert not [call for call in calls(oras) if call.split()[0] in ("cp", "tag")]


def test_what_came_while_it_was_copied_gets_no_tag(tool: ToolMaker) -> None:
    oras = tool(
        "oras",
        f"""case $1 in
        discover) case "$*$(ls $0.copied 2>/dev/null)" in
            *{INDEX}*copied) echo '{json.dumps({"referrers": [{"digest": FIRST}]})}';; *) echo '{{}}';; esac;;
        manifest) echo '{json.dumps(PLATFORMS)}';;
        cp) touch $0.copied;;
        esac""",
    )
    tool("cosign", "echo '[]'")
    with pytest.raises(StepError, match=f"more refers to it than before it was copied \\({FIRST}\\); it got no tag"):
        publish(Request(SOURCE, TARGET, ["1.4.0-dev.1f"], "cosign.pub", {"version": "1.4.0"}), {})
    assert not [call for call in calls(oras) if call.split()[0] == "tag"]
