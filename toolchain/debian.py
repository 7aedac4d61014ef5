"""What the distribution brings: listed before anything is changed, then installed by root or with consent."""

import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from toolchain.errors import ToolchainError
from toolchain.gobuild import last_lines
from toolchain.progress import Progress

_LISTS = Path("/var/lib/apt/lists")
_QUIET = {"DEBIAN_FRONTEND": "noninteractive"}


@dataclass(frozen=True)
class Need:
    """A change of the system that is needed.

    Attributes:
        what: the tool, as people call it.
        why: what was seen.
        packages: Debian packages that bring it; one with a question mark at its end only where it exists.
        command: another command for the administrator, as typed in a shell; empty for none.
    """

    what: str
    why: str
    packages: tuple[str, ...] = ()
    command: str = ""


def has_apt() -> bool:
    """Tells whether this machine installs packages with apt."""
    return shutil.which("apt-get") is not None


def describe(needs: Iterable[Need], commands: Iterable[str]) -> str:
    """Returns the list of ``needs`` with the ``commands`` that meet them, for people."""
    lines = [f"  {need.what}: {need.why}" for need in needs]
    return "\n".join([*lines, "by:", *(f"  {command}" for command in commands)])


def commands_for(needs: Iterable[Need]) -> list[str]:
    """Returns the commands, as typed in a root shell, that meet ``needs``."""
    needs = list(needs)
    packages = _packages(needs)
    install = ["apt-get update", f"apt-get install -y --no-install-recommends {' '.join(packages)}"] if packages else []
    return [*install, *dict.fromkeys(need.command for need in needs if need.command)]


def require_permission(needs: Iterable[Need], *, consent: bool, uid: int | None = None) -> None:
    """Makes sure that ``needs`` may be met here.

    Args:
        needs: what must change.
        consent: whether the user agreed to changes of the system by sudo.
        uid: who runs this; 0 is root. The effective user by default.

    Raises:
        ToolchainError: they may not; the message lists all of them, with the commands for the administrator.
    """
    needs = list(needs)
    root = (os.geteuid() if uid is None else uid) == 0
    if not needs or ((root or (consent and shutil.which("sudo"))) and has_apt()):
        return
    if not has_apt():
        raise ToolchainError(
            "This machine lacks what only its administrator can install, and it has no apt to do it with:\n"
            + "\n".join(f"  {need.what}: {need.why}" for need in needs)
            + "\nNothing was changed. What to do: install these with the system's own package manager, "
            "then run the command again."
        )
    raise ToolchainError(
        "This machine lacks what only its administrator can install:\n"
        + describe(needs, commands_for(needs))
        + "\nNothing was changed. What to do: ask the administrator for these commands, or run them yourself "
        "with sudo, then run the command again."
    )


def meet(needs: Iterable[Need], report: Progress, log: Path) -> None:
    """Installs the packages of ``needs``, as root or through sudo.

    Raises:
        ToolchainError: apt failed; the message has its last lines.
    """
    packages = _packages(list(needs))
    if not packages:
        return
    with report.step("system packages", f"installing {', '.join(packages)}") as step:
        step.result = f"installed {', '.join(packages)}"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("")
        install = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
        # Lists that are there may do; fetching them anew costs half a minute on a slow line.
        if not any(_LISTS.glob("*_Packages*")) or _run(install, log) != 0:
            _run(["apt-get", "update"], log)
            if _run(install, log) != 0:
                raise ToolchainError(
                    f"apt-get could not install {', '.join(packages)}; its last lines:\n{last_lines(log)}\n"
                    f"The whole log: {log}\nWhat to do: run `{' '.join(install)}` yourself, mend what it names, "
                    "then run the command again."
                )


def _packages(needs: list[Need]) -> list[str]:
    names = dict.fromkeys(name for need in needs for name in need.packages)
    return [name.removesuffix("?") for name in names if not name.endswith("?") or _exists(name.removesuffix("?"))]


def _exists(package: str) -> bool:
    result = subprocess.run(["apt-cache", "show", package], capture_output=True, check=False)
    return result.returncode == 0


def _run(command: list[str], log: Path, environ: Mapping[str, str] = os.environ) -> int:
    # sudo drops the environment, hence env.
    prefix = [] if os.geteuid() == 0 else ["sudo", "env", *(f"{name}={value}" for name, value in _QUIET.items())]
    with log.open("a") as output:
        output.write(f"$ {' '.join([*prefix, *command])}\n")
        output.flush()
        result = subprocess.run(
            [*prefix, *command], env={**environ, **_QUIET}, stdout=output, stderr=subprocess.STDOUT, check=False
        )
    return result.returncode
