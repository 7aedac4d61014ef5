"""The embedded registries: quarantine for candidates, and private ones with TLS and a password for releases.

All are the CNCF distribution registry of Debian's package docker-registry; the private one stands for the registry
that a company has, and production's for the one that it keeps apart, so that the whole way is walked on one machine.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

from toolchain.environment import BUILDER, PRODUCTION, Project
from toolchain.errors import ToolchainError
from toolchain.keys import write_private
from toolchain.services.certificates import ensure_certificates
from toolchain.services.probe import registry_answers
from toolchain.services.service import Service

CONFIGURATION = """version: 0.1
log:
  level: warn
  accesslog:
    disabled: true
storage:
  filesystem:
    rootdirectory: {data}
  delete:
    enabled: {deletes}
http:
  addr: 127.0.0.1:{port}
"""
TLS = """  tls:
    certificate: {certificate}
    key: {key}
    minimumtls: tls1.2
auth:
  htpasswd:
    realm: slipway
    path: {passwords}
"""
_LESS_GARBAGE = {"GOGC": "400"}
"""It takes a new buffer of 4 MiB for each file that it reads, and by default searches its memory at each of them: half
of the time of a request for a blob, a third of one for a manifest. Now a registry takes some 60 MB instead of 40."""


def quarantine(project: Project) -> Service:
    """Returns the quarantine registry: plain HTTP, loopback only, candidates may be deleted again."""
    folder = project.services / "quarantine"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    port = project.quarantine_port
    text = CONFIGURATION.format(data=_quoted(folder / "data"), deletes="true", port=port)
    return _registry("quarantine", folder, text, port, "SLIPWAY_QUARANTINE_PORT", None, text)


def private(project: Project, environment: Mapping[str, str]) -> Service:
    """Returns the private registry: TLS by its own authority, a password, nothing is ever deleted.

    Its certificates and password file are made here where they are missing.

    Raises:
        ToolchainError: openssl or htpasswd is missing or failed.
    """
    password = project.keys / "registry.password"
    return _private("registry", project, project.registry_port, (BUILDER, password), environment)


def production(project: Project, environment: Mapping[str, str]) -> Service:
    """Returns production's own registry: like the private one, with another authority, another user and password.

    Raises:
        ToolchainError: openssl or htpasswd is missing or failed.
    """
    password = project.keys / "production-registry.password"
    return _private(PRODUCTION, project, project.production_port, (PRODUCTION, password), environment)


def _private(
    name: str, project: Project, port: int, login: tuple[str, Path], environment: Mapping[str, str]
) -> Service:
    folder = project.services / name
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    ensure_certificates(folder)
    _ensure_password_file(folder / "htpasswd", name, login, environment)
    text = CONFIGURATION.format(data=_quoted(folder / "data"), deletes="false", port=port)
    files = {"certificate": "server.crt", "key": "server.key", "passwords": "htpasswd"}
    text += TLS.format(**{name: _quoted(folder / file) for name, file in files.items()})
    certificate = (folder / "server.crt").read_text(encoding="ascii")
    variable = f"SLIPWAY_{name.upper()}_PORT"
    return _registry(name, folder, text, port, variable, folder / "ca.crt", text + certificate, "https")


def _quoted(path: Path) -> str:
    """A path as YAML's double-quoted text: JSON's, as long as no character is escaped in two halves."""
    return json.dumps(str(path), ensure_ascii=False)


def _registry(
    name: str,
    folder: Path,
    text: str,
    port: int,
    port_variable: str,
    authority: Path | None,
    configuration: str,
    scheme: str = "http",
) -> Service:
    path = folder / "config.yml"
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        write_private(path, text)
    return Service(
        name=name,
        folder=folder,
        address=f"{scheme}://localhost:{port}",
        argv=("docker-registry", "serve", str(path)),
        package="docker-registry",
        ready=lambda: registry_answers(port, authority),
        configuration=configuration,
        port=port,
        port_variable=port_variable,
        variables=_LESS_GARBAGE,
    )


def _ensure_password_file(path: Path, name: str, login: tuple[str, Path], environment: Mapping[str, str]) -> None:
    """Writes the bcrypt hash of the password where it is missing or older; the registry reads it again by itself.

    The registry computes it for each request, thirty times in a preview. The least cost that bcrypt has does: whoever
    can read the hash can read the password in the file beside it, and that is 256 random bits unless somebody chose
    another one (`toolchain.keys`).
    """
    user, password = login
    if path.exists() and path.stat().st_mtime >= password.stat().st_mtime:
        return
    try:
        result = subprocess.run(
            ["htpasswd", "-niBC", "4", user],
            env=dict(environment),
            input=password.read_text(encoding="utf-8"),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    except FileNotFoundError as error:
        raise ToolchainError(f"{name}: htpasswd is not on PATH: apt-get install apache2-utils") from error
    if result.returncode != 0:
        raise ToolchainError(f"{name}: htpasswd failed: {result.stderr.strip()[-300:]}")
    write_private(path, result.stdout.strip() + "\n")
