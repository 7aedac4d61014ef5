"""Write one secret as a file that a container mounts, or remove it.

The value comes on standard input. The file belongs to the image's user alone (mode 0400) in a folder that only root
and the container engine traverse; it is written in place, so a running container's mount sees a new value.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from steps.tool import StepError, run_step


def write_secret(path: Path, value: str, owner: int) -> dict[str, Any]:
    """Write the secret.

    Args:
        path: where the container engine mounts it from; absolute.
        value: the secret.
        owner: numeric id of the user inside the container.

    Raises:
        StepError: this user may not give the file away, or the folder cannot be made.
    """
    try:
        path.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o400)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(descriptor, 0o400)
            os.fchown(descriptor, owner, owner)
            file.truncate()
            file.write(value)
    except PermissionError:
        raise StepError(
            f"secret file {path}: user {os.geteuid()} may not write it for user {owner}: run as root on the host, "
            "or name a folder of yours in secrets_directory and run the image as your own user"
        ) from None
    except OSError as error:
        raise StepError(f"secret file {path}: {error.strerror}: check the setting `secrets_directory`") from None
    return {"path": str(path), "owner": owner}


def remove_secret(path: Path) -> dict[str, Any]:
    """Remove the secret and the folders that it leaves empty.

    Raises:
        StepError: something else stands there, or this user may not remove it.
    """
    try:
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
    if request.verb == "remove":
        return remove_secret(request.path)
    return write_secret(request.path, sys.stdin.read(), request.owner)


if __name__ == "__main__":
    run_step(main)
