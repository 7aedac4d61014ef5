"""Locks base images by digest: a tag that moves changes no build by itself.

The sample's are in ``.slipway/base-images.lock.json``; a project's own are in files that it keeps with its source.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from toolchain.database import Tool, manifest_digest, registry_reachable
from toolchain.environment import Project
from toolchain.errors import ToolchainError
from toolchain.services.buildkit import socket_path
from toolchain.services.service import Report
from toolchain.store import cache_folder

BASES = ("python:3.12-slim",)
"""What the sample's Dockerfile starts from, as it is written behind FROM."""
STAND_INS = {"python:3.12-slim": "base/python"}
"""Base images for which a stand-in can be built, and its repository in quarantine."""
HUB = "registry-1.docker.io"
HOST = re.compile(r"localhost|[^/]*[.:][^/]*")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def ensure_base_lock(
    project: Project,
    environment: Mapping[str, str],
    report: Report,
    tool: Tool,
    *,
    refresh: bool = False,
    reachable: Callable[[str], bool] | None = None,
) -> dict[str, str]:
    """Makes sure that every base image has a digest that can be pulled, and returns the lock.

    Args:
        project: the checkout; its quarantine registry and BuildKit must run.
        environment: the prepared environment, with crane and buildctl on its PATH.
        report: takes a line for every base that was locked.
        tool: makes sure of a tool that is only needed at times, here mmdebstrap, and returns its program.
        refresh: look every base up again, also those that are locked.
        reachable: tells whether a registry's host answers.

    Raises:
        ToolchainError: a base can neither be looked up nor built.
    """
    locked = _read(project.base_lock)
    names = sorted({*BASES, *locked})
    missing = [name for name in names if refresh or not _usable(project, locked.get(name))]
    if not missing:
        return locked
    online = (reachable or registry_reachable)(HUB)
    fresh = dict(locked)
    for name in missing:
        fresh[name] = (
            _look_up(name, environment)
            if online
            else _stand_in(name, project, environment, report, tool, build_anew=refresh)
        )
        report(_change(name, locked.get(name), fresh[name]))
    _write(project.base_lock, fresh)
    return fresh


def refresh_lock(lock: Path, environment: Mapping[str, str], report: Report) -> dict[str, str]:
    """Looks up every base image that a project's own lock names, and returns the lock; no stand-in takes a place in it.

    Args:
        lock: the JSON file; a new name stands there with an empty digest, ``{"node:22-slim": ""}``.
        environment: with crane on its PATH, which logs in as Docker does.
        report: takes a line for every base.

    Raises:
        ToolchainError: it is no such file, or the registry of a base does not tell its digest; the file is as it was.
    """
    locked = _read(lock)
    if not locked:
        raise ToolchainError(f'{lock} names no base image: write there {{"NAME": ""}} for each, as behind FROM')
    fresh = {name: _look_up(name, environment) for name in sorted(locked)}
    for name, reference in fresh.items():
        report(_change(name, locked[name], reference))
    _write(lock, fresh)
    return fresh


def _write(lock: Path, bases: Mapping[str, str]) -> None:
    partial = lock.with_suffix(".partial")
    partial.write_text(json.dumps(bases, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    partial.replace(lock)


def _usable(project: Project, reference: str | None) -> bool:
    """Tells whether a locked reference still stands: one in an embedded quarantine must be held by this one."""
    if reference is None:
        return False
    repository, _, digest = reference.partition("@")
    host, _, path = repository.partition("/")
    if not host.startswith("localhost:"):
        return True
    return host == project.quarantine and manifest_digest(host, path, digest) == digest


def _look_up(name: str, environment: Mapping[str, str]) -> str:
    reference = f"docker.io/library/{name}" if "/" not in name else name
    crane = _program("crane", environment)
    try:
        result = subprocess.run(
            [crane, "digest", reference], env=dict(environment), capture_output=True, text=True, timeout=60, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ToolchainError(f"{name}: its registry did not name a digest within 60 s: try again") from error
    digest = result.stdout.strip()
    if result.returncode != 0 or not DIGEST.fullmatch(digest):
        raise ToolchainError(f"{name}: its registry names no digest: {result.stderr.strip()[-300:]}")
    repository = reference.rpartition(":")[0] if ":" in reference.rpartition("/")[2] else reference
    host, slash, _ = repository.partition("/")
    # Docker's short names are Docker Hub's; a lock names the registry.
    return f"{repository}@{digest}" if slash and HOST.fullmatch(host) else f"docker.io/{repository}@{digest}"


def _stand_in(
    name: str, project: Project, environment: Mapping[str, str], report: Report, tool: Tool, *, build_anew: bool
) -> str:
    repository = STAND_INS.get(name)
    if repository is None:
        raise ToolchainError(f"{name}: its registry is out of reach, and no stand-in is known for it: try again online")
    # Only a machine that needs one pays for the imports.
    from toolchain.base_image.build import TAG, BaseImageError, build_base_image
    from toolchain.base_image.kept import Kept

    def say(line: str) -> None:
        report(f"{name}: {line}")

    target = f"{project.quarantine}/{repository}"
    kept = Kept(cache_folder(), environment, say)
    with kept.locked():
        # Only what the registry itself calls by that digest counts.
        if not build_anew and (reference := kept.push(target, TAG)) and _usable(project, reference):
            say("its registry is out of reach; a stand-in that was built within the last day takes its place")
            return reference
        tool("mmdebstrap")
        buildctl = _program("buildctl", environment)
        say("its registry is out of reach; building a stand-in of Debian packages for each platform")
        try:
            reference = build_base_image(
                buildctl_address=f"unix://{socket_path(project.run, 'buildkitd.sock')}",
                repository=target,
                work_directory=project.state / "base-image",
                log=say,
                buildctl=buildctl,
            )
        except BaseImageError as error:
            raise ToolchainError(f"{name}: {error}") from error
        kept.keep(reference)
    return reference


def _program(name: str, environment: Mapping[str, str]) -> str:
    program = shutil.which(name, path=environment.get("PATH"))
    if program is None:
        raise ToolchainError(f"{name} is not on PATH: run `python3 -m toolchain ensure`")
    return program


def _change(name: str, before: str | None, after: str) -> str:
    if not before:
        return f"{name}: locked to {after}"
    return f"{name}: unchanged, {after}" if before == after else f"{name}: moved from {before} to {after}"


def _read(path: Path) -> dict[str, str]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ToolchainError(f"{path} is no lock of base images ({error}): correct it, or begin with {{}}") from error
    if not isinstance(content, dict):
        raise ToolchainError(f'{path} is no lock of base images: write an object there, {{"NAME": ""}}')
    return {str(name): str(reference) for name, reference in content.items()}
