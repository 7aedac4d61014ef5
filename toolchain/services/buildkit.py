"""The embedded BuildKit daemon on a unix socket, and the buildx instance that names it."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path

from toolchain.environment import BUILDER, Project
from toolchain.errors import ToolchainError
from toolchain.keys import write_private
from toolchain.services.probe import socket_answers
from toolchain.services.service import Service

SOCKET_PATH_BYTES = 107
"""The longest path of a unix socket on Linux: sun_path holds 108 bytes, the last is zero."""

CONFIGURATION = """root = {root}

[grpc]
  address = [{address}]

[worker.oci]
  enabled = true
  binary = "runc"
  gc = true
  reservedSpace = "2GB"
  maxUsedSpace = "20GB"
  minFreeSpace = "10%"

[worker.containerd]
  enabled = false

[registry.{quarantine}]
  http = true
"""


def buildkit(project: Project) -> Service:
    """Returns the BuildKit daemon of this checkout: rootful OCI worker on runc, quarantine as plain HTTP.

    Raises:
        ToolchainError: no safe folder for its socket.
    """
    folder = project.services / "buildkit"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    socket = socket_path(project.run, "buildkitd.sock")
    address = f"unix://{socket}"
    # JSON strings are TOML basic strings: whatever a path holds is quoted right.
    text = CONFIGURATION.format(
        root=json.dumps(str(folder / "root")), address=json.dumps(address), quarantine=json.dumps(project.quarantine)
    )
    path = folder / "buildkitd.toml"
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        write_private(path, text)

    def ready() -> bool:
        if not socket_answers(socket):
            return False
        # The daemon makes it 0660; its folder is closed to others already, this holds wherever it is moved.
        socket.chmod(0o600)
        return True

    return Service(
        name="buildkit",
        folder=folder,
        address=address,
        argv=("buildkitd", "--config", str(path)),
        package="buildkit (or let `python3 -m toolchain ensure` build it)",
        ready=ready,
        configuration=text,
        grace=20.0,
    )


def socket_path(folder: Path, name: str) -> Path:
    """Returns where the socket ``name`` goes: ``folder``, or a short private folder where that path is too long.

    Raises:
        ToolchainError: the short folder belongs to somebody else.
    """
    path = folder / name
    if len(os.fsencode(path)) <= SOCKET_PATH_BYTES:
        return path
    short = "slipway-" + hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    parent = Path("/run") if os.access("/run", os.W_OK) else Path("/tmp")
    private = parent / short
    private.mkdir(mode=0o700, exist_ok=True)
    found = private.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise ToolchainError(f"{private} belongs to somebody else: remove it, or move the checkout to a shorter path")
    private.chmod(0o700)
    return private / name


def write_buildx_instance(project: Project, address: str) -> None:
    """Writes the buildx instance ``slipway`` (driver ``remote``) that stands for the daemon at ``address``.

    The fields are those of buildx's store (``NodeGroup`` and ``Node``), which the docker-build provider embeds.
    """
    instance = {
        "Name": BUILDER,
        "Driver": "remote",
        "Nodes": [
            {
                "Name": f"{BUILDER}0",
                "Endpoint": address,
                "Platforms": None,
                "DriverOpts": {},
                "Flags": None,
                "Files": None,
            }
        ],
        "Dynamic": False,
    }
    path = project.buildx / "instances" / BUILDER
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(instance)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        write_private(path, text)
