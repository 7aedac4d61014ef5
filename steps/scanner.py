"""Scan an image with trivy: a layer that was looked through before is not looked through again.

What trivy finds in a layer it keeps under the layer's digest and the versions of its analyzers; vulnerabilities are
looked up anew each time. One process at a time can have that open, so each image and platform has its own.
Source: trivy.dev, "Cache", "Scan Cache".
"""

import fcntl
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from steps.database import Databases, ensure_java_index, folder_name, has_java_index
from steps.tool import ToolError
from steps.trivy import trivy

_LAYERS = "layers"
_LARGEST = 256 * 2**20
"""Bytes of what is kept about the layers of one image and platform; beyond that, it begins again with nothing."""
_NO_JAVA_INDEX = "Unable to initialize the Java DB"
_BROKEN = "unable to initialize cache"


def scan_image(
    databases: Databases,
    name: str,
    arguments: Sequence[str | Path],
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run `trivy image`.

    Args:
        databases: what it looks things up in; the vulnerability database is there.
        name: of the image and its platform; what was found in the layers of that name before is used again.
        arguments: what to scan, and what to write.
        environment: variables beside those of this process.

    Raises:
        StepError: there are Java libraries, and no index to recognize them by.
        ToolError: trivy ended with another exit code than 0.
    """
    if has_java_index(databases):
        ensure_java_index(databases)
    try:
        _scan(databases, name, arguments, environment)
    except ToolError as error:
        if _NO_JAVA_INDEX not in error.output:
            raise
        ensure_java_index(databases)
        _scan(databases, name, arguments, environment)


def _scan(
    databases: Databases, name: str, arguments: Sequence[str | Path], environment: Mapping[str, str] | None
) -> None:
    command = ["image", "--quiet", "--scanners", "vuln", "--list-all-pkgs"]
    command += ["--skip-db-update", "--skip-java-db-update", "--skip-version-check"]
    with _kept_layers(databases, name) as kept:
        if kept is not None:
            try:
                trivy([*command, "--cache-dir", kept, "--cache-backend", "fs", *arguments], environment)
                return
            except ToolError as error:
                if _BROKEN not in error.output:
                    raise
                shutil.rmtree(kept / "fanal", ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="slipway-") as folder:
        _link(databases, Path(folder))
        trivy([*command, "--cache-dir", folder, "--cache-backend", "memory", *arguments], environment)


@contextmanager
def _kept_layers(databases: Databases, name: str) -> Iterator[Path | None]:
    """trivy's cache folder with what it found in layers before; None while another scan has it."""
    folder = databases.folder / _LAYERS / folder_name(name)
    folder.mkdir(parents=True, exist_ok=True)
    with Path(folder, "slipway.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        kept = folder / "fanal" / "fanal.db"
        if kept.is_file() and kept.stat().st_size > _LARGEST:
            kept.unlink()
        _link(databases, folder)
        yield folder


def _link(databases: Databases, folder: Path) -> None:
    """Let the cache folder have the databases, which stay where they are."""
    for name, place in (("db", databases.cache), ("java-db", databases.java_cache)):
        link, target = folder / name, place.resolve() / name
        if not (link.is_symlink() and link.readlink() == target):
            link.unlink(missing_ok=True)
            link.symlink_to(target)
