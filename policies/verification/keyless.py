"""Signatures without a key: verified by the `cosign` program, because certificates and the public log are its business.

It needs Sigstore's trust root, which cosign fetches and keeps; where that cannot be reached, nothing is verified. What
cosign prints is what it has verified, so its payloads are read as statements. Source: sigstore/cosign,
`cosign verify --help` and `cosign verify-attestation --help`.
"""

import base64
import binascii
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from verification.envelope import EnvelopeError, statement_about
from verification.predicates import TYPES, Content, Signature, read
from verification.registry import Registry
from verification.transport import Deadline, TransportError


class Identity(Protocol):
    """Who may sign without a key."""

    @property
    def subject(self) -> str:
        """The subject of the certificate."""

    @property
    def issuer(self) -> str:
        """Who vouched for the subject."""


class KeylessError(Exception):
    """Nothing is verified by an identity; the message says why, as the end of a sentence."""


@dataclass(frozen=True)
class Keyless:
    """The identities that are trusted, and the program that knows what they have signed."""

    registry: Registry
    repository: str
    identities: Sequence[Identity]
    deadline: Deadline

    def contents(self, digest: str, kind: type[Content]) -> list[Content]:
        """What one of the identities has signed about a manifest.

        Raises:
            KeylessError: none of them has, or cosign cannot find out.
        """
        reasons = []
        for identity in self.identities:
            try:
                found = self._contents(digest, kind, identity)
            except (KeylessError, EnvelopeError) as error:
                reasons.append(f"{identity.subject}: {error}")
            else:
                if found:
                    return found
        raise KeylessError("; ".join(reasons) or "there is none")

    def _contents(self, digest: str, kind: type[Content], identity: Identity) -> list[Content]:
        who = f"{identity.subject} ({identity.issuer})"
        if kind is Signature:
            self._run("verify", digest, identity)
            return [Signature(who)]
        contents = []
        error: KeylessError | None = None
        for predicate_type in TYPES[kind]:
            try:
                said = self._run("verify-attestation", digest, identity, "--type", predicate_type)
            except KeylessError as failed:
                error = failed
                continue
            contents += [read(statement_about(payload, digest, who)) for payload in _payloads(said)]
        if error and not contents:
            raise error
        return [content for content in contents if content]

    def _run(self, verb: str, digest: str, identity: Identity, *flags: str) -> str:
        registry = self.registry
        command = ["cosign", verb, "--output=json", *flags]
        command += [f"--certificate-identity={identity.subject}", f"--certificate-oidc-issuer={identity.issuer}"]
        if registry.authority:
            command.append(f"--registry-cacert={registry.authority}")
        elif registry.is_plain:
            command.append("--allow-http-registry")
        try:
            with _docker_config(registry) as environment:
                ended = subprocess.run(
                    [*command, f"{self.repository}@{digest}"],
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    text=True,
                    timeout=self.deadline.left(),
                    check=False,
                )
        except FileNotFoundError:
            raise KeylessError("cosign, which verifies signatures without a key, is not on PATH") from None
        except OSError as error:
            raise KeylessError(f"cosign cannot be run ({error.strerror})") from None
        except (subprocess.TimeoutExpired, TransportError):
            raise KeylessError("cosign did not answer in time") from None
        if ended.returncode:
            raise KeylessError(f"cosign says: {_last_line(ended.stderr)}")
        return ended.stdout


@contextmanager
def _docker_config(registry: Registry) -> Iterator[Mapping[str, str]]:
    """The environment in which cosign finds the login of the pack's configuration; else the Docker credential store."""
    login = registry.configured_login()
    if login is None:
        yield os.environ
        return
    with tempfile.TemporaryDirectory(prefix="slipway-policies-") as folder:
        secret = base64.b64encode(f"{login.username}:{login.password}".encode()).decode()
        path = Path(folder, "config.json")  # the folder is for this user alone
        path.write_text(json.dumps({"auths": {registry.address: {"auth": secret}}}), encoding="utf-8")
        yield {**os.environ, "DOCKER_CONFIG": folder}


def _payloads(output: str) -> Iterator[bytes]:
    """The statements in what `cosign verify-attestation` prints: one envelope a line."""
    for line in output.splitlines():
        try:
            envelope = json.loads(line)
            yield base64.b64decode(envelope["payload"])
        except (ValueError, binascii.Error, KeyError, TypeError):
            raise KeylessError("cosign printed something else than envelopes") from None


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "nothing"
