"""Sign an index and each of its platforms with cosign, once: a digest that this key has signed is left alone.

cosign adds another signature each time that it is asked to, so the step verifies first, where there is anything to
verify. The key's password is read from standard input. No public log is used: a private registry works without the
internet.
Source: sigstore/cosign, `cosign sign --help`.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from components.artifact import ImageReference
from steps.credentials import Logins, registry_credentials
from steps.predicates import SIGNATURE
from steps.registry import platform_references, referrers_of
from steps.statements import or_nothing
from steps.tool import StepError, ToolError, elapsed, read_secrets, run_step, run_tool
from steps.verify import logins_of, request_parser, verify


def sign(
    reference: ImageReference,
    key: str,
    public_key: str,
    annotations: Mapping[str, str],
    password: str,
    logins: Logins,
) -> dict[str, Any]:
    """Sign the index and each platform's manifest.

    Args:
        reference: the candidate, in quarantine.
        key: path of the private key, or the reference of a key management service (`awskms://…`).
        public_key: path of the public key, to see whether the digest is signed already.
        annotations: what the signature says about the artifact, such as its version.
        password: what opens a key file; empty for a key management service.
        logins: user name and password by registry.

    Raises:
        StepError: the key cannot be opened, or the registry does not take the signature.
    """
    with registry_credentials(logins, [reference.repository.registry]) as credentials:
        environment = {"DOCKER_CONFIG": str(credentials)}
        covered = [str(reference), *platform_references(reference, environment)]
        referrers = referrers_of(covered, environment)

        def sign_unsigned(manifest: str) -> None:
            if not (referrers[manifest] and _is_signed(manifest, public_key, annotations, environment)):
                _sign_one(manifest, key, annotations, password, environment)

        # `cosign sign --recursive` reads the password again for each manifest, and standard input has it only once.
        with elapsed(f"signed: {reference} and its platforms"), ThreadPoolExecutor() as pool:
            list(pool.map(sign_unsigned, covered))
    return {"reference": str(reference), "signed": covered}


def _is_signed(manifest: str, public_key: str, annotations: Mapping[str, str], environment: Mapping[str, str]) -> bool:
    """Whether this key has said just this about it; a registry that cannot be read is no answer to that."""

    def asked() -> bool:
        verify([manifest], public_key, annotations, environment)
        return True

    return bool(or_nothing(asked, [manifest], environment, type_=SIGNATURE))


def _sign_one(
    reference: str, key: str, annotations: Mapping[str, str], password: str, environment: Mapping[str, str]
) -> None:
    command = ["cosign", "sign", "--yes", "--key", key, "--tlog-upload=false", "--use-signing-config=false"]
    for name, value in sorted(annotations.items()):
        command += ["--annotations", f"{name}={value}"]
    try:
        run_tool([*command, reference], secret=password, environment=environment)
    except ToolError as error:
        raise StepError(explain(error, key)) from None


def explain(error: ToolError, key: str) -> str:
    """Say what a failure of cosign means for the settings of the signing key."""
    if "decrypt" in error.output or "encrypted" in error.output:
        return f"signing key {key}: the password does not open it: check the secret that `sign.password` names"
    if "no such file" in error.output or "reading key" in error.output:
        return f"signing key {key}: it cannot be read: check `sign.key`, or make one with `cosign generate-key-pair`"
    return str(error)


def main() -> dict[str, Any]:
    """Sign what the command line names."""
    parser = request_parser("sign", __doc__)
    parser.add_argument("--key", required=True)
    it = parser.parse_args()
    secrets = read_secrets()
    password = secrets.get("password", "")
    return sign(it.reference, it.key, it.public_key, dict(it.annotation), password, logins_of(it, secrets))


if __name__ == "__main__":
    run_step(main)
