"""Ask every service that a stack needs whether it is there, before the first resource is declared."""

import hashlib
import os
import platform
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pulumi

from components.artifact import Platform
from components.build_log import builder_endpoint
from settings import Settings

_TIMEOUT = 3.0
"""Seconds until a service counts as down."""
_NATIVE = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
_RUNS_TOO = {"amd64": {"386"}, "arm64": {"arm"}}
_QEMU_NAMES = {"arm64": "aarch64", "amd64": "x86_64", "386": "i386"}


def check(settings: Settings) -> None:
    """Ask all of them side by side.

    Raises:
        pulumi.RunError: naming each one that does not answer and the setting that points to it.
    """
    questions: list[Callable[[], str | None]] = [
        lambda: _registry("quarantine", settings.quarantine.address),
        lambda: _registry("registry", settings.registry.address),
        lambda: _builder(settings),
    ]
    if any(service.run for service in settings.services.values()):
        questions.append(
            lambda: _socket("slipway:docker", "the Docker Engine", settings.docker.removeprefix("unix://"))
        )
    with ThreadPoolExecutor(len(questions)) as pool:
        problems = [problem for problem in pool.map(lambda ask: ask(), questions) if problem]
    if problems:
        raise pulumi.RunError(
            "\n".join(["Not everything that this stack needs is there; nothing was changed:", *problems])
        )


def _registry(key: str, address: str) -> str | None:
    host, _, port = address.rpartition(":") if address.rpartition(":")[2].isdigit() else (address, "", "443")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _TIMEOUT).close()
    except OSError as error:
        return f"  slipway:{key}.address: {address} does not answer ({error}): start it (`make up` does)"
    return None


def _socket(key: str, what: str, path: str) -> str | None:
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(_TIMEOUT)
            client.connect(path)
    except OSError as error:
        why = error.strerror or error
        return f"  {key}: {what} at {path} does not answer ({why}): start it, or write the path of its socket"
    return None


def _builder(settings: Settings) -> str | None:
    """A builder on a local socket shares this kernel: what it cannot run, the kernel's binfmt_misc has to emulate."""
    if settings.builder is None:
        return None
    endpoint = builder_endpoint(settings.builder)
    if endpoint is None and not _is_context(settings.builder):
        return (
            f"  slipway:builder: buildx knows no builder of this name ({settings.builder}): "
            f"make it with `docker buildx create --name {settings.builder}`, or write one that `docker buildx ls` shows"
        )
    if endpoint is None or not endpoint.startswith("unix://"):
        return None
    if problem := _socket("slipway:builder", f"BuildKit ({settings.builder})", endpoint.removeprefix("unix://")):
        return problem
    wanted = {Platform(text) for service in settings.services.values() for text in service.build.platforms}
    if missing := sorted(at.value for at in wanted if not _can_run(at)):
        return (
            f"  slipway:services: the builder cannot run {', '.join(missing)}: register QEMU for it "
            "(`apt-get install qemu-user-static`, or `docker run --privileged --rm tonistiigi/binfmt --install all`)"
        )
    return None


def _is_context(name: str) -> bool:
    """Whether it is a context of the Docker command line, which buildx takes as a builder too."""
    kept = hashlib.sha256(name.encode()).hexdigest()
    return name == "default" or (_docker_configuration() / "contexts" / "meta" / kept).is_dir()


def _docker_configuration() -> Path:
    return Path(os.environ.get("DOCKER_CONFIG") or "~/.docker").expanduser()


def _can_run(wanted: Platform) -> bool:
    native = _NATIVE.get(platform.machine(), platform.machine())
    if wanted.architecture in {native, *_RUNS_TOO.get(native, ())}:
        return True
    name = _QEMU_NAMES.get(wanted.architecture, wanted.architecture)
    return any(_enabled(entry) for entry in _registered(name))


def _registered(name: str) -> Iterator[Path]:
    return Path("/proc/sys/fs/binfmt_misc").glob(f"*{name}*")


def _enabled(entry: Path) -> bool:
    try:
        return entry.read_text().startswith("enabled")
    except OSError:
        return False
