"""Builds a program from a pinned Go module: go.mod and go.sum decide every byte of source that goes into it."""

import os
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from toolchain.errors import ToolchainError
from toolchain.pins import GoBuild, Pin
from toolchain.progress import Step
from toolchain.store import cache_folder, check_space

_LOG_LINES = 12
_POLL = 0.5
# A link step and the files of a warm cache need about this much, in GB.
_WARM_GB = 1.0


@dataclass(frozen=True)
class Go:
    """A Go toolchain.

    Attributes:
        program: the absolute path of ``go``.
        caches: a folder for module and build cache of a Go that only Slipway uses; None for those of the user's Go.
    """

    program: Path
    caches: Path | None = None

    def environment(self, build: GoBuild | None = None, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
        """Returns the environment of a build: only pinned modules, no other toolchain, nothing of a work space."""
        kept = {name: value for name, value in environ.items() if name not in ("GOROOT", "GOEXPERIMENT", "GOBIN")}
        fixed = {
            "GOFLAGS": "-mod=readonly -buildvcs=false",
            "GOTOOLCHAIN": "local",
            "GOWORK": "off",
            "PATH": f"{self.program.parent}{os.pathsep}{kept.get('PATH', os.defpath)}",
        }
        if self.caches is not None:
            # Not write-protected, so that anybody can remove it.
            fixed["GOFLAGS"] += " -modcacherw"
            fixed |= {"GOPATH": str(self.caches / "path"), "GOCACHE": str(self.caches / "build")}
        return {**kept, **fixed, **(build.env if build else {})}

    @classmethod
    def of(cls, program: Path) -> "Go":
        """Returns the toolchain of a program: one out of the cache of tools keeps what it needs there, too."""
        cache = cache_folder()
        return cls(program, cache / "go" if program.is_relative_to(cache) else None)

    def ask(self, *names: str) -> list[str]:
        """Returns what ``go env`` tells of ``names``."""
        result = subprocess.run(
            [self.program, "env", *names], env=self.environment(), capture_output=True, text=True, check=True
        )
        return result.stdout.splitlines()


def build_programs(go: Go, pin: Pin, modules: Path, folder: Path, log: Path, step: Step) -> None:
    """Builds all programs of ``pin`` into ``folder``.

    Args:
        go: the toolchain.
        pin: the tool, with its builds.
        modules: the folder of the Go modules.
        folder: where the programs go.
        log: what the builds print goes there; its last lines are in the message when one fails.
        step: is told how far the build is.

    Raises:
        ToolchainError: too little space, or a build failed.
    """
    _check_disk(go, pin, modules)
    folder.mkdir(parents=True, exist_ok=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("")
    for build in pin.go:
        command = [
            str(go.program), "build", "-v", "-trimpath",
            "-ldflags", f"-s -w {build.ldflags}".rstrip(),
            "-o", str(folder / build.binary), build.package,
        ]  # fmt: skip
        _run(command, modules / build.module, go.environment(build), log, step, scratch=folder.parent)
        if not (folder / build.binary).is_file():
            raise ToolchainError(f"{pin.title}: the build of {build.package} left no {build.binary}; its log: {log}")


def _run(command: list[str], module: Path, environment: dict[str, str], log: Path, step: Step, scratch: Path) -> None:
    # The linker of a large program would fill a small /tmp, so it works beside what it makes.
    with log.open("a") as output, tempfile.TemporaryDirectory(prefix="work-", dir=scratch) as work:
        output.write(f"$ cd {module} && {' '.join(command)}\n")
        output.flush()
        with subprocess.Popen(
            command, cwd=module, env={**environment, "GOTMPDIR": work}, stdin=subprocess.DEVNULL,
            stdout=output, stderr=subprocess.STDOUT,
        ) as process:  # fmt: skip
            try:
                while not _ended(process):
                    step.detail = _how_far(log)
            except BaseException:
                process.terminate()
                raise
    step.detail = ""
    if process.returncode != 0:
        raise ToolchainError(
            f"{step.title}: the build from pinned Go modules failed (exit code {process.returncode}); "
            f"its last lines:\n{last_lines(log)}\nThe whole log: {log}\n{_advice(log)}"
        )


def _ended(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(_POLL)
    except subprocess.TimeoutExpired:
        return False
    return True


def _how_far(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    fetched = sum(line.startswith("go: downloading ") for line in lines)
    compiled = sum(not line.startswith(("go: ", "$ ", "#")) for line in lines)
    if compiled:
        return f"{compiled} packages compiled"
    return f"{fetched} modules fetched" if fetched else ""


def last_lines(log: Path, count: int = _LOG_LINES) -> str:
    """Returns the last ``count`` lines of ``log``, indented."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if not line.startswith("go: downloading ")]
    return "\n".join(f"    {line}" for line in lines[-count:])


def _advice(log: Path) -> str:
    text = log.read_text(errors="replace")
    if "no space left" in text:
        return "What to do: make room on that disk, then run the command again; it goes on where it stopped."
    if any(sign in text for sign in ("dial tcp", "i/o timeout", "connection refused", "no such host", "TLS handshake")):
        return (
            "What to do: the Go module proxy was not reached: check the network, or set GOPROXY to your company's own, "
            "then run the command again; it goes on where it stopped."
        )
    if "checksum mismatch" in text or "missing go.sum entry" in text:
        return (
            "What to do: a module is not the pinned one: do not work around it; run `go clean -modcache` in case "
            "the cache is damaged, then run the command again."
        )
    return "What to do: read the log, mend what it names, then run the command again; it goes on where it stopped."


def _check_disk(go: Go, pin: Pin, modules: Path) -> None:
    mod_cache, build_cache = go.ask("GOMODCACHE", "GOCACHE")
    missing = _share_missing(Path(mod_cache), {modules / build.module for build in pin.go})
    needed = _WARM_GB + missing * pin.needs_gb
    for folder in {Path(mod_cache), Path(build_cache)}:
        check_space(folder, needed, f"{pin.title}: the build")


def _share_missing(mod_cache: Path, modules: set[Path]) -> float:
    """Returns which part, from 0 to 1, of the required modules is not in the module cache yet."""
    wanted = {line for module in modules for line in _required(module / "go.mod")}
    if not wanted:
        return 0.0
    there = sum((mod_cache / "cache" / "download" / name).exists() for name in wanted)
    return 1 - there / len(wanted)


def _required(go_mod: Path) -> list[str]:
    """Returns, for each module that the file requires, the path of its zip in a module cache."""
    names = []
    for line in go_mod.read_text(encoding="utf-8").splitlines():
        words = line.removeprefix("require ").split()
        if len(words) >= 2 and words[1].startswith("v") and words[0] not in ("go", "module", "replace"):
            # A module cache writes each capital letter as an exclamation mark and the small letter.
            escaped = "".join(f"!{letter.lower()}" if letter.isupper() else letter for letter in words[0])
            names.append(f"{escaped}/@v/{words[1]}.zip")
    return names
