"""Copy an artifact by digest from one repository to another, with everything that refers to it.

oras moves the index, its platforms and their referrers (signatures, attestations), and only the blobs that the
destination lacks; a copy that was interrupted goes on where it ended. skopeo moves the image alone and leaves referrers
behind: where it is asked for, oras brings those afterwards, and finds the image there.
Source: oras-project/oras, `oras cp --help`; containers/skopeo, skopeo-copy(1).
"""

import shutil
import tempfile
from pathlib import Path

from components.artifact import ImageReference, Repository
from steps.registry import transport_flags
from steps.tool import elapsed, run_tool


def copy(
    source: ImageReference,
    repository: Repository,
    credentials: Path,
    authority: str | None = None,
    source_authority: str | None = None,
    copier: str = "oras",
) -> None:
    """Copy the artifact.

    Args:
        source: the artifact.
        repository: where it goes.
        credentials: Docker configuration folder with the logins of both registries.
        authority: PEM file of the destination's certificate authority; None trusts the system's.
        source_authority: the same of the source's.
        copier: what moves the image, oras or skopeo.

    Raises:
        ToolError: a registry does not answer or refuses.
    """
    with elapsed(f"copied {source.digest} to {repository}"):
        if copier == "skopeo":
            _copy_image(source, repository, credentials, authority, source_authority)
        login = str(credentials / "config.json")
        flags = ["--from-registry-config", login, *transport_flags(source.repository, source_authority, side="from")]
        flags += ["--to-registry-config", login, *transport_flags(repository, authority, side="to")]
        run_tool(
            ["oras", "cp", "--recursive", "--no-tty", *flags, str(source), str(repository.at(source.digest))],
            timeout=None,
        )


def _copy_image(
    source: ImageReference,
    repository: Repository,
    credentials: Path,
    authority: str | None,
    source_authority: str | None,
) -> None:
    login = str(credentials / "config.json")
    command = ["skopeo", "copy", "--all", "--preserve-digests", "--src-authfile", login, "--dest-authfile", login]
    with tempfile.TemporaryDirectory(prefix="slipway-") as folder:
        command += _transport("src", source.repository, source_authority, Path(folder))
        command += _transport("dest", repository, authority, Path(folder))
        target = repository.at(source.digest)
        run_tool([*command, f"docker://{source}", f"docker://{target}"], timeout=None)


def _transport(side: str, repository: Repository, authority: str | None, scratch: Path) -> list[str]:
    """skopeo takes a folder of certificate authorities, and plain HTTP only where it is allowed to."""
    if authority is None:
        return [f"--{side}-tls-verify=false"] if repository.is_loopback else []
    folder = scratch / side
    folder.mkdir()
    shutil.copy(authority, folder / "ca.crt")
    return [f"--{side}-cert-dir", str(folder)]
