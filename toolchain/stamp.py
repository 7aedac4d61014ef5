"""The stamp of a checkout: what was found or installed, so that the next run only looks whether it is still there."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from toolchain import virtualenv
from toolchain.pins import PINS, module_digest
from toolchain.store import Store
from toolchain.survey import search_path


@dataclass(frozen=True)
class Tools:
    """Where the tools are.

    Attributes:
        path: the folders to put before everything else on PATH; tools that were on it already are not in them.
        plugins: a plugins folder as Pulumi expects it in PULUMI_HOME.
        python: the interpreter of the project's virtual environment.
    """

    path: tuple[Path, ...]
    plugins: Path
    python: Path


@dataclass(frozen=True)
class Stamp:
    """The stamp file of the checkout ``project`` for the cache ``store``."""

    project: Path
    store: Store
    pins: Path = PINS

    @property
    def file(self) -> Path:
        """Where it is kept."""
        return self.project / ".slipway" / "tools.json"

    @property
    def ours(self) -> tuple[Path, ...]:
        """The folders whose tools on PATH are the toolchain's own."""
        return self.store.root, self.project / virtualenv.VENV, self.project / ".slipway"

    def key(self, environ: Mapping[str, str] = os.environ) -> str:
        """Returns what must be the same for a stamp to count: pins, Go modules, cache, platform, and PATH."""
        path = search_path(environ.get("PATH", os.defpath), self.ours)
        parts = [self.pins.read_bytes(), module_digest(self.store.modules).encode(), path.encode()]
        parts += [str(self.store.root).encode(), self.store.target.encode()]
        return hashlib.sha256(b"\0".join(parts)).hexdigest()

    def read(self, environ: Mapping[str, str] = os.environ) -> Tools | None:
        """Returns the tools, when the stamp counts and every file that it names is there unchanged."""
        try:
            data = json.loads(self.file.read_text(encoding="utf-8"))
            same = data["key"] == self.key(environ) and all(mark == _mark(path) for path, mark in data["files"].items())
            if not same or not virtualenv.is_current(self.project):
                return None
            return Tools(tuple(map(Path, data["path"])), Path(data["plugins"]), Path(data["python"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def write(self, tools: Tools, programs: Iterable[Path], environ: Mapping[str, str] = os.environ) -> None:
        """Writes the stamp: ``tools``, and the ``programs`` that must still be there unchanged next time."""
        data = {
            "key": self.key(environ),
            "files": {str(program): _mark(str(program)) for program in programs},
            "path": [str(folder) for folder in tools.path],
            "plugins": str(tools.plugins),
            "python": str(tools.python),
        }
        self.file.parent.mkdir(parents=True, exist_ok=True)
        part = self.file.with_name(f"{self.file.name}.{os.getpid()}")
        part.write_text(json.dumps(data, indent=1), encoding="utf-8")
        part.replace(self.file)


def _mark(path: str) -> list[int]:
    status = os.stat(path)  # noqa: PTH116 - one stat a file is all that a run with everything in place may cost
    return [status.st_mtime_ns, status.st_size]
