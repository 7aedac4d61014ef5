"""Copying between registries: what moves what, and how each registry is reached."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.artifact import Digest, ImageReference, Repository
from steps.copy import copy
from steps.tool import ToolError
from tests.conftest import ToolMaker
from tests.running import calls, fails

DIGEST = Digest("sha256:" + "1f" * 32)
QUARANTINE = ImageReference(Repository.parse("localhost:5380/driftwood/web"), DIGEST)
STAGING = ImageReference(Repository.parse("staging.example/driftwood/web"), DIGEST)
PRODUCTION = Repository.parse("production.example/driftwood/web")


def test_oras_brings_the_index_with_everything_that_refers_to_it(tool: ToolMaker, tmp_path: Path) -> None:
    oras = tool("oras", "")
    copy(STAGING, PRODUCTION, tmp_path, "production.crt", "staging.crt")
    [call] = calls(oras)
    words = call.split()
    assert words[:3] == ["cp", "--recursive", "--no-tty"]
    assert words[words.index("--from-ca-file") + 1] == "staging.crt"
    assert words[words.index("--to-ca-file") + 1] == "production.crt"
    assert words[-2:] == [str(STAGING), f"{PRODUCTION}@{DIGEST}"]


def test_skopeo_moves_the_image_and_oras_what_skopeo_leaves_behind(tool: ToolMaker, tmp_path: Path) -> None:
    authority = tmp_path / "production.crt"
    authority.write_text("an authority")
    order = tmp_path / "order"
    seen = tmp_path / "seen"
    shown = f'for word; do [ ! -f "$word/ca.crt" ] || cat "$word/ca.crt" >>{seen}; done'
    skopeo = tool("skopeo", f"echo skopeo >>{order}; {shown}")
    tool("oras", f"echo oras >>{order}")
    copy(QUARANTINE, PRODUCTION, tmp_path, str(authority), copier="skopeo")
    words = calls(skopeo)[0].split()
    assert words[:3] == ["copy", "--all", "--preserve-digests"]
    assert words[words.index("--src-authfile") + 1] == words[words.index("--dest-authfile") + 1]
    assert "--src-tls-verify=false" in words, "quarantine is on loopback, without TLS"
    assert "--dest-tls-verify=false" not in words
    assert words[-2:] == [f"docker://{QUARANTINE}", f"docker://{PRODUCTION}@{DIGEST}"]
    folder = Path(words[words.index("--dest-cert-dir") + 1])
    assert seen.read_text() == "an authority"
    assert not folder.exists()
    assert order.read_text().split() == ["skopeo", "oras"]


def test_a_copy_that_skopeo_cannot_make_is_not_made_by_oras_instead(tool: ToolMaker, tmp_path: Path) -> None:
    tool("skopeo", fails("denied: requested access to the resource is denied"))
    oras = tool("oras", "")
    with pytest.raises(ToolError, match="denied"):
        copy(STAGING, PRODUCTION, tmp_path, copier="skopeo")
    assert calls(oras) == []
