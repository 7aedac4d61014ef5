"""Running a tool: how its end is told, and that none outlives the step."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import BinaryIO

import pytest

from steps.tool import ToolError, run_tool
from tests.conftest import ToolMaker
from tests.running import ROOT, calls, fails


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


def test_a_tool_that_does_not_end_is_stopped_and_told_with_what_to_do(tool: ToolMaker) -> None:
    path = tool("oras", 'echo $$ >"$0.pid"; exec sleep 60')
    with pytest.raises(ToolError, match=r"^oras has not ended after 0\.5 s, and was stopped: see whether what it asks"):
        run_tool(["oras", "manifest", "fetch"], timeout=0.5)
    assert not is_running(Path(f"{path}.pid"))


SIDE_BY_SIDE = """
from concurrent.futures import ThreadPoolExecutor
from steps.credentials import registry_credentials
from steps.tool import run_step, run_tool

def step():
    with registry_credentials({"registry.example": ("robot", "hunter2")}) as folder, ThreadPoolExecutor(1) as pool:
        print(folder, flush=True)
        list(pool.map(run_tool, [["oras", "first"], ["oras", "second"]]))

run_step(step)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_what_runs_in_a_pool_and_starts_nothing_more(tool: ToolMaker, number: signal.Signals) -> None:
    path = tool("oras", 'echo $$ >"$0.pid"; exec sleep 60')
    with started(SIDE_BY_SIDE) as running:
        assert running.stdout
        folder = Path(running.stdout.readline().strip())
        wait_for(Path(f"{path}.pid"))
        running.send_signal(number)
        assert running.wait(timeout=10) == 1
    assert calls(path) == ["first"]
    assert not is_running(Path(f"{path}.pid"))
    assert not folder.exists()


INTERRUPTED_AT_ITS_START = """
import os, shutil, signal, time
from pathlib import Path
from steps.tool import run_step, run_tool

read, pid = os.read, Path(f"{shutil.which('oras')}.pid")

def interrupted(descriptor, size):
    told = read(descriptor, size)  # by which Popen learns that the tool runs; then somebody ends this program
    while not (pid.exists() and pid.read_text().strip()):
        time.sleep(0.02)
    os.kill(os.getpid(), signal.SIGINT)
    return told

os.read = interrupted
run_step(lambda: {"said": run_tool(["oras", "login"])})
"""


def test_a_tool_does_not_outlive_an_interruption_of_its_start(tool: ToolMaker) -> None:
    path = tool("oras", 'echo $$ >"$0.pid"; exec sleep 60')
    with started(INTERRUPTED_AT_ITS_START) as running:
        assert running.wait(timeout=10) == 1
    assert not is_running(Path(f"{path}.pid"))


def test_a_tool_that_does_not_heed_the_signal_is_killed_at_last(tool: ToolMaker) -> None:
    path = tool("oras", "trap '' TERM; echo $$ >\"$0.pid\"; while :; do sleep 0.1; done")
    with started(f"from steps import tool\ntool._GRACE = 1.0\n{SIDE_BY_SIDE}") as running:
        wait_for(Path(f"{path}.pid"))
        running.send_signal(signal.SIGTERM)
        assert running.wait(timeout=15) == 1
    assert not is_running(Path(f"{path}.pid"))


def test_a_step_that_nohup_has_started_outlives_its_terminal(tool: ToolMaker) -> None:
    path = tool("oras", 'echo $$ >"$0.pid"; exec sleep 0.3')
    with started(SIDE_BY_SIDE, "nohup") as running:
        wait_for(Path(f"{path}.pid"))
        running.send_signal(signal.SIGHUP)
        assert running.wait(timeout=15) == 0
    assert calls(path) == ["first", "second"]


@pytest.mark.parametrize("told", ["No space left on device", "Broken pipe"])
def test_a_result_that_cannot_be_printed_is_one_message(told: str) -> None:
    with output_that_fails(told) as output:
        ended = subprocess.run(
            [sys.executable, "-c", "from steps.tool import run_step; run_step(lambda: {'digest': 'sha256:1f'})"],
            cwd=ROOT,
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    said = f"error: the step has done its work, but its result cannot be printed ({told}): "
    assert (ended.returncode, len(ended.stderr.splitlines())) == (1, 1), ended.stderr
    assert ended.stderr.startswith(said)


def output_that_fails(told: str) -> BinaryIO:
    """A full disk, or a pipe that nobody reads."""
    if told != "Broken pipe":
        return Path("/dev/full").open("wb")
    reading, writing = os.pipe()
    os.close(reading)
    return os.fdopen(writing, "wb")


def started(program: str, *before: str) -> subprocess.Popen[str]:
    """A program that runs tools, as it is running."""
    command = [*before, sys.executable, "-c", program]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)


def wait_for(file: Path) -> None:
    """Until a tool has begun, and said so."""
    deadline = time.monotonic() + 20
    while not (file.exists() and file.read_text().strip()):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_running(file: Path) -> bool:
    """Whether the process still runs whose id is in a file."""
    return Path("/proc", file.read_text().strip()).exists()
