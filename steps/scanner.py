"""Scan an image with trivy: a layer that was looked through before is not looked through again.

Which packages trivy finds in a layer it keeps under the layer's digest and the versions of its analyzers; their
vulnerabilities are looked up anew each time. Java libraries are recognized by an index as the layer is looked through,
so another index, and another trivy, begin with nothing. One process at a time can have that open: each image and
platform has its own. Source: trivy.dev, "Cache", "Scan Cache".
"""

import fcntl
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from steps.database import Databases, ensure_java_index, folder_name, in_use, java_index
from steps.tool import ToolError
from steps.trivy import trivy

_LAYERS = "layers"
_KEPT = "fanal"
"""trivy's own name for what it keeps."""
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
    if (databases.java_cache / "java-db").exists():
        ensure_java_index(databases)  # one that is broken, too: trivy would pass over what it cannot look up
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
    with in_use(databases), _kept_layers(databases, name) as kept:
        if kept is not None:
            try:
                trivy([*command, "--cache-dir", kept, "--cache-backend", "fs", *arguments], environment)
                return
            except ToolError as error:
                shutil.rmtree(kept / _KEPT, ignore_errors=True)  # whatever it was: the next one begins with nothing
                if _BROKEN not in error.output:
                    raise
    with in_use(databases), tempfile.TemporaryDirectory(prefix="slipway-") as folder:
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
        _forget_what_is_stale(databases, folder)
        _link(databases, folder)
        yield folder


def _forget_what_is_stale(databases: Databases, folder: Path) -> None:
    """Begin with nothing where another index or another trivy would find something else, or where it is too much."""
    stamp, kept = folder / "found-by.json", folder / _KEPT / "fanal.db"
    by = found_by(databases)
    known = stamp.read_text() if stamp.is_file() else ""
    if known != by or (kept.is_file() and kept.stat().st_size > _LARGEST):
        if (folder / _KEPT).exists():
            shutil.rmtree(folder / _KEPT)
        stamp.write_text(by)


def found_by(databases: Databases) -> str:
    """What decides, beside the image itself, which packages are found in it: trivy, and the index of Java libraries."""
    program = Path(shutil.which("trivy") or "").resolve()
    changed = program.stat().st_mtime_ns if program.is_file() else 0
    return json.dumps({"trivy": [str(program), changed], "java": [databases.java, java_index(databases)]})


def _link(databases: Databases, folder: Path) -> None:
    """Let the cache folder have the databases, which stay where they are."""
    for name, place in (("db", databases.cache), ("java-db", databases.java_cache)):
        link, target = folder / name, place.resolve() / name
        if not (link.is_symlink() and link.readlink() == target):
            link.unlink(missing_ok=True)
            link.symlink_to(target)
