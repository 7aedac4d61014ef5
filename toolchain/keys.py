"""The secrets of one checkout: random, readable by their owner only, never printed and never on a command line."""

from __future__ import annotations

import os
import secrets
import string
import subprocess
from collections.abc import Mapping
from pathlib import Path

from toolchain.environment import PRODUCTION, Project
from toolchain.errors import ToolchainError

PASSWORDS = ("pulumi.passphrase", "cosign.password", "registry.password", "db_password", "pip_token")
PRODUCTION_PASSWORDS = ("production.password", "production-registry.password")
"""What only a stack needs that releases to production's own registry, with a key pair of its own."""
_LETTERS_AND_DIGITS = string.ascii_letters + string.digits
ADMINISTRATORS_CERTIFICATES = Path("/usr/local/share/ca-certificates")
"""Where Debian's administrators put the CA certificates of their company."""


def ensure_keys(
    project: Project,
    environment: Mapping[str, str],
    certificates: Path = ADMINISTRATORS_CERTIFICATES,
    *,
    with_production: bool = False,
) -> list[str]:
    """Creates what is missing in ``.slipway/keys``; what is there stays as it is.

    Args:
        project: the checkout.
        environment: the prepared environment, with cosign on its PATH.
        certificates: folder of the ``*.crt`` files that become ``ca.crt``.
        with_production: whether what production needs is made, too.

    Returns:
        The names of the files that were made.

    Raises:
        ToolchainError: cosign failed, half a key pair is there, or the passphrase of states that are there is not.
    """
    _refuse_lost_passphrase(project)
    made = []
    project.keys.mkdir(mode=0o700, parents=True, exist_ok=True)
    project.keys.chmod(0o700)
    for name in (*PASSWORDS, *(PRODUCTION_PASSWORDS if with_production else ())):
        path = project.keys / name
        if not path.exists():
            write_private(path, new_password())
            made.append(name)
    for prefix in ("cosign", *([PRODUCTION] if with_production else ())):
        if _ensure_pair(project.keys, prefix, environment):
            made += [f"{prefix}.key", f"{prefix}.pub"]
    bundle = "".join(
        text if text.endswith("\n") else text + "\n"
        # A comment may be in any encoding, and what reads the bundle as a secret takes UTF-8 only.
        for text in (path.read_text(encoding="utf-8", errors="replace") for path in sorted(certificates.glob("*.crt")))
    )
    authorities = project.keys / "ca.crt"
    if not authorities.exists() or authorities.read_bytes() != bundle.encode():
        write_private(authorities, bundle)
        made.append("ca.crt")
    return made


def _refuse_lost_passphrase(project: Project) -> None:
    """Another passphrase opens none of the states, and Pulumi would only call it incorrect."""
    if not project.passphrase.exists() and project.state_files:
        raise ToolchainError(
            f"{project.passphrase} is gone, and the secrets in the states below {project.states} open with no other "
            "passphrase: bring it back; without it, remove the resources by hand, and `.slipway` to begin anew"
        )


def new_password() -> str:
    """Returns 256 random bits as letters and digits.

    A dash in front would make it an option to the tool that it is given to, and as hexadecimal digits it would pass for
    a digest where the policy pack looks for secrets.
    """
    return "".join(secrets.choice(_LETTERS_AND_DIGITS) for _ in range(43))


def write_private(path: Path, text: str) -> None:
    """Writes ``text`` to ``path`` in one step, readable by the owner only from the first byte on."""
    partial = path.with_name(path.name + ".partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    partial.replace(path)


def _ensure_pair(keys: Path, prefix: str, environment: Mapping[str, str]) -> bool:
    """Makes a cosign key pair where both halves are missing, the password given through stdin."""
    pair = (f"{prefix}.key", f"{prefix}.pub")
    present = [name for name in pair if (keys / name).exists()]
    if len(present) == 2:
        return False
    if present:
        raise ToolchainError(
            f"{keys}: only {present[0]} of the {prefix} key pair is there: put the other file back, "
            f"or remove {present[0]} to get a new pair (what the old one signed then no longer verifies)"
        )
    password = (keys / f"{prefix}.password").read_text(encoding="utf-8")
    # A COSIGN_PASSWORD of the user's would win over stdin: the pair would then not open with the file's password.
    clean = {name: value for name, value in environment.items() if name != "COSIGN_PASSWORD"}
    try:
        result = subprocess.run(
            ["cosign", "generate-key-pair", "--output-key-prefix", prefix],
            cwd=keys,
            env=clean,
            input=password,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    except FileNotFoundError as error:
        raise ToolchainError("cosign is not on PATH: run `python3 -m toolchain ensure` first") from error
    if result.returncode != 0:
        raise ToolchainError(f"cosign generate-key-pair failed in {keys}: {result.stderr.strip()[-500:]}")
    for name in pair:
        (keys / name).chmod(0o600)
    return True
