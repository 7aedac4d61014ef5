"""What the Docker engine makes of what is written, for a container of its own as for a service's.

Read in the source of what obeys it: the provider (kreuzwerker/terraform-provider-docker) and the engine (moby/moby 28,
`daemon/daemon_unix.go`, `daemon/health.go`, `oci/caps`). Where the engine would refuse a spelling, it counts as the
weaker one: a rule must not rest on somebody else's error.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from math import isfinite
from typing import Any, TypeVar

from pulumi_policy.proxy import UnknownValueError

from judging.node import Node
from judging.paths import sensitive, socket
from judging.workload import Argument, Health, Variable

TRUE = ("1", "t", "T", "TRUE", "true", "True")
"""What Go's ParseBool takes for true."""
NEVER_FAILS = re.compile(
    r"(?!.*\bset\b[^;\n]*(?:-\w*e|errexit))(?!.*\bexit\s+[\"']?[-1-9$])"
    r"(?:(?:.*(?:\|\||;|\n)[ \t]*)?(?:/bin/|/usr/bin/)?(?:true|:|exit 0)|exit"
    r"|(?:.*\|\|[ \t]*)?(?:/bin/|/usr/bin/)?(?:echo|printf)\b[^;&|>)\n]*|sleep [\d.]+[smhd]?|)",
    re.DOTALL,
)
"""A command that ends well whatever is so; only the usual ones."""
_LONGEST = 2000
"""Characters of a command that is only there to end well."""
SHELL = re.compile(r"(?:/bin/|/usr/bin/)?(?:ba|da|a)?sh -\w*c$")
PATHS_IN_OPTIONS = re.compile(r"(?:^|[=:,])(/[^,:]*)")
KERNEL_FILES = {"proc": "/proc", "devtmpfs": "/dev", "devpts": "/dev/pts"} | dict.fromkeys(
    ("sysfs", "cgroup", "cgroup2", "debugfs", "tracefs", "securityfs", "configfs", "efivarfs", "bpf", "pstore"), "/sys"
)
"""File systems in which the kernel shows itself, wherever they are mounted, and where a host has them."""
BINDS = frozenset({"bind", "rbind"})
DEFAULTS = "__defaults"
"""Where Pulumi's bridge notes which properties of an object it has filled in."""
Made = TypeVar("Made")


def text(value: Any) -> str:
    """A value as it was written; the SDK hands every number over as a float."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def truth(value: Any) -> bool:
    """Whether a value is true; the provider also takes it as a text."""
    return value is True or text(value).strip() in TRUE


def number(value: Any) -> float | None:
    """The number that a value stands for, as the engine reads it: 0.5, "0.5", "1/2"; None where there is none."""
    numerator, _, denominator = text(value).strip().partition("/")
    try:
        found = float(numerator) / float(denominator or 1)
    except (ValueError, ZeroDivisionError):
        return None
    return found if isfinite(found) else None


def whole(value: Any) -> int | None:
    """The whole number that a value stands for; None where there is none."""
    found = number(value)
    return None if found is None else int(found)


def in_turn(*sources: Callable[[], Iterable[Made]]) -> Iterator[Made]:
    """What several properties say together; the signal that something in them is unknown comes last."""
    signal: UnknownValueError | None = None
    for source in sources:
        try:
            yield from source()
        except UnknownValueError as unknown:
            signal = signal or unknown
    if signal:
        raise signal


def made(node: Node, make: Callable[[Node], Made]) -> Iterator[Made]:
    """What a list's entries come to, known ones first."""
    signal: UnknownValueError | None = None
    try:
        for item in node.items():
            try:
                result = make(item)
            except UnknownValueError as unknown:
                signal = signal or unknown
                continue
            yield result
    except UnknownValueError as unknown:
        signal = signal or unknown
    if signal:
        raise signal


def group_of(user: Node) -> Iterator[Argument]:
    """The group after a user, if it has a name: root's number is that of many users who are nobody else."""
    group = text(user.value).strip().partition(":")[2]
    if group and group != "root" and not (group.isdigit() and int(group) == 0):
        yield Argument(group, user.path)


def variables(node: Node) -> Iterator[Variable]:
    """The entries of a mapping, known ones first."""
    signal: UnknownValueError | None = None
    for name in node.mapping():
        if name == DEFAULTS:
            continue
        try:
            entry = node.at(name)
        except UnknownValueError as unknown:
            signal = signal or unknown
            continue
        yield Variable(name, text(entry.value), entry.path)
    if signal:
        raise signal


def assignment(node: Node) -> Variable:
    """An environment variable that is written as `NAME=VALUE`."""
    name, _, value = text(node.value).partition("=")
    return Variable(name, value, node.path)


def label(node: Node) -> Variable:
    """An entry of a list of labels."""
    return Variable(text(node.at("label").value), text(node.at("value").value), node.path)


def argument(node: Node) -> Argument:
    """A word of a list of words."""
    return Argument(text(node.value), node.path)


def ulimit(node: Node) -> Variable:
    """An entry of a list of resource limits, with the higher of its two values; -1 is none."""
    values = [whole(node.at(key).value) or 0 for key in ("soft", "hard")]
    return Variable(text(node.at("name").value).lower(), str(-1 if min(values) < 0 else max(values)), node.path)


def capabilities(node: Node) -> frozenset[str]:
    """Names of capabilities in one spelling: to the engine `net_raw` and `CAP_NET_RAW` are NET_RAW."""
    return frozenset(text(item.value).strip().upper().removeprefix("CAP_") for item in node.items())


def health(node: Node) -> Health | None:
    """What the test of a health check comes to; the engine checks nothing for a test that it does not know."""
    return health_of([text(item.value) for item in node.items()])


def health_of(words: Sequence[str]) -> Health | None:
    """What the words of the test of a health check come to."""
    if not words:
        return None
    return "disabled" if words[0] not in ("CMD", "CMD-SHELL") or checks_nothing(words[1:]) else "own"


def checks_nothing(words: Sequence[str]) -> bool:
    """Whether the command of a health check never fails."""
    if len(words) > 2 and SHELL.fullmatch(" ".join(words[:2])):
        words = words[2:3]
    command = " ".join(words).strip()
    if inner := re.fullmatch(r"(?P<shell>\S+ \S+) (?P<quote>['\"]?)(?P<command>.*)(?P=quote)", command, re.DOTALL):
        command = inner["command"].strip() if SHELL.fullmatch(inner["shell"]) else command
    return len(command) < _LONGEST and NEVER_FAILS.fullmatch(command.rstrip("; ")) is not None


def is_path(source: str) -> bool:
    """Whether the engine takes the source of a mount for a path of the host, and not for a volume's name."""
    return bool(re.match(r"\s*[/\\~.$]|\s*[A-Za-z]:[/\\]", source))


def bound_paths(node: Node) -> list[str]:
    """The host's paths in the options of a volume's driver: a volume can be a bind mount, or an overlay over one."""
    device = text(node.at("device").value).strip()
    options = text(node.at("o").value)
    if BINDS & {option.strip() for option in options.split(",")}:  # then the kernel does not look at the type
        device = device and f"/{device.removeprefix('/')}"  # from the engine's own folder, which is the root
    elif kernel := KERNEL_FILES.get(text(node.at("type").value).strip().lower()):
        return [kernel]
    return [path for path in (device, *PATHS_IN_OPTIONS.findall(options)) if path.startswith("/")]


@dataclass(frozen=True)
class EngineMount:
    """An entry of `mounts`, whose parts are read when they are asked for."""

    node: Node

    @property
    def source(self) -> str:
        """The path, or the volume's name; of a volume that is a bind mount, the path."""
        bound = self._bound()
        if not bound:
            return text(self.node.at("source").value)
        return next((path for path in bound if sensitive(path) or socket(path)), bound[0])

    @property
    def target(self) -> str:
        """Where it lies."""
        return text(self.node.at("target").value)

    @property
    def type(self) -> str:
        """The type as the engine treats it."""
        kind = text(self.node.at("type").value).strip().lower()
        if kind == "volume" and (is_path(text(self.node.at("source").value)) or self._bound()):
            return "bind"
        return kind

    @property
    def read_only(self) -> bool:
        """Whether it is read-only."""
        return truth(self.node.at("readOnly").value)

    @property
    def propagation(self) -> str:
        """How later mounts spread."""
        return text(self.node.at("bindOptions", "propagation").value).strip().lower() or "rprivate"

    @property
    def path(self) -> str:
        """Its property."""
        return self.node.path

    def _bound(self) -> list[str]:
        return bound_paths(self.node.at("volumeOptions", "driverOptions"))


@dataclass(frozen=True)
class DockerPort:
    """An entry of `ports`, whose parts are read when they are asked for."""

    node: Node

    @property
    def address(self) -> str | None:
        """The address, or None for every one."""
        value = self.node.at("ip").value
        return None if value in (None, "") else str(value)

    @property
    def host(self) -> int | None:
        """The port of the host."""
        return whole(self.node.at("external").value) or None

    @property
    def container(self) -> int | None:
        """The port of the container."""
        return whole(self.node.at("internal").value)

    @property
    def path(self) -> str:
        """Its property."""
        return self.node.path


@dataclass(frozen=True)
class EveryPort:
    """What `publishAllPorts` publishes."""

    path: str
    address: str | None = None
    host: int | None = None
    container: int | None = None


@dataclass(frozen=True)
class DockerVolume:
    """An entry of `volumes`, the older spelling of a mount: a host path, a volume's name or another container."""

    node: Node

    @property
    def source(self) -> str:
        """The path, the name or the container."""
        # The plugin takes the host path where both are there.
        return next(
            filter(None, (text(self.node.at(key).value) for key in ("hostPath", "volumeName", "fromContainer"))), ""
        )

    @property
    def target(self) -> str:
        """Where it lies."""
        return text(self.node.at("containerPath").value)

    @property
    def type(self) -> str:
        """`bind`, `volume` or `container`."""
        if text(self.node.at("hostPath").value):
            return "bind"
        if name := text(self.node.at("volumeName").value):
            # Handed to the engine as SOURCE:TARGET, in which a source with a slash is a path.
            return "bind" if is_path(name) else "volume"
        return "container" if text(self.node.at("fromContainer").value) else "volume"

    @property
    def read_only(self) -> bool:
        """Whether it is read-only."""
        return truth(self.node.at("readOnly").value)

    @property
    def propagation(self) -> str:
        """Not to be said, so nothing spreads."""
        return "rprivate"

    @property
    def path(self) -> str:
        """Its property."""
        return self.node.path


@dataclass(frozen=True)
class EngineLogs:
    """A log driver and its options, read when they are asked for."""

    node: Node
    driver_keys: tuple[str, ...]
    options_keys: tuple[str, ...]

    @property
    def driver(self) -> str | None:
        """The driver's name."""
        return text(self.node.at(*self.driver_keys).value).strip() or None

    def option(self, name: str) -> str:
        """An option's value; empty where it is left out."""
        return text(self.node.at(*self.options_keys).mapping().get(name)).strip()


class Namespaces(Set[str]):
    """The namespaces that a container shares; each is read only when somebody asks for that one."""

    def __init__(self, names: Iterable[str], shares: Callable[[str], bool]) -> None:
        self._names = tuple(names)
        self._shares = shares

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._names and self._shares(name)

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._names if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)
