"""Write one secret as a file that a container mounts, or remove it.

The value comes on standard input. The file belongs to the image's user alone (mode 0400), in a folder that
everybody may pass through and its owner alone may list or change (mode 0711). A new value is written in place, so that
a running container's mount sees it.

Pulumi makes a resource that is replaced anew before it deletes the old one, whose file has the same path: so a file
that is made is another one than was there, and only the file that a resource has made is removed with it.
"""

import argparse
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from steps.previous import printed
from steps.tool import StepError, run_step, say


def write_secret(path: Path, value: str, owner: int, *, anew: bool = False) -> dict[str, Any]:
    """Write the secret.

    Args:
        path: where the container engine mounts it from; absolute.
        value: the secret.
        owner: numeric id of the user inside the container.
        anew: put another file in the place of one that is there.

    Raises:
        StepError: this user may not give the file away, or the folder cannot be made.
    """
    target = path.with_name(f".{path.name}.new") if anew else path
    try:
        path.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
        descriptor = _opened(target)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(descriptor, 0o400)
            os.fchown(descriptor, owner, owner)
            file.truncate()
            file.write(value)
        target.replace(path)
        return {"path": str(path), "owner": owner, "file": _identity(path)}
    except PermissionError:
        raise StepError(
            f"secret file {path}: user {os.geteuid()} may not write it for user {owner}: run as root on the host, "
            "or name a folder of yours in secrets_directory and run the image as your own user"
        ) from None
    except OSError as error:
        raise StepError(f"secret file {path}: {error.strerror}: check the setting `secrets_directory`") from None
    finally:
        if target != path:
            with suppress(OSError):
                target.unlink()


def _opened(path: Path) -> int:
    """Open a secret file to be written, without following a link.

    Its owner may not write it as it is, mode 0400, unless that is root.
    """
    with suppress(FileNotFoundError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            os.fchmod(descriptor, 0o600)
        finally:
            os.close(descriptor)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o400)


def _identity(path: Path) -> str:
    """What tells a file from another one of its path: its number may be given out again, its time not."""
    seen = path.lstat()
    return f"{seen.st_ino}-{seen.st_mtime_ns}"


def remove_secret(path: Path, written: str | None = None) -> dict[str, Any]:
    """Remove the secret and the folders that it leaves empty.

    Args:
        path: the file.
        written: what `write` printed of the file; another file stays. None removes what is there.

    Raises:
        StepError: something else stands there, or this user may not remove it.
    """
    try:
        if written and path.is_file() and _identity(path) != written:
            say(f"secret file {path} stays: it was written again since by somebody else")
            return {"path": str(path)}
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StepError(f"secret file {path}: it cannot be removed ({error.strerror}): remove it by hand") from None
    for folder in (path.parent, path.parent.parent):
        try:
            folder.rmdir()
        except OSError:
            break
    return {"path": str(path)}


def main() -> dict[str, Any]:
    """Write or remove what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m steps.secret_file", description=__doc__)
    parser.add_argument("verb", choices=["write", "remove"])
    parser.add_argument("--path", required=True, type=Path)
    parser.add_argument("--owner", type=int, default=0)
    request = parser.parse_args()
    before = printed()
    if request.verb == "remove":
        return remove_secret(request.path, (before or {}).get("file"))
    # As bytes: a text stream would turn each \r\n of the secret into \n.
    return write_secret(request.path, sys.stdin.buffer.read().decode(), request.owner, anew=before is None)


if __name__ == "__main__":
    run_step(main)
