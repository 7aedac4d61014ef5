"""Lets the kernel run programs of other platforms: binfmt_misc with Debian's static QEMU."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterable
from pathlib import Path

from toolchain.errors import ToolchainError
from toolchain.services.service import Report

BINFMT = Path("/proc/sys/fs/binfmt_misc")
RULES = Path("/usr/lib/binfmt.d")
PLATFORMS = ("linux/amd64", "linux/arm64")
"""What Slipway builds where a stack does not say otherwise."""
# OCI architecture -> (the kernel's name as in `uname -m`, QEMU's name, ELF machine number)
ARCHITECTURES = {
    "amd64": ("x86_64", "x86_64", 62),
    "arm64": ("aarch64", "aarch64", 183),
    "arm": ("armv7l", "arm", 40),
    "386": ("i686", "i386", 3),
    "ppc64le": ("ppc64le", "ppc64le", 21),
    "riscv64": ("riscv64", "riscv64", 243),
    "s390x": ("s390x", "s390x", 22),
}


def ensure_emulation(platforms: Iterable[str], report: Report) -> None:
    """Registers QEMU for each of ``platforms`` (such as ``linux/arm64``) that the kernel cannot run.

    The registration is the kernel's and lasts until the machine restarts; it serves every checkout on it.

    Raises:
        ToolchainError: a platform is unknown, QEMU is missing, or the kernel may only be changed by root.
    """
    for name in missing_platforms(platforms):
        qemu = ARCHITECTURES[_architecture(name)][1]
        rule = RULES / f"qemu-{qemu}.conf"
        if not rule.exists():
            raise ToolchainError(f"{name}: {rule} is missing: apt-get install qemu-user-static")
        if os.geteuid() != 0:
            raise ToolchainError(
                f"{name}: this kernel cannot run it, and only root can teach it to: ask the administrator for "
                f"`apt-get install qemu-user-static binfmt-support`, or take {name} out of the stack's platforms"
            )
        _mount()
        _register(name, registration(rule.read_text(encoding="latin-1")))
        report(f"emulation: the kernel now runs {name} through QEMU, until the machine restarts")


def missing_platforms(platforms: Iterable[str], binfmt: Path = BINFMT) -> list[str]:
    """Returns those of ``platforms`` that neither this machine nor an emulator registered in ``binfmt`` can run.

    Raises:
        ToolchainError: a platform that is not Linux, or an unknown architecture.
    """
    native = platform.machine()
    wanted = {name: ARCHITECTURES[_architecture(name)] for name in platforms}
    foreign = {name: numbers for name, (machine, _, numbers) in wanted.items() if machine != native}
    # A 64-bit x86 kernel runs 32-bit programs by itself.
    if native == "x86_64":
        foreign = {name: number for name, number in foreign.items() if number != ARCHITECTURES["386"][2]}
    if not foreign:
        return []
    registered = _registered_machines(binfmt)
    return [name for name, number in foreign.items() if number not in registered]


def registration(rules: str) -> str:
    """Returns the line for the kernel out of a binfmt.d file, with the flag F.

    F opens the emulator once, at registration, so that it also works inside of containers that do not hold it.
    """
    line = next(line for line in rules.splitlines() if line.startswith(":"))
    head, _, flags = line.rpartition(":")
    return f"{head}:{flags}" if "F" in flags else f"{head}:{flags}F"


def _architecture(name: str) -> str:
    system, _, rest = name.partition("/")
    architecture = rest.partition("/")[0]
    if system != "linux" or architecture not in ARCHITECTURES:
        raise ToolchainError(
            f"{name}: no emulation is known for this platform: write one of "
            + ", ".join(f"linux/{known}" for known in ARCHITECTURES)
        )
    return architecture


def _registered_machines(binfmt: Path) -> set[int]:
    """Returns the ELF machine numbers that an enabled entry with the flag F takes."""
    machines: set[int] = set()
    try:
        entries = [path for path in binfmt.iterdir() if path.name not in ("register", "status")]
    except OSError:
        return machines
    for entry in entries:
        lines = entry.read_text(encoding="latin-1").splitlines()
        fields = dict(line.split(" ", 1) for line in lines if " " in line)
        magic = bytes.fromhex(fields.get("magic", ""))
        # An ELF header tells its byte order in byte 5 and its machine in bytes 18 and 19.
        usable = lines[:1] == ["enabled"] and "F" in fields.get("flags:", "")
        if usable and magic[:4] == b"\x7fELF" and len(magic) >= 20:
            machines.add(int.from_bytes(magic[18:20], "little" if magic[5] == 1 else "big"))
    return machines


def _mount() -> None:
    if (BINFMT / "register").exists():
        return
    mount = ["mount", "-t", "binfmt_misc", "binfmt_misc", str(BINFMT)]
    result = subprocess.run(mount, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise ToolchainError(
            f"emulation: binfmt_misc cannot be mounted ({result.stderr.strip()}): "
            f"the kernel lacks it; load the module binfmt_misc, or build for this machine's platform only"
        )


def _register(name: str, line: str) -> None:
    try:
        with (BINFMT / "register").open("w", encoding="latin-1") as register:
            register.write(line)
    except OSError as error:
        if not missing_platforms([name]):
            return  # another checkout was quicker
        raise ToolchainError(
            f"{name}: the kernel refused the emulator ({error.strerror}): "
            f"see {BINFMT} for an entry of the same name, and remove it by `echo -1 > {BINFMT}/NAME`"
        ) from error
