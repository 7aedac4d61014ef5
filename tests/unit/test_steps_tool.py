"""Running a tool: how its end is told."""

from __future__ import annotations

import pytest

from steps.tool import ToolError, run_tool
from tests.conftest import ToolMaker
from tests.running import fails


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("kill -KILL $$", "trivy was killed by signal 9 (out of memory?)"),
        ("echo scanning; kill -TERM $$", "trivy was killed by signal 15:\n  scanning"),
        ("exit 3", "trivy ended with exit code 3 and said nothing"),
        (fails("FATAL no such image"), "trivy failed:\n  FATAL no such image"),
    ],
)
def test_how_a_tool_ended_is_told_with_what_it_said(tool: ToolMaker, script: str, told: str) -> None:
    tool("trivy", script)
    with pytest.raises(ToolError) as caught:
        run_tool(["trivy", "image"])
    assert str(caught.value) == told
