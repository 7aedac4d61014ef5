"""Builds the stand-in for ``python:3.12-slim`` and pushes it as one index with a manifest for each platform.

Debian's packages are unpacked, never run: a root for another platform needs no emulation. The packages come from the
Debian sources that apt of this machine is set up with, so nothing is fetched from anywhere the administrator did not
choose. The same packages give the same digest again.

The stand-in holds the Python of that Debian release (3.11 on Debian 12) with pip, setuptools and wheel, under the
names and paths that Dockerfiles on the official image rely on. It says what it is in its labels.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
PLATFORMS = ("linux/amd64", "linux/arm64")
"""Platforms of the index, in OCI notation; the second part is Debian's name of the architecture for these two."""
PACKAGES = (
    "base-files",
    "base-passwd",
    "bash",
    "ca-certificates",
    "coreutils",
    "dash",
    "diffutils",
    "findutils",
    "grep",
    "gzip",
    "libc-bin",
    "login",
    "netbase",
    "passwd",
    "python3",
    "python3-pip",
    "sed",
    "tzdata",
)
TAG = "3.12-slim"
"""What the stand-in is called beside its digest, for people."""
SOURCE_DATE_EPOCH = 1_686_355_200
"""Seconds since 1970 of every younger file's time and of the image: 2023-06-10, the release of Debian 12."""
USR_MERGE_HOOKS = Path("/usr/share/mmdebstrap/hooks/merged-usr")


class BaseImageError(Exception):
    """The base image could not be built; the message says which step, why, and what to do."""


def build_base_image(
    *,
    buildctl_address: str,
    repository: str,
    work_directory: Path,
    log: Callable[[str], None] = lambda _line: None,
    buildctl: str = "buildctl",
    tag: str = TAG,
    platforms: Sequence[str] = PLATFORMS,
) -> str:
    """Builds and pushes the stand-in; returns ``repository@sha256:...`` of its index.

    Args:
        buildctl_address: address of a BuildKit daemon, such as ``unix:///run/buildkit/buildkitd.sock``.
        repository: where the index is pushed, without a tag, such as ``localhost:5380/base/python``.
        work_directory: holds the unpacked roots and the logs of the tools; created where missing. About 200 MB
            while it works, only the logs remain.
        log: takes one line of progress for a person.
        buildctl: name or path of the BuildKit client.
        tag: put on the index beside its digest, for people; use the digest.
        platforms: in OCI notation.

    Raises:
        BaseImageError: a tool is missing, or a step failed.
    """
    for tool, remedy in ((buildctl, "build or install BuildKit"), ("mmdebstrap", "apt-get install mmdebstrap")):
        if shutil.which(tool) is None:
            raise BaseImageError(f"{tool} is not on PATH: {remedy}")
    suite, sources = debian_sources()
    context = work_directory / "context"
    shutil.rmtree(context, ignore_errors=True)
    context.mkdir(parents=True)
    shutil.copy(HERE / "Dockerfile", context)
    try:
        started = time.monotonic()
        log(f"unpacking Debian {suite} for {', '.join(platforms)}")
        with ThreadPoolExecutor() as pool:
            unpacked = [pool.submit(_unpack, name, suite, sources, context, work_directory) for name in platforms]
        for each in unpacked:
            each.result()
        log(f"pushing to {repository} ({time.monotonic() - started:.0f} s so far)")
        digest = _push(buildctl, buildctl_address, f"{repository}:{tag}", platforms, context, work_directory)
        log(f"{repository}@{digest} ({time.monotonic() - started:.0f} s)")
    finally:
        shutil.rmtree(context, ignore_errors=True)
    return f"{repository}@{digest}"


def debian_sources() -> tuple[str, list[Path]]:
    """Returns the codename of this machine's Debian release and the apt sources files that Debian's packages come from.

    apt itself is asked, so that sources of other origins, which may not exist for every platform, stay out.

    Raises:
        BaseImageError: apt is missing, or knows no packages of Debian.
    """
    suite = _os_release().get("VERSION_CODENAME", "")
    command = ["apt-get", "indextargets", "--format", "$(ORIGIN)|$(SOURCESENTRY)", "Created-By: Packages"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
    except FileNotFoundError:
        raise BaseImageError("apt-get is not on PATH: build on Debian, or use the official image") from None
    except subprocess.CalledProcessError as error:
        raise BaseImageError(f"apt-get indextargets failed: {error.stderr.strip()}") from error
    entries = (line.partition("|") for line in answer.stdout.splitlines())
    files = {Path(entry.rpartition(":")[0]) for origin, _, entry in entries if origin == "Debian"}
    if not suite or not files:
        raise BaseImageError("apt knows no packages of Debian here: run apt-get update on a Debian machine")
    return suite, sorted(files)


def _os_release() -> dict[str, str]:
    lines = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("=") for line in lines if "=" in line)
    return {key: value.strip("\"'") for key, _, value in pairs}


def _unpack(platform: str, suite: str, sources: Sequence[Path], context: Path, logs: Path) -> None:
    """Unpacks one platform's root into ``root-ARCHITECTURE.tar`` of the build context."""
    architecture = platform.split("/")[1]
    command = [
        "mmdebstrap",
        "--variant=extract",
        f"--architectures={architecture}",
        f"--include={','.join(PACKAGES)}",
        f"--hook-dir={USR_MERGE_HOOKS}",
        f"--extract-hook={HERE / 'finish-root.sh'}",
        suite,
        str(context / f"root-{architecture}.tar"),
        *map(str, sources),
    ]
    _run(f"unpacking {platform}", command, logs / f"base-image-{architecture}.log")


def _push(buildctl: str, address: str, name: str, platforms: Sequence[str], context: Path, logs: Path) -> str:
    """Builds the index from the unpacked roots, pushes it, and returns its digest."""
    metadata = context / "metadata.json"
    output = f"type=image,name={name},push=true,oci-mediatypes=true"
    command = [
        *(buildctl, "--addr", address, "build", "--progress=plain", "--frontend=dockerfile.v0"),
        *(f"--local=context={context}", f"--local=dockerfile={context}"),
        *("--opt", f"platform={','.join(platforms)}"),
        *("--opt", f"build-arg:SOURCE_DATE_EPOCH={SOURCE_DATE_EPOCH}"),
        *("--output", output, "--metadata-file", str(metadata)),
    ]
    _run(f"pushing {name}", command, logs / "base-image-build.log")
    return str(json.loads(metadata.read_text(encoding="utf-8"))["containerimage.digest"])


def _run(step: str, command: Sequence[str], log_file: Path) -> None:
    """Runs a tool with its output in a file; the last lines go into the error where it fails."""
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(SOURCE_DATE_EPOCH), "LC_ALL": "C.UTF-8"}
    with log_file.open("w", encoding="utf-8") as output:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, check=False
        )
    if done.returncode != 0:
        last = "\n  ".join(log_file.read_text(encoding="utf-8", errors="replace").splitlines()[-8:])
        raise BaseImageError(f"{step} failed ({command[0]}, code {done.returncode}):\n  {last}\nlog: {log_file}")
