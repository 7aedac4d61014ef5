"""A small Pulumi project with a backend of its own, run by the real command line with the stand-ins."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROJECT = "standins"
TIMEOUT = 120.0
"""Seconds that one command may take before a test gives up."""
COMMAND_PLUGIN = "resource-command-v1.2.1"


def prepared_plugins() -> Path:
    """Returns the folder of the plugins of the prepared environment."""
    return Path(os.environ.get("PULUMI_HOME", Path.home() / ".pulumi")) / "plugins"


def command_plugin() -> Path:
    """Returns the command plugin of the prepared environment."""
    return prepared_plugins() / COMMAND_PLUGIN / "pulumi-resource-command"


@dataclass
class Project:
    """A project and its stack ``dev``, in a folder of their own."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    @classmethod
    def create(cls, folder: Path) -> "Project":
        """Makes the project, with this Python's environment as its own, and the stack."""
        home, backend = folder / "home", folder / "backend"
        home.mkdir()
        backend.mkdir()
        (home / "plugins").symlink_to(prepared_plugins())
        project = cls(folder / "project")
        project.folder.mkdir()
        project.environment = os.environ | {
            "PULUMI_HOME": str(home),
            "PULUMI_BACKEND_URL": backend.as_uri(),
            "PULUMI_CONFIG_PASSPHRASE": "standins",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "NO_COLOR": "1",
        }
        project.environment.pop("PULUMI_CONFIG_PASSPHRASE_FILE", None)
        project.environment.pop("PULUMI_STACK", None)
        settings = {"name": "python", "options": {"toolchain": "pip", "virtualenv": sys.prefix}}
        (project.folder / "Pulumi.yaml").write_text(json.dumps({"name": PROJECT, "runtime": settings}))
        project.write("")
        project.run("stack", "init", "dev")
        return project

    def write(self, program: str) -> None:
        """Makes ``program`` the project's program."""
        (self.folder / "__main__.py").write_text(textwrap.dedent(program))

    def run(self, *arguments: str, fails: bool = False) -> str:
        """Runs ``pulumi`` and returns all that it printed; its success must be as expected."""
        result = subprocess.run(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        assert (result.returncode != 0) == fails, result.stdout
        return result.stdout

    def up(self, *arguments: str, fails: bool = False) -> str:
        """Updates the stack without a preview first."""
        return self.run("up", "--yes", "--skip-preview", *arguments, fails=fails)

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Starts ``pulumi`` and returns the process; what it prints can be read from its ``stdout``."""
        return subprocess.Popen(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def outputs(self) -> dict[str, Any]:
        """Returns the stack's outputs, secrets in plain text."""
        found: dict[str, Any] = json.loads(self.run("stack", "output", "--json", "--show-secrets"))
        return found

    def state(self) -> str:
        """Returns the exported state."""
        return self.run("stack", "export")

    def resource(self, name: str) -> dict[str, Any]:
        """Returns what the state keeps of the resource ``name``."""
        for kept in json.loads(self.state())["deployment"]["resources"]:
            if kept["urn"].endswith(f"::{name}"):
                found: dict[str, Any] = kept
                return found
        raise AssertionError(f"{name} is not in the state")


def timed_lines(process: "subprocess.Popen[str]") -> Iterator[tuple[float, str]]:
    """Yields each line of a process with the moment it came, in seconds of a monotonic clock."""
    assert process.stdout is not None
    for line in process.stdout:
        yield time.monotonic(), line


def interrupt_when(process: "subprocess.Popen[str]", ready: Callable[[], bool]) -> tuple[str, float]:
    """Interrupts ``process`` as Ctrl-C does when ``ready`` says so; returns what it printed and the seconds it took."""
    wait_until(ready)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=TIMEOUT)
    return printed, time.monotonic() - began


def wait_until(happened: Callable[[], bool], seconds: float = 60) -> None:
    """Waits until ``happened`` is true; fails when it is not within ``seconds``."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def wait_until_gone(pids: list[int] | None) -> None:
    """Waits until none of these processes is alive."""
    assert pids
    wait_until(lambda: not any(_is_alive(pid) for pid in pids), seconds=10)


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def pids_in(file: Path, count: int) -> list[int] | None:
    """Returns the process ids, one a line, once ``file`` holds ``count`` of them."""
    if not file.exists() or len(lines := file.read_text().splitlines()) < count:
        return None
    return [int(line) for line in lines]
