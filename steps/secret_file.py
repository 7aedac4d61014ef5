"""Write one secret as a file that a container mounts, or remove it.

The value comes on standard input. The file belongs to the image's user alone (mode 0400), in a folder that
everybody may pass through and its owner alone may list or change (mode 0711). A new value is written in place, so that
a running container's mount sees it. This runs as root: it writes through no link and into nothing else that stands in
the place of the file, and in a folder of its own alone.

Pulumi makes a resource that is replaced anew before it deletes the old one, whose file has the same path: so a file
that is made is another one than was there, and only the file that a resource has made is removed with it.
"""

import argparse
import os
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from steps.folder import is_ours_alone
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
        StepError: this user may not give the file away, the folder cannot be made, or something else stands there.
    """
    target = path.with_name(f".{path.name}.new") if anew else path
    try:
        _make_folder(path)
        descriptor = _created(target) if anew else _opened(target)
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


def _make_folder(path: Path) -> None:
    """Make the folder of a secret file; one that is there already must be as safe as one that is made.

    Raises:
        StepError: it is not.
    """
    folder = path.parent
    with suppress(FileExistsError):
        folder.mkdir(mode=0o711, parents=True)
    found = folder.lstat()
    if not is_ours_alone(found):
        raise StepError(
            f"secret file {path}: {folder} ({_look(found)}) is no folder of user {os.geteuid()} that nobody else may "
            "write to: make it one (`chown`, `chmod go-w`), or name another in the setting `secrets_directory`"
        )


def _created(path: Path) -> int:
    """Make a file that was not there; one that is left of a step that was killed is no obstacle."""
    path.unlink(missing_ok=True)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o400)


def _opened(path: Path) -> int:
    """Open a secret file to be written, or make it; nothing else is opened, followed or changed.

    Its owner may not write it as it is, mode 0400, unless that is root.
    """
    try:
        _refuse_other(path, path.lstat())  # before it is opened: to open a device may do something by itself
    except FileNotFoundError:
        return _created(path)
    descriptor = _opened_as(path, os.O_RDONLY)
    try:
        os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)
    return _opened_as(path, os.O_WRONLY)


def _opened_as(path: Path, access: int) -> int:
    descriptor = os.open(path, access | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        _refuse_other(path, os.fstat(descriptor))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _refuse_other(path: Path, found: os.stat_result) -> None:
    """Refuse what is no file, and a file that has another name too: it would be given away with the secret in it."""
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
        raise StepError(
            f"secret file {path}: something else stands there ({_look(found)}), which is left as it is: see who has "
            "put it there, and remove it"
        )


def _look(found: os.stat_result) -> str:
    names = f", {found.st_nlink} names" if stat.S_ISREG(found.st_mode) and found.st_nlink != 1 else ""
    return f"{stat.filemode(found.st_mode)}, of user {found.st_uid}{names}"


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
