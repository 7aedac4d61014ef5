"""The user's cache of tools: one folder for each pin, put in place whole or not at all, shared by all checkouts.

Layout below ``${XDG_CACHE_HOME:-~/.cache}/slipway``::

    tools/NAME-VERSION-KEY/bin/   a tool; KEY changes with its pin, the platform and the Go modules that it builds
    plugins/KEY/resource-NAME-vVERSION/   the plugins, laid out as Pulumi's own plugins folder
    base-image/   the stand-in for a base image that was built last
    logs/   the last build of each tool
    locks/  one at a time, whichever checkout asks
"""

import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from toolchain.errors import ToolchainError
from toolchain.pins import MODULES, Pin

_POLL = 0.5
_TEMPORARY = ".part-"


def cache_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Returns the folder ``slipway`` in the user's cache, as the XDG base directories say."""
    base = environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "slipway"


@dataclass(frozen=True)
class Store:
    """The cache of one user on one platform.

    Attributes:
        root: the folder ``slipway`` in the user's cache.
        target: the platform in the words of the pins, such as linux-amd64.
        modules: the folder of the Go modules.
    """

    root: Path
    target: str
    modules: Path = MODULES

    def folder(self, pin: Pin) -> Path:
        """Returns the folder of the tool ``pin``, which need not be there yet."""
        return self.root / "tools" / f"{pin.label}-{pin.key(self.target, self.modules)}"

    def bin(self, pin: Pin) -> Path:
        """Returns the folder of the programs of ``pin``."""
        return self.folder(pin) / "bin"

    def log(self, pin: Pin) -> Path:
        """Returns the log of the last build or download of ``pin``."""
        return self.root / "logs" / f"{pin.label}.log"

    def has(self, pin: Pin) -> bool:
        """Tells whether every program of ``pin`` is in place."""
        return all(is_program(self.bin(pin) / command) for command in pin.commands)

    def locked(self, name: str, waiting: Callable[[], None] = lambda: None) -> AbstractContextManager[None]:
        """Holds the lock ``name`` of this cache while the block runs; calls ``waiting`` once when another has it."""
        return locked_cache(self.root, name, waiting)

    @contextmanager
    def placing(self, pin: Pin) -> Iterator[Path]:
        """Gives an empty folder to fill, and puts it in the place of ``pin`` when the block ends well.

        To be used under the lock of ``pin``: what an earlier attempt left behind is removed.
        """
        final = self.folder(pin)
        make_folder(final.parent)
        for left in final.parent.glob(f"{_TEMPORARY}{pin.label}-*"):
            remove_tree(left)
        part = Path(tempfile.mkdtemp(prefix=f"{_TEMPORARY}{pin.label}-", dir=final.parent))
        try:
            yield part
            part.chmod(0o755)
            if final.exists():
                remove_tree(final)
            part.rename(final)
        finally:
            remove_tree(part)


@contextmanager
def locked_cache(root: Path, name: str, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Holds the lock ``name`` of the cache ``root`` during the block; calls ``waiting`` once when another has it."""
    folder = root / "locks"
    make_folder(folder)
    with locked_file(folder / f"{name}.lock", waiting):
        yield


@contextmanager
def locked_file(path: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Holds an exclusive lock on ``path``, made where missing, while the block runs; it ends with the process."""
    with path.open("a") as handle:
        told = False
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not told:
                    waiting()
                    told = True
                time.sleep(_POLL)
        yield


def is_program(path: Path) -> bool:
    """Tells whether ``path`` is a file that may be executed."""
    return path.is_file() and os.access(path, os.X_OK)


def make_folder(folder: Path) -> None:
    """Makes ``folder`` where it is missing.

    Raises:
        ToolchainError: it cannot be made; the message says why.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ToolchainError(
            f"{folder}: cannot be made ({error.strerror}): set XDG_CACHE_HOME to a folder that you may write to"
        ) from error


def remove_tree(folder: Path) -> None:
    """Removes ``folder`` and all in it, write-protected folders too; nothing happens when it is not there."""
    if not folder.exists():
        return
    # Go's module cache is made of read-only folders, which only root removes without more ado.
    for path in (folder, *folder.rglob("*")):
        if path.is_dir() and not path.is_symlink() and ~path.stat().st_mode & stat.S_IRWXU:
            path.chmod(stat.S_IRWXU)
    shutil.rmtree(folder)


def make_programs(folder: Path, names: Iterable[str]) -> None:
    """Makes the files ``names`` in ``folder`` executable.

    Raises:
        ToolchainError: one of them is not there; the message names it.
    """
    for name in names:
        path = folder / name
        if not path.is_file():
            raise ToolchainError(f"{name} is missing from what was unpacked: its pin does not describe this release")
        path.chmod(0o755)


def check_space(folder: Path, needed_gb: float, purpose: str) -> None:
    """Makes sure that the disk of ``folder`` has ``needed_gb`` GB (of 10^9 bytes) free.

    Raises:
        ToolchainError: it has less.
    """
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free_gb = shutil.disk_usage(there).free / 1e9
    if free_gb < needed_gb:
        raise ToolchainError(
            f"{purpose} needs about {needed_gb:.1f} GB in {there}, and {free_gb:.1f} GB are free: make room there, "
            "or point GOCACHE, GOMODCACHE and XDG_CACHE_HOME to a larger disk"
        )
