"""Running trivy: only what a step tells it narrows what it shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from steps.trivy import trivy
from tests.conftest import ToolMaker

LOOK = 'while [ $# -gt 0 ]; do case $1 in --config|--ignorefile) echo "$1 $2"; cat "$2";; esac; shift; done'


@pytest.mark.parametrize("verb", ["image", "sbom", "convert"])
def test_without_an_ignore_file_of_the_steps_own_nothing_is_ignored(
    tool: ToolMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(".trivyignore").write_text("CVE-2019-10906\n")
    tool("trivy", LOOK)
    config, told, ignored, nothing = trivy([verb, "--quiet", "report.json"]).splitlines()
    assert (config.split()[0], told, ignored.split()[0], nothing) == ("--config", "{}", "--ignorefile", "{}")
    assert ignored.split()[1].endswith(".yaml")  # by another name, trivy reads a list of words


def test_what_a_step_accepts_is_what_is_ignored(tool: ToolMaker, tmp_path: Path) -> None:
    accepted = tmp_path / "accepted.yaml"
    accepted.write_text("accepted for a time\n")
    tool("trivy", LOOK)
    assert trivy(["image", "--ignorefile", accepted, "name"]).splitlines()[2:] == [
        f"--ignorefile {accepted}",
        "accepted for a time",
    ]
