"""One Pulumi stack in the checkout's file backend, and how `pulumi` is run on it."""

from __future__ import annotations

import contextlib
import gzip
import json
import re
import shutil
import signal
import subprocess
import tempfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from toolchain.environment import Project
from toolchain.errors import ToolchainError
from toolchain.virtualenv import POLICIES

PROGRAM = "Pulumi.yaml"
"""What Pulumi calls the file that makes a folder a project."""
NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}")
_SALT = re.compile(r"^encryptionsalt:.*\n?", re.MULTILINE)
_PARSE = """
import sys, yaml
def check(node, seen):
    if id(node) in seen or not isinstance(node, yaml.CollectionNode):
        return
    seen.add(id(node))
    known = set()
    for entry in node.value:
        for part in entry if isinstance(entry, tuple) else (entry,):
            check(part, seen)
        key = entry[0] if isinstance(entry, tuple) else None
        if not isinstance(key, yaml.ScalarNode) or key.value == "<<":
            continue
        if (key.tag, key.value) in known:
            raise yaml.MarkedYAMLError(problem=f"{key.value} stands there twice", problem_mark=key.start_mark)
        known.add((key.tag, key.value))
try:
    text = sys.stdin.buffer.read()
    check(yaml.compose(text), set())
    yaml.safe_load(text)
except yaml.MarkedYAMLError as error:
    mark = error.problem_mark or error.context_mark
    print(f"line {mark.line + 1}, column {mark.column + 1}: {error.problem or error.context}")
"""
_ENCRYPTED = re.compile(r"\bsecure:\s")
"""A value in a stack's file that only the passphrase opens to which the file's salt belongs."""


@dataclass(frozen=True)
class Stack:
    """The stack ``name`` of the Pulumi project in ``project``."""

    project: Project
    name: str

    def __post_init__(self) -> None:
        """Refuses a name that Pulumi would refuse.

        Raises:
            ToolchainError: the name holds other characters than letters, digits, ``-``, ``_`` and ``.``.
        """
        if not NAME.fullmatch(self.name):
            raise ToolchainError(f"STACK: not the name of a stack ({self.name}): write one such as dev")

    @property
    def pulumi_project(self) -> str:
        """The project's name in Pulumi.yaml.

        Raises:
            ToolchainError: there is no Pulumi.yaml with a name.
        """
        path = self.project.root / PROGRAM
        name = project_name(path)
        if name is None:
            raise ToolchainError(f"{path}: no Pulumi project with a name: run this in the root of the checkout")
        return name

    @property
    def qualified_name(self) -> str:
        """Organization, project and stack, as Pulumi names a stack in a file backend."""
        return f"organization/{self.pulumi_project}/{self.name}"

    @property
    def file(self) -> Path:
        """The configuration that is checked in."""
        return self.project.root / "stacks" / f"Pulumi.{self.name}.yaml"

    @property
    def policy_file(self) -> Path:
        """What the policy pack is told for this stack, checked in beside the stack's file."""
        return self.project.root / "stacks" / f"policy.{self.name}.json"

    @property
    def lock_folder(self) -> Path:
        """Where the file backend keeps the locks of this stack."""
        return self.project.backend / ".pulumi" / "locks" / self.qualified_name

    @property
    def checkpoint(self) -> Path | None:
        """Where the file backend keeps the state; None where the stack does not exist."""
        folder = self.project.states / self.pulumi_project
        for path in (folder / f"{self.name}.json", folder / f"{self.name}.json.gz"):
            if path.exists():
                return path
        return None

    def state_text(self) -> str:
        """Returns the state as it is stored; empty where the stack does not exist."""
        path = self.checkpoint
        return "" if path is None else read_checkpoint(path)

    def state(self) -> dict[str, Any]:
        """Returns the latest deployment of the state; empty where there is none."""
        path = self.checkpoint
        return {} if path is None else read_deployment(path)

    def refuse_missing_file(self) -> None:
        """Refuses a stack that has no file.

        Raises:
            ToolchainError: with the stacks that have one.
        """
        if not self.file.exists():
            paths = (self.project.root / "stacks").glob("Pulumi.*.yaml")
            known = sorted(path.name.removeprefix("Pulumi.").removesuffix(".yaml") for path in paths)
            raise ToolchainError(
                f"STACK: {self.file.relative_to(self.project.root)} does not exist (stack {self.name}): "
                f"write it, or use one of: {', '.join(known) or 'none yet'}"
            )

    def configuration(self) -> Path:
        """Writes the copy of the stack's file that `pulumi` is given, and returns it.

        Pulumi writes into the file that it is given; so the one that is checked in stays as it is. Where the ports of
        the embedded registries were moved, the copy names the moved ones. A salt in it may be that of another
        checkout, which has another passphrase; the state has ours.

        Raises:
            ToolchainError: the stack has no file.
        """
        self.refuse_missing_file()
        return self._with_our_ports(self.file, without_salt)

    def refuse_broken_yaml(self, python: Path) -> None:
        """Refuses a file that is no YAML. Pulumi does so, too, and names the line, but not the file that it is in.

        Args:
            python: one that has a parser, as the project's own.

        Raises:
            ToolchainError: with the place.
        """
        with self.file.open("rb") as content:
            parsed = subprocess.run(
                [str(python), "-c", _PARSE], stdin=content, capture_output=True, text=True, timeout=30, check=False
            )
        if parsed.stdout:
            raise ToolchainError(
                f"{self.file.relative_to(self.project.root)}: {parsed.stdout.strip()}: correct the YAML there; "
                "often it is an indentation"
            )

    def policy_flags(self, report: Callable[[str], None]) -> list[str]:
        """Returns the flags with which `pulumi` judges the stack by the checkout's policy pack.

        The pack's configuration for the stack lies beside the stack's own file. Without one the pack is used all the
        same, and says what it misses.

        Args:
            report: takes a line where there is no configuration.
        """
        flags = ["--policy-pack", str(self.project.root / POLICIES)]
        if self.policy_file.exists():
            return [*flags, "--policy-pack-config", str(self._with_our_ports(self.policy_file))]
        report(
            f"policies: {self.policy_file.relative_to(self.project.root)} does not exist, so the pack knows none of "
            "this stack's registries and keys: write it, beginning with stacks/policy.dev.json"
        )
        return flags

    def _with_our_ports(self, file: Path, change: Callable[[str], str] = str) -> Path:
        """Writes a copy of ``file``, changed, that names the embedded registries where they listen."""
        copy = self.project.run / file.name
        copy.write_text(self.project.with_our_ports(change(file.read_text(encoding="utf-8"))), encoding="utf-8")
        return copy

    def ensure(self, environment: Mapping[str, str]) -> bool:
        """Creates the stack in the backend where it is missing, and returns whether it did.

        `pulumi stack init` writes a salt beside the stack's file; it is run in a folder of its own, because the state
        keeps the salt too. Another run, of another stack, may do the same at the same time.

        Raises:
            ToolchainError: Pulumi refuses.
        """
        if self.checkpoint is not None:
            return False
        with tempfile.TemporaryDirectory(prefix="init-", dir=self.project.run) as folder:
            shutil.copy(self.project.root / PROGRAM, folder)
            _quiet(["stack", "init", self.name, "--no-select", "--non-interactive"], Path(folder), environment)
        return True

    def select(self, environment: Mapping[str, str]) -> None:
        """Makes it the one that plain `pulumi` means in a prepared shell.

        Raises:
            ToolchainError: Pulumi refuses.
        """
        _quiet(["stack", "select", self.name, "--non-interactive"], self.project.root, environment)

    def select_first(self, environment: Mapping[str, str]) -> None:
        """Selects it where none is: plain `pulumi` in a shell that is open must not mean another stack all at once.

        Raises:
            ToolchainError: Pulumi refuses.
        """
        try:
            _quiet(["stack", "--show-name", "--non-interactive"], self.project.root, environment)
        except ToolchainError:  # none yet, or one that is gone
            self.select(environment)


def without_salt(text: str) -> str:
    """Returns a stack's file without Pulumi's salt, unless it has values that were encrypted with it."""
    return text if _ENCRYPTED.search(text) else _SALT.sub("", text)


def project_name(path: Path) -> str | None:
    """Returns the name of the Pulumi project that the file at ``path`` describes; None where there is none."""
    try:
        found = re.search(r"^name:\s*['\"]?([\w.-]+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    except FileNotFoundError:
        return None
    return found[1] if found else None


def read_checkpoint(path: Path) -> str:
    """Returns the text of a stored state, compressed or not."""
    return gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text(encoding="utf-8")


def latest(checkpoint: str) -> dict[str, Any]:
    """Returns the latest deployment in the text of a stored state; empty where there is none."""
    if not checkpoint:
        return {}
    deployment: dict[str, Any] = json.loads(checkpoint).get("checkpoint", {}).get("latest") or {}
    return deployment


def read_deployment(path: Path) -> dict[str, Any]:
    """Returns the latest deployment of a stored state; empty where there is none.

    Raises:
        ToolchainError: the file is damaged.
    """
    try:
        return latest(read_checkpoint(path))
    except (ValueError, AttributeError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ToolchainError(
            f"{path} is no state that can be read ({error}): put its last good copy in its place, such as "
            f"{path.name}.bak beside it"
        ) from error


def outputs_of(state: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the outputs that a deployment registered; secret ones as Pulumi stores them, encrypted."""
    for resource in state.get("resources") or []:
        if resource["type"] == "pulumi:pulumi:Stack":
            outputs: dict[str, Any] = resource.get("outputs") or {}
            return outputs
    return {}


def stacks(project: Project) -> dict[str, dict[str, Any]]:
    """Returns the latest deployment of every stack in the checkout's backend, by PROJECT/STACK."""
    return {
        str(path.relative_to(project.states)).removesuffix(".gz").removesuffix(".json"): read_deployment(path)
        for path in project.state_files
    }


def urls(outputs: object) -> list[str]:
    """Returns the http addresses under keys named ``url``, wherever they are among the outputs, in order."""
    if not isinstance(outputs, dict):
        return []
    found = []
    for key, value in outputs.items():
        if key == "url" and isinstance(value, str) and value.startswith("http"):
            found.append(value)
        else:
            found += urls(value)
    return found


def foreground(argv: list[str], folder: Path, environment: Mapping[str, str], output: IO[bytes] | None = None) -> int:
    """Runs a program on the caller's terminal and returns its exit code.

    Ctrl-C reaches it by itself, and SIGTERM is handed on: it decides how to end, and this waits until it did.
    Its standard output goes to the file ``output`` where one is given.
    """
    program = shutil.which(argv[0], path=environment.get("PATH"))
    if program is None:
        raise ToolchainError(f"{argv[0]} is not on PATH: run `python3 -m toolchain ensure`")
    process = subprocess.Popen([program, *argv[1:]], cwd=folder, env=dict(environment), stdout=output)
    previous = signal.signal(signal.SIGINT, lambda _number, _frame: None)
    previous_term = signal.signal(signal.SIGTERM, lambda number, _frame: process.send_signal(number))
    try:
        code = process.wait()
    finally:
        signal.signal(signal.SIGINT, previous)
        signal.signal(signal.SIGTERM, previous_term)
    return code if code >= 0 else 128 - code


def _quiet(arguments: list[str], folder: Path, environment: Mapping[str, str]) -> None:
    program = shutil.which("pulumi", path=environment.get("PATH"))
    if program is None:
        raise ToolchainError("pulumi is not on PATH: run `python3 -m toolchain ensure`")
    with contextlib.suppress(subprocess.TimeoutExpired):
        result = subprocess.run(
            [program, *arguments],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if result.returncode == 0:
            return
        raise ToolchainError(f"pulumi {' '.join(arguments[:3])} failed: {result.stderr.strip()[-800:]}")
    raise ToolchainError(f"pulumi {' '.join(arguments[:3])}: not done after 120 s")
