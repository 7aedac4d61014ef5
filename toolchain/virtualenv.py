"""The virtual environments of a checkout: exactly what each requirements.lock says.

The project's own has the uv.lock that Pulumi's uv toolchain expects of it; the policy pack, which stands alone, has
another beside it.
"""

import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from toolchain.errors import ToolchainError
from toolchain.gobuild import last_lines
from toolchain.progress import Progress
from toolchain.store import is_program, locked_file

VENV = ".venv"
LOCK = "requirements.lock"
PROJECT = "pyproject.toml"
UV_LOCK = "uv.lock"
POLICIES = "policies"
"""The folder of the policy pack."""
_STAMP = "slipway.stamp"


def stamp_file(folder: Path) -> Path:
    """Returns the file in the virtual environment that says from which lock it was made."""
    return folder / VENV / _STAMP


def python_of(folder: Path) -> Path:
    """Returns the interpreter of the virtual environment in ``folder``."""
    return folder / VENV / "bin" / "python"


def folders(project: Path) -> list[Path]:
    """Returns the folders of ``project`` that have a virtual environment: itself, and its policy pack."""
    return [project, *(folder for folder in (project / POLICIES,) if (folder / LOCK).is_file())]


def machine_python() -> Path:
    """Returns the machine's own Python: what runs this, or what its virtual environment was made from.

    In a prepared shell ``python3`` is that of ``.venv``, which has no pip and is no ground for another ``.venv``.
    """
    if sys.prefix == sys.base_prefix:
        return Path(sys.executable)
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return next((path for path in (Path(sys.base_prefix) / "bin" / name,) if is_program(path)), Path(sys.executable))


def is_current(project: Path) -> bool:
    """Tells whether each ``.venv`` was made from its lock as it is now, by this Python, and uv.lock is there."""
    return (project / UV_LOCK).is_file() and all(map(_holds_its_lock, folders(project)))


def _holds_its_lock(folder: Path) -> bool:
    stamp = stamp_file(folder)
    return is_program(python_of(folder)) and stamp.is_file() and stamp.read_text() == _digest(folder)


def ensure_virtualenvs(project: Path, uv: Path, report: Progress, log: Path) -> None:
    """Makes each ``.venv`` hold what its requirements.lock says, where it does not yet.

    Also writes uv.lock, which ``uv sync`` (run by Pulumi before each program) would otherwise resolve from the network.

    Raises:
        ToolchainError: a file of the project is missing, or uv failed; the message has its last lines.
    """
    for name in (LOCK, PROJECT):
        if not (project / name).is_file():
            raise ToolchainError(f"{project / name} is missing: run the command in a whole checkout of the project")
    if is_current(project):
        return
    state = project / ".slipway"
    state.mkdir(exist_ok=True)
    with locked_file(state / "venv.lock"):
        if is_current(project):
            return
        with report.step("Python packages", f"installing {LOCK} into {VENV}") as step:
            step.result = f"installed {LOCK} into {VENV}"
            log.parent.mkdir(parents=True, exist_ok=True)
            log.write_text("")
            if not (project / UV_LOCK).is_file():
                stamp_file(project).unlink(missing_ok=True)
            for folder in folders(project):
                if not _holds_its_lock(folder):
                    _install(folder, uv, log)


def _install(folder: Path, uv: Path, log: Path) -> None:
    stamp_file(folder).unlink(missing_ok=True)
    python = python_of(folder)
    if not _runs(python):
        _uv(uv, ["venv", "--clear", "--python", str(machine_python()), VENV], folder, log)
    # Compiled here once: a program that starts twice for each `pulumi up` should never have to.
    sync = ["pip", "sync", "--require-hashes", "--compile-bytecode", "--python", str(python), LOCK]
    _uv(uv, sync, folder, log)
    if (folder / PROJECT).is_file():
        _uv(uv, ["lock"], folder, log)
    stamp_file(folder).write_text(_digest(folder))


def _runs(python: Path) -> bool:
    """Tells whether ``python`` runs and is of the version that runs this."""
    try:
        ask = [str(python), "-c", "import sys; print(sys.version_info[:2])"]
        result = subprocess.run(ask, capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return result.stdout.strip() == str(sys.version_info[:2])


def _uv(uv: Path, arguments: list[str], folder: Path, log: Path, environ: Mapping[str, str] = os.environ) -> None:
    # The machine's own Python is used; uv is not to fetch one. An active environment is not the project's.
    kept = {name: value for name, value in environ.items() if name not in ("VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT")}
    # The system's certificates know a company's own authority; uv's bundled ones do not.
    environment = {**kept, "UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1", "UV_SYSTEM_CERTS": "1"}
    with log.open("a") as output:
        output.write(f"$ uv {' '.join(arguments)}\n")
        output.flush()
        result = subprocess.run(
            [uv, *arguments], cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=output,
            stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
    if result.returncode != 0:
        raise ToolchainError(
            f"Python packages: `uv {' '.join(arguments)}` failed; its last lines:\n{last_lines(log)}\n"
            f"The whole log: {log}\nWhat to do: check that the Python package index can be reached (UV_DEFAULT_INDEX "
            f"names your company's own), then run the command again."
        )


def _digest(folder: Path) -> str:
    digest = hashlib.sha256(f"{sys.version_info[:2]}".encode())
    for path in (folder / LOCK, folder / PROJECT):
        digest.update(path.read_bytes() if path.is_file() else b"")
    return digest.hexdigest()
