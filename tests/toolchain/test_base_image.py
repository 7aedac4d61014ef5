"""The recipe of the base image's stand-in, with small programs in the tools' places."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from toolchain.base_image.build import BaseImageError, build_base_image, debian_sources

DIGEST = "sha256:" + "1f" * 32


@pytest.fixture(name="tools")
def tools_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder first on PATH with an apt-get, an mmdebstrap and a buildctl that succeed and note their calls."""
    folder = tmp_path / "bin"
    folder.mkdir()
    calls = tmp_path / "calls"
    write_tool(folder / "apt-get", "printf 'Debian|/etc/apt/sources.list.d/debian.sources:2\\n'")
    write_tool(folder / "mmdebstrap", f'echo "mmdebstrap $*" >>{calls}')
    metadata = f'{{"containerimage.digest": "{DIGEST}"}}'
    write_tool(
        folder / "buildctl",
        f"""echo "buildctl $*" >>{calls}
        while [ "$1" != --metadata-file ]; do shift; done
        echo '{metadata}' >"$2" """,
    )
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def write_tool(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)


def build(work: Path) -> str:
    return build_base_image(
        buildctl_address="unix:///run/test.sock", repository="localhost:5380/base/python", work_directory=work
    )


def test_one_index_of_both_platforms_is_named_by_its_digest(tools: Path, tmp_path: Path) -> None:
    assert build(tmp_path / "work") == f"localhost:5380/base/python@{DIGEST}"

    calls = (tmp_path / "calls").read_text(encoding="utf-8").splitlines()
    assert {word for call in calls for word in call.split() if word.startswith("--architectures")} == {
        "--architectures=amd64",
        "--architectures=arm64",
    }
    assert "--opt platform=linux/amd64,linux/arm64" in calls[-1]
    assert "name=localhost:5380/base/python:3.12-slim,push=true" in calls[-1]
    assert not (tmp_path / "work" / "context").exists()


def test_a_failing_tool_is_named_with_its_last_words_and_its_log(tools: Path, tmp_path: Path) -> None:
    write_tool(tools / "mmdebstrap", "echo 'E: unable to fetch base-files' >&2; exit 25")

    with pytest.raises(BaseImageError) as failure:
        build(tmp_path / "work")

    log = tmp_path / "work" / "base-image-amd64.log"
    message = f"unpacking linux/amd64 failed (mmdebstrap, code 25):\n  E: unable to fetch base-files\nlog: {log}"
    assert str(failure.value) == message
    assert not (tmp_path / "work" / "context").exists()


def test_a_missing_tool_is_named_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(BaseImageError, match=r"^buildctl is not on PATH: build or install BuildKit$"):
        build(tmp_path / "work")
    assert not (tmp_path / "work").exists()


def test_only_sources_of_debian_are_used(tools: Path) -> None:
    sources = ("Debian|/etc/apt/sources.list:3", "Docker|/etc/apt/sources.list.d/docker.list:1", "|/etc/apt/x.list:1")
    write_tool(tools / "apt-get", "\n".join(f"echo '{line}'" for line in sources))

    _, files = debian_sources()

    assert files == [Path("/etc/apt/sources.list")]


def test_a_machine_whose_apt_knows_no_debian_is_told_what_to_do(tools: Path, tmp_path: Path) -> None:
    write_tool(tools / "apt-get", "echo 'Ubuntu|/etc/apt/sources.list:1'")

    with pytest.raises(BaseImageError, match=r"run apt-get update on a Debian machine$"):
        build(tmp_path / "work")
