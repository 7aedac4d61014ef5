"""Ask whether everything that a stack needs is there, before the first resource is declared."""

import hashlib
import os
import platform
import socket
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pulumi

from components.artifact import Platform, is_loopback
from components.buildkit import builder_endpoint
from components.release import refuse_uncommitted
from components.tree import changed, named
from settings import Settings

_TIMEOUT = 3.0
"""Seconds until a service counts as down."""
_NATIVE = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
_RUNS_TOO = {"amd64": {"386"}, "arm64": {"arm"}}
_BINFMT = Path("/proc/sys/fs/binfmt_misc")
_QEMU_NAMES = {"arm64": "aarch64", "amd64": "x86_64", "386": "i386", "mips64le": "mips64el"}


def check(settings: Settings) -> None:
    """Ask all of them side by side.

    Raises:
        pulumi.RunError: naming each one that does not answer and the setting that points to it; or what is not
            committed in the project of a stack that promotes, or in what a stack of the channel `release` builds.
    """
    if settings.builds:
        builds = {name: service.build for name, service in settings.services.items() if service.build}
        refuse_uncommitted(settings.channel, builds)
    else:
        _refuse_changes(Path.cwd())
    questions: list[Callable[[], str | None]] = [lambda: _registry("registry", settings.registry.address)]
    if quarantine := settings.quarantine if settings.builds else None:
        questions += [lambda: _registry("quarantine", quarantine.address), lambda: _builder(settings)]
    if settings.runs:
        questions.append(lambda: _engine(settings.docker))
    with ThreadPoolExecutor(len(questions)) as pool:
        problems = [problem for problem in pool.map(lambda ask: ask(), questions) if problem]
    if problems:
        raise pulumi.RunError(
            "\n".join(["Not everything that this stack needs is there; nothing was changed:", *problems])
        )


def _refuse_changes(project: Path) -> None:
    """What promotes takes nothing that nobody else can see: a preview says so, and `up` refuses."""
    files = changed(project)
    if files is None:
        pulumi.log.warn("this project is in no git repository: nobody can tell later what it was when it was deployed")
    if not files:
        return
    told = f"this stack promotes, and takes only what is committed. Changed: {named(files)}"
    if not pulumi.runtime.is_dry_run():
        raise pulumi.RunError(f"{told}\nCommit it, or take it back, then try again; nothing was changed.")
    pulumi.log.warn(f"{told}\n`pulumi up` will refuse this.")


def _registry(key: str, address: str) -> str | None:
    host, _, port = address.rpartition(":") if address.rpartition(":")[2].isdigit() else (address, "", "443")
    host = host.strip("[]")
    if not is_loopback(address) and _is_behind_a_proxy(host):
        return None  # the tools reach it through the proxy; it need not be reachable from here
    try:
        socket.create_connection((host, int(port)), _TIMEOUT).close()
    except OSError as error:
        return f"  slipway:{key}.address: {address} does not answer ({error}): start it (`make up` does)"
    return None


def _is_behind_a_proxy(host: str) -> bool:
    """Registries are asked over TLS, so it is HTTPS_PROXY that counts."""
    return "https" in urllib.request.getproxies() and not urllib.request.proxy_bypass(host)


def _engine(address: str) -> str | None:
    if context := os.environ.get("DOCKER_CONTEXT"):
        return (
            f"  DOCKER_CONTEXT: it is set ({context}), and the Docker provider would take that engine instead of "
            f"slipway:docker ({address}), which is a local socket: unset it"
        )
    return _socket("slipway:docker", "the Docker Engine", address.removeprefix("unix://"))


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
    builds = [service.build for service in settings.services.values() if service.build]
    wanted = {Platform(text) for build in builds for text in build.platforms}
    if other := sorted(at.value for at in wanted if not at.value.startswith("linux/")):
        return (
            f"  slipway:services: the builder cannot run {', '.join(other)}: its kernel is Linux; "
            "take them out of build.platforms"
        )
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
    # Not a name that merely begins alike: mips64el is another processor than mips64.
    return any(_usable(entry) for end in ("", "-static") for entry in _BINFMT.glob(f"*{name}{end}"))


def _usable(entry: Path) -> bool:
    """Whether it is enabled and opened once, at registration: else it does not work inside of a container's root."""
    try:
        lines = entry.read_text(encoding="latin-1").splitlines()
    except OSError:
        return False
    flags = next((line.removeprefix("flags:") for line in lines if line.startswith("flags:")), "")
    return lines[:1] == ["enabled"] and "F" in flags
