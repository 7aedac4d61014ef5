"""The private registry's own certificate authority and server certificate, made by openssl."""

from __future__ import annotations

import subprocess
from pathlib import Path

from toolchain.errors import ToolchainError

DAYS = 825
"""Validity in days: the longest that common clients accept of a server certificate."""
RENEW_SECONDS = 30 * 24 * 3600
"""A certificate that expires within this time is made anew."""
NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
SERVER_EXTENSIONS = """basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=serverAuth
subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1
"""


def ensure_certificates(folder: Path) -> bool:
    """Makes ``ca.crt``, ``server.crt`` and their keys in ``folder`` where missing or about to expire.

    The authority signs this one server certificate only, and both are made anew together.

    Returns:
        True where they were made anew.

    Raises:
        ToolchainError: openssl is missing or failed.
    """
    names = ("ca.crt", "ca.key", "server.crt", "server.key")
    if all((folder / name).exists() for name in names) and all(
        _valid(folder / name) for name in ("ca.crt", "server.crt")
    ):
        return False
    # The last that is written: while it is missing, what an interruption left behind is not taken for complete.
    (folder / "server.crt").unlink(missing_ok=True)
    for name in ("ca.key", "server.key"):
        (folder / name).unlink(missing_ok=True)
        (folder / name).touch(mode=0o600)
    authority = ["req", "-x509", *NEW_KEY, "-keyout", "ca.key", "-out", "ca.crt", "-days", str(DAYS)]
    extensions = ["basicConstraints=critical,CA:TRUE,pathlen:0", "keyUsage=critical,keyCertSign,cRLSign"]
    for extension in extensions:
        authority += ["-addext", extension]
    _openssl(folder, [*authority, "-subj", "/CN=Slipway embedded registry CA"])
    _openssl(folder, ["req", "-new", *NEW_KEY, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost"])
    (folder / "server.ext").write_text(SERVER_EXTENSIONS, encoding="ascii")
    signing = ["x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial"]
    _openssl(folder, [*signing, "-out", "server.crt", "-days", str(DAYS), "-sha256", "-extfile", "server.ext"])
    return True


def _valid(certificate: Path) -> bool:
    check = ["openssl", "x509", "-in", str(certificate), "-noout", "-checkend", str(RENEW_SECONDS)]
    try:
        return subprocess.run(check, capture_output=True, timeout=10, check=False).returncode == 0
    except FileNotFoundError as error:
        raise ToolchainError("openssl is not on PATH: apt-get install openssl") from error


def _openssl(folder: Path, arguments: list[str]) -> None:
    try:
        result = subprocess.run(
            ["openssl", *arguments], cwd=folder, capture_output=True, text=True, timeout=60, check=False
        )
    except FileNotFoundError as error:
        raise ToolchainError("openssl is not on PATH: apt-get install openssl") from error
    if result.returncode != 0:
        raise ToolchainError(f"openssl {arguments[0]} failed in {folder}: {result.stderr.strip()[-500:]}")
