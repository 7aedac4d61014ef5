"""How a workload runs: limits, ports, secret files, logs; what is left out is the secure value.

What weakens a container must be written down: a reason under `reasons`, by the name of the setting. Names of the rules
are those of the CIS Docker Benchmark 1.6, section 5, and of the Pod Security Standard "restricted".
"""

import difflib
import ipaddress
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from components.arguments import Arguments, refuse
from components.logs import Logs
from components.secret import SecretSource, command_shows_credential, refuse_secrets
from components.tmpfs import loose, tmpfs_problems

_UNREMARKABLE_CAPABILITIES = frozenset({"NET_BIND_SERVICE"})
_CAPABILITIES = frozenset(
    {
        "AUDIT_CONTROL", "AUDIT_READ", "AUDIT_WRITE", "BLOCK_SUSPEND", "BPF", "CHECKPOINT_RESTORE", "CHOWN",
        "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "IPC_LOCK", "IPC_OWNER", "KILL", "LEASE",
        "LINUX_IMMUTABLE", "MAC_ADMIN", "MAC_OVERRIDE", "MKNOD", "NET_ADMIN", "NET_BIND_SERVICE", "NET_BROADCAST",
        "NET_RAW", "PERFMON", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYSLOG", "SYS_ADMIN", "SYS_BOOT",
        "SYS_CHROOT", "SYS_MODULE", "SYS_NICE", "SYS_PACCT", "SYS_PTRACE", "SYS_RAWIO", "SYS_RESOURCE", "SYS_TIME",
        "SYS_TTY_CONFIG", "WAKE_ALARM",
    }
)  # fmt: skip
"""Those of Linux, capabilities(7)."""
_PRIVILEGED_PORTS = 1024
_MOST_PIDS = 4096
_SHORTEST_REASON = 10
_MOST_LOGS = 1024
"""MiB of log files that a host keeps of one container without a word."""
_SHORTEST_DURATION = 0.001
"""Seconds; the Docker Engine refuses a shorter one in a health check."""
_SHELLS = frozenset({"sh", "bash", "/bin/sh", "/bin/bash"})
_NEVER_FAILS = re.compile(r"(.*(\|\||;|\n))?\s*(/bin/|/usr/bin/)?(true|:|exit|exit\s+0)\s*;?\s*", re.DOTALL)
"""A line of the shell that ends well whatever came before; only the usual ones."""
_WEAKENING = ("read_only", "capabilities", "temporary", "ports", "logs")
"""The settings that can make a container weaker than the default."""


class Port(Arguments):
    """One port of the container, bound to one address of the host (CIS 5.14)."""

    container: int = Field(gt=0, le=65535)
    """Port inside the container."""
    host: int = Field(gt=0, le=65535)
    """Port on the host; below 1024 needs a reason under `ports` (CIS 5.8)."""
    address: str = "127.0.0.1"
    """Address of the host to listen on; all of them (0.0.0.0 or ::) needs a reason under `ports`."""

    @field_validator("address")
    @classmethod
    def _is_address(cls, value: str) -> str:
        return str(ipaddress.ip_address(value))


class Health(Arguments):
    """Changes to the health check that the image brings; what is left out stays as the image has it."""

    test: tuple[str, ...] = ()
    """The command in exec form, `["CMD", "python", "healthcheck.py"]`; the image's own if left out.

    The usual ways to write one that never fails are refused.
    """
    interval: float | None = Field(default=None, ge=0.5, le=3600)
    """Seconds between two checks."""
    timeout: float | None = Field(default=None, ge=0.5, le=600)
    """Seconds that one check may take."""
    retries: int | None = Field(default=None, ge=1, le=100)
    """Failures in a row that make it unhealthy."""
    start_period: float | None = Field(default=None, ge=_SHORTEST_DURATION, le=3600)
    """Seconds after the start in which failures do not count; 0.001 for none where the image has some."""
    wait: float = Field(default=90, gt=0, le=3600)
    """Seconds that `up` waits for it to become healthy."""

    @field_validator("start_period", mode="before")
    @classmethod
    def _is_not_inherited(cls, value: Any) -> Any:
        if value == 0:
            raise ValueError(
                "the Docker Engine takes 0 as the image's own period, so that every `up` would replace the container "
                f"(0): leave it out for the image's, or write {_SHORTEST_DURATION} for none"
            )
        return value

    @field_validator("test")
    @classmethod
    def _exec_form(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if value and value[0] not in ("CMD", "CMD-SHELL"):
            raise ValueError('start with "CMD" (exec form) or "CMD-SHELL"; a health check cannot be switched off')
        if value and not " ".join(value[1:]).strip():
            raise ValueError(f"there is no command after {value[0]}: write one that asks the service")
        line = _shell_line(value)
        if command_shows_credential(value[1:] if value[:1] != ("CMD-SHELL",) else [" ".join(value[1:])]):
            raise ValueError(
                "a credential is in this command, and `docker inspect` shows it: let the command read it from a file "
                "of run.secrets, as a shell does with $(cat /run/secrets/NAME)"
            )
        if line is not None and _NEVER_FAILS.fullmatch(line):
            raise ValueError(f"{line.strip()!r} never fails: write a command that asks the service")
        return value


class ImageNeeds(Arguments):
    """What a container asks of its image; whatever it asks, an image that runs as root is refused."""

    health_check: bool = True
    """Whether the image has to bring the health check; false where the container has one of its own."""
    secrets_owner: int | None = Field(default=None, ge=1)
    """Numeric id of the user who may read the secret files; left out where there are none."""

    def flags(self) -> list[str]:
        """The same as steps take it, see steps.image_config."""
        flags = ["--to-run", *([] if self.health_check else ["--own-health-check"])]
        return [*flags, *(["--files-owner", str(self.secrets_owner)] if self.secrets_owner else [])]


class Run(Arguments):
    """How a container runs; every default is the secure one."""

    name: str = Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_.-]{1,62}$")
    """Name of the container."""
    reasons: dict[str, str] = {}
    """Why a setting is weaker than its default, by the setting's name."""
    ports: tuple[Port, ...] = ()
    """Ports that the host listens on; each port of the container once."""
    memory: int = Field(default=256, ge=16)
    """Memory in MiB, swap included (CIS 5.11)."""
    cpus: float = Field(default=1.0, ge=0.01, le=1024)
    """Processors, in fractions (CIS 5.12)."""
    pids: int = Field(default=100, ge=1, le=_MOST_PIDS)
    """Most processes and threads (CIS 5.29)."""
    open_files: int = Field(default=1024, ge=64, le=1048576)
    """Most open files of a process (CIS 5.19)."""
    capabilities: tuple[str, ...] = ()
    """Capabilities to add after all were dropped (CIS 5.4); others than NET_BIND_SERVICE need a reason.

    Names as in capabilities(7), with CAP_ or without."""
    environment: dict[str, str] = {}
    """Environment variables; a secret among them is refused, mount it as a file."""
    secrets: dict[str, SecretSource] = {}
    """Secret files by name, mounted read-only at /run/secrets/NAME for the image's user alone."""
    secrets_owner: int = Field(default=10001, ge=1)
    """Numeric id of the image's user, who may read the secret files."""
    read_only: bool = True
    """Whether the root file system is read-only (CIS 5.13); false needs a reason."""
    temporary: dict[str, str] = {"/tmp": "rw,noexec,nosuid,nodev,size=64m"}
    """tmpfs mounts by path, with their options; one without noexec needs a reason."""
    stop_timeout: int = Field(default=10, ge=1, le=600)
    """Seconds between SIGTERM and SIGKILL."""
    logs: Logs = Logs()
    """Where its output goes."""
    health: Health = Health()
    """Changes to the image's health check."""

    @property
    def needs(self) -> ImageNeeds:
        """What the container asks of its image, so that another one is refused before it is published."""
        owner = self.secrets_owner if self.secrets else None
        return ImageNeeds(health_check=not self.health.test, secrets_owner=owner)

    @field_validator("temporary")
    @classmethod
    def _mount_points(cls, value: dict[str, str]) -> dict[str, str]:
        refuse(
            f"{path} is no place for a tmpfs: write an absolute path outside /run/secrets"
            for path in map(PurePosixPath, value)
            if not path.is_absolute()
            or ".." in path.parts
            or path.is_relative_to("/run/secrets")
            or path == path.parent
        )
        refuse(f"{path}: {problem}" for path, options in value.items() for problem in tmpfs_problems(options))
        return value

    @field_validator("capabilities")
    @classmethod
    def _capability_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        names = tuple(name.removeprefix("CAP_") for name in value)
        refuse(f"{name!r} is no capability of Linux: {_meant(name)}" for name in names if name not in _CAPABILITIES)
        return names

    @field_validator("ports")
    @classmethod
    def _published_once(cls, value: tuple[Port, ...]) -> tuple[Port, ...]:
        counts = Counter(port.container for port in value)
        refuse(
            f"port {port} of the container is published {times} times, which the Docker provider reads back in another "
            "order, so that every `up` would replace the container: publish it once"
            for port, times in counts.items()
            if times > 1
        )
        listeners = Counter((port.address, port.host) for port in value)
        refuse(
            f"{address}:{port} on the host is given to {times} ports of the container: write another host port"
            for (address, port), times in listeners.items()
            if times > 1
        )
        return value

    @field_validator("environment")
    @classmethod
    def _are_variables(cls, value: dict[str, str]) -> dict[str, str]:
        refuse(problem for name, text in value.items() if (problem := _variable_problem(name, text)))
        return value

    @field_validator("environment")
    @classmethod
    def _no_secrets(cls, value: dict[str, str]) -> dict[str, str]:
        refuse_secrets(value, ": move it to run.secrets, which mounts it as a file")
        return value

    @field_validator("secrets")
    @classmethod
    def _file_names(cls, value: dict[str, SecretSource]) -> dict[str, SecretSource]:
        refuse(
            f"{name!r} is no file name: use letters, digits, dots, dashes and underscores"
            for name in value
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", name)
        )
        return value

    @field_validator("cpus")
    @classmethod
    def _is_kept(cls, value: float) -> float:
        if float(spelled(value)) != round(value, 9):
            raise ValueError(f"the Docker provider rounds {value:g} to {spelled(value)}: write {value + 0.001:g}")
        return value

    @field_validator(*_WEAKENING)
    @classmethod
    def _weakened_with_reason(cls, value: Any, info: ValidationInfo) -> Any:
        setting = str(info.field_name)
        reasons = info.data.get("reasons")  # None where the reasons are a mistake themselves
        what = _weakened(setting, value)
        if what and reasons is not None and len(reasons.get(setting, "").strip()) < _SHORTEST_REASON:
            raise ValueError(f"{what} weakens the container: write why under reasons.{setting}")
        return value

    @model_validator(mode="after")
    def _no_idle_reason(self) -> Self:
        weakened = {setting for setting in _WEAKENING if _weakened(setting, getattr(self, setting))}
        if idle := sorted(self.reasons.keys() - weakened):
            raise ValueError(f"reasons.{', reasons.'.join(idle)}: nothing is weakened there: remove the reason")
        return self


def _weakened(setting: str, value: Any) -> str | None:
    """What makes this setting weaker than its default; None when nothing does."""
    found: list[str] = []
    if setting == "read_only" and not value:
        found = ["a writable root file system"]
    elif setting == "capabilities":
        found = [f"adding {name}" for name in sorted(set(value) - _UNREMARKABLE_CAPABILITIES)]
    elif setting == "temporary":
        found = [f"a tmpfs without {what} at {path}" for path, how in value.items() if (what := loose(how.split(",")))]
    elif setting == "logs":
        found = [f"keeping {value.kept:.0f} MiB of logs"] if value.kept > _MOST_LOGS else []
    elif setting == "ports":
        found = [what for port in value if (what := _exposed(port))]
    return ", ".join(found) or None


def _variable_problem(name: str, value: str) -> str | None:
    """What keeps the engine from setting a variable; what follows a `=` in its name is its value, and not repeated."""
    if "=" in name:
        return f"{name.partition('=')[0]!r} has a = in its name: write what follows as its value"
    if not name or "\0" in name:
        return f"{name!r} is no name of a variable: write one such as LOG_LEVEL"
    return f"the value of {name} has a NUL character in it: write it without" if "\0" in value else None


def _meant(capability: str) -> str:
    close = difflib.get_close_matches(capability.upper().removeprefix("CAP_"), sorted(_CAPABILITIES), n=1)
    return f"did you mean {close[0]}?" if close else "name each that is needed, such as NET_BIND_SERVICE"


def _shell_line(test: Sequence[str]) -> str | None:
    """What a shell is given, or a command that is nothing but `true`; None for any other command."""
    if test[:1] == ("CMD-SHELL",):
        return " ".join(test[1:])
    if len(test) > 3 and test[1] in _SHELLS and test[2] == "-c":
        return test[3]
    return test[1] if len(test) == 2 and test[1].rpartition("/")[2] == "true" else None


def _exposed(port: Port) -> str | None:
    address = ipaddress.ip_address(port.address)
    if (getattr(address, "ipv4_mapped", None) or address).is_unspecified:
        return f"listening on every address ({port.address}:{port.host})"
    return f"a host port below {_PRIVILEGED_PORTS} ({port.host})" if port.host < _PRIVILEGED_PORTS else None


def spelled(cpus: float) -> str:
    """Processors as the Docker provider reads them back from the engine: another spelling replaces the container.

    Nine decimals without the zeros at the end; with nine zeros in it, one decimal.
    Source: kreuzwerker/terraform-provider-docker, `nanoInt64ToDecimalString`.
    """
    text = f"{cpus:.9f}"
    return f"{cpus:.1f}" if text.count("0") == 9 else text.rstrip("0")
