"""Prove a release where it runs: the container is healthy, the checks pass, and the stack signs that this is so.

A stack says `deployed` once a digest and key, and `held` when it is asked to look again, not more often than tells
something new. The passwords come on standard input.
Source: sigstore/cosign, `cosign attest --help`.
"""

import argparse
import http.client
import json
import os
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from components.artifact import ImageReference, is_loopback
from steps.attest import Signer, check_written
from steps.credentials import registry_credentials
from steps.engine import inspect
from steps.predicates import PROVED
from steps.proofs import DEPLOYED, HELD, SCHEMA_VERSION, Proof, StackName, past, proved_by, readable, spelled
from steps.registry import referrers_of
from steps.statements import predicates
from steps.tool import StepError, ToolError, elapsed, read_secrets, run_step, stop_if_interrupted
from steps.verify import logins_of, request_parser

_LEAST = timedelta(hours=1)
"""Between two proofs that a release held."""
_PAUSE = 0.25
"""Seconds between two tries of a URL."""
_LAST_LINES = 15
_MOST = 1 << 20
"""Bytes of an answer in which a text is looked for."""


@dataclass(frozen=True)
class Check:
    """One thing that must hold: a URL that answers as expected, or a command that succeeds."""

    name: str
    url: str | None = None
    """A path at the service's own URL, or a whole URL."""
    status: int = 200
    contains: str | None = None
    command: Sequence[str] = ()
    timeout: float = 10.0
    """Seconds for one try."""


class DoesNotHoldError(StepError):
    """What runs is not what it should be, as opposed to what could not be found out."""


@dataclass(frozen=True)
class Request:
    """What runs, where, and what must hold of it."""

    reference: ImageReference
    stack: StackName
    commit: str
    """Commit of the artifact's source."""
    docker: str
    """Address of the Docker Engine."""
    container: str
    url: str
    """Where the service answers; empty where it has no port."""
    checks: Sequence[Check]
    wait: float = 30.0
    """Seconds until a URL has to answer as expected at last."""


def prove(request: Request, kind: str, signer: Signer) -> dict[str, Any]:
    """Check, then sign.

    Args:
        request: what runs, and what must hold.
        kind: `deployed` or `held`.
        signer: the stack's key, and how to reach the registry where the release lives.

    Raises:
        DoesNotHoldError: something does not hold.
        StepError: the registry does not take the attestation.
    """
    with elapsed(f"checked {request.reference}"):
        passed = run_checks(request)
    said, now = _known(request, signer), datetime.now(UTC)
    known = past(said, now)
    if is_due(kind, known, now):
        _sign(request, _predicate(request, kind, now, passed), signer)
        known = known or [Proof(request.stack, request.commit, now, kind)]
    return {
        "reference": str(request.reference),
        "time": spelled(known[0].time),
        "checks": [{"name": name, "result": "passed"} for name in passed],
    }


def is_due(kind: str, known: Sequence[Proof], now: datetime) -> bool:
    """Whether something new would be signed.

    Between two proofs that a release held lies an hour, and a tenth of the time since it was first proved: a timer that
    looks each half an hour leaves some sixty in a month. All of them travel with the release, and each preview reads
    them.
    """
    if kind != HELD or not known:
        return not known
    held = [proof.time for proof in known if proof.kind == HELD]
    return not held or now - held[-1] >= max(_LEAST, (now - known[0].time) / 10)


def run_checks(request: Request) -> list[str]:
    """Run all checks side by side, and return the names of what holds.

    Raises:
        DoesNotHoldError: with everything that does not hold.
    """
    with ThreadPoolExecutor() as pool:
        found = {"health": pool.submit(_unhealthy, request)}
        found |= {check.name: pool.submit(_failure, check, request) for check in request.checks}
        failed = [f"  {name}: {why}" for name, it in found.items() if (why := it.result())]
    if failed:
        raise DoesNotHoldError(
            "\n".join([f"{request.reference} is not proved in {request.stack}; it does not pass:", *failed])
            + "\nIt runs all the same. Correct the cause, then run `pulumi up` again, or bring back what ran before."
        )
    return list(found)


def _known(request: Request, signer: Signer) -> list[Proof]:
    said = predicates(request.reference, PROVED, signer.public_key, signer.environment, signer.authority)
    return proved_by(request.stack, readable(Proof.parse, said))


def _predicate(request: Request, kind: str, now: datetime, passed: Sequence[str]) -> dict[str, Any]:
    return {
        "schemaVersion": SCHEMA_VERSION,
        "project": request.stack.project,
        "stack": request.stack.name,
        "commit": request.commit,
        "time": spelled(now),
        "kind": kind,
        "checks": [{"name": name, "result": "passed"} for name in passed],
    }


def _sign(request: Request, predicate: Mapping[str, Any], signer: Signer) -> None:
    manifest = str(request.reference)
    before = referrers_of([manifest], signer.environment, signer.authority)
    with tempfile.TemporaryDirectory(prefix="slipway-") as scratch, elapsed(f"signed that {manifest} is proved"):
        signer.attest(manifest, PROVED, predicate, Path(scratch))
    check_written({manifest: [PROVED]}, before, signer)


def _unhealthy(request: Request) -> str | None:
    """Why the container cannot prove this release; None when it is healthy and runs it."""
    found = inspect(request.docker, "container", [request.container])
    if not found:
        return f"there is no container {request.container[:12]}: run `pulumi refresh`, then `pulumi up`"
    if found[0]["Config"]["Image"] != str(request.reference):
        return f"the container runs {found[0]['Config']['Image']}, which is something else"
    state = found[0]["State"]
    health = (state.get("Health") or {}).get("Status", "without a health check")
    return None if state["Running"] and health == "healthy" else f"the container is {health} ({state['Status']})"


def _failure(check: Check, request: Request) -> str | None:
    """Why a check fails; None when it passes."""
    if check.command:
        return _command_failure(check, request)
    deadline = time.monotonic() + request.wait
    while why := _url_failure(check, request):
        stop_if_interrupted()
        if time.monotonic() > deadline:
            return why
        time.sleep(_PAUSE)
    return None


def _command_failure(check: Check, request: Request) -> str | None:
    told = {
        "SLIPWAY_URL": request.url,
        "SLIPWAY_REFERENCE": str(request.reference),
        "SLIPWAY_CONTAINER": request.container,
    }
    try:
        ended = subprocess.run(
            check.command,
            env={**os.environ, **told},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=check.timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"{check.command[0]} has not ended after {check.timeout:g} s"
    except OSError as error:
        return f"{check.command[0]} cannot be run ({error.strerror})"
    if ended.returncode == 0:
        return None
    last = "".join(f"\n    {line}" for line in ended.stdout.strip().splitlines()[-_LAST_LINES:])
    return f"{check.command[0]} ended with exit code {ended.returncode}{last}"


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer like any other: what is expected of a URL is said about that very URL."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Follow none."""


def _url_failure(check: Check, request: Request) -> str | None:
    url = check.url if check.url and "://" in check.url else f"{request.url}{check.url}"
    if not url.startswith(("http://", "https://")):
        return f"{url} is no URL: the service has no port to ask at"
    try:
        status, body = _answer(url, check)
    except http.client.HTTPException as error:
        return f"{url} does not answer in HTTP ({type(error).__name__}): check its port and scheme"
    except (OSError, ValueError) as error:
        return f"{url} does not answer ({getattr(error, 'reason', error)})"
    if status != check.status:
        return f"{url} answers {status}, not {check.status}"
    if check.contains and check.contains.encode() not in body:
        return f"{url} answers without {check.contains!r} in it"
    return None


def _answer(url: str, check: Check) -> tuple[int, bytes]:
    """The status, and as much of the body as a text is looked for in, if one is."""
    # A proxy's own loopback is another one, and urllib bypasses it only where no_proxy says so.
    address = urllib.parse.urlsplit(url).netloc.rpartition("@")[2].lower()
    direct = [urllib.request.ProxyHandler({})] if is_loopback(address) else []
    began = time.monotonic()
    try:
        answer = urllib.request.build_opener(_NoRedirects, *direct).open(url, timeout=check.timeout)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        looked_in = check.contains and answer.status == check.status
        return answer.status, _body(answer, began, check.timeout) if looked_in else b""


def _body(answer: http.client.HTTPResponse, began: float, timeout: float) -> bytes:
    """The beginning of a body. urllib's own limit is for each read, so that a byte now and then would never end."""
    body = b""
    while len(body) < _MOST and (more := answer.read1(_MOST - len(body))):
        body += more
        if time.monotonic() > began + timeout:
            raise TimeoutError(f"its body has not ended after {timeout:g} s")
    return body


def main() -> dict[str, Any]:
    """Prove what the command line names."""
    parser = request_parser("prove", __doc__)
    parser.add_argument("--key", required=True)
    parser.add_argument("--project", required=True)
    parser.add_argument("--stack", required=True)
    parser.add_argument("--commit", required=True, help="of the artifact's source")
    parser.add_argument("--docker", required=True, help="address of the Docker Engine")
    parser.add_argument("--container", required=True)
    parser.add_argument("--url", default="", help="where the service answers")
    parser.add_argument("--checks", default="[]", type=json.loads, help="JSON list, see Check")
    parser.add_argument("--wait", default=30.0, type=float, help="seconds until a URL has to answer as expected")
    parser.add_argument("--kind", choices=[DEPLOYED, HELD], default=DEPLOYED)
    parser.add_argument("--certificate-authority")
    it: argparse.Namespace = parser.parse_args()
    secrets = read_secrets()
    stack, checks = StackName(it.project, it.stack), [Check(**entry) for entry in it.checks]
    request = Request(it.reference, stack, it.commit, it.docker, it.container, it.url, checks, it.wait)
    with registry_credentials(logins_of(it, secrets), [it.reference.repository.registry]) as credentials:
        password, environment = secrets.get("password", ""), {"DOCKER_CONFIG": str(credentials)}
        signer = Signer(it.key, it.public_key, password, environment, it.certificate_authority)
        try:
            return prove(request, it.kind, signer)
        except ToolError as error:
            raise StepError(f"{request.reference} cannot be proved:\n{error}") from None


if __name__ == "__main__":
    run_step(main)
