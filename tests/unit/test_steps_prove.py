"""Proving as a step: what has to hold, what is signed, and how often."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from components.artifact import Digest, ImageReference, Repository
from steps.attest import Signer
from steps.predicates import PROVED
from steps.proofs import DEPLOYED, HELD, Proof, StackName, moment
from steps.prove import Check, Request, is_due, prove, run_checks
from steps.tool import StepError
from tests.conftest import ToolMaker
from tests.running import calls, run_step_program
from tests.toolbox import PASSWORD, Toolbox

REFERENCE = ImageReference(Repository.parse("localhost:5443/driftwood/web"), Digest("sha256:" + "1f" * 32))
STAGING = StackName("slipway", "staging")
SIGNER = Signer("cosign.key", "cosign.pub", PASSWORD, {})


class Answers(BaseHTTPRequestHandler):
    """A service: /ok answers at once, /late the third time, /moved sends elsewhere, /slow never comes to an end."""

    asked = 0

    def do_GET(self) -> None:
        """Answer as the path says."""
        if self.path == "/late":
            Answers.asked += 1
        status = {"/ok": 200, "/slow": 200, "/moved": 302, "/late": 200 if Answers.asked > 2 else 503}.get(
            self.path, 404
        )
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/ok")
        self.end_headers()
        self.wfile.write(b"tides of 1.4.0")
        with suppress(OSError):  # whoever asked has gone
            while self.path == "/slow":
                self.wfile.write(b".")
                time.sleep(0.1)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(name="url", scope="module")
def service() -> Iterator[str]:
    """Where the service answers."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def engine(tool: ToolMaker, health: str = "healthy", image: str = str(REFERENCE), running: bool = True) -> Path:
    """A docker whose container is like this."""
    state = {"Running": running, "Status": "running" if running else "exited", "Health": {"Status": health}}
    found = [{"Config": {"Image": image}, "State": state}]
    return tool("docker", f"echo '{json.dumps(found)}'")


@pytest.fixture(name="box")
def registry(tool: ToolMaker, tmp_path: Path) -> Toolbox:
    """A registry with the release, and an engine that runs it in good health."""
    box = Toolbox(tmp_path / "box")
    box.install(tool, {"manifests": []})
    engine(tool)
    return box


def request(url: str = "", *checks: Check, wait: float = 0.0) -> Request:
    """The service in staging, with these checks."""
    return Request(REFERENCE, STAGING, "5" * 40, "unix:///engine.sock", "c0ffee", url, checks, wait)


def failure(*checks: Check, url: str = "", wait: float = 0.0) -> str:
    """What a person is told."""
    with pytest.raises(StepError) as caught:
        run_checks(request(url, *checks, wait=wait))
    return str(caught.value)


def test_what_is_healthy_and_passes_is_signed_with_who_what_and_when(box: Toolbox, url: str) -> None:
    check = Check("page", "/ok", contains="tides of 1.4.0")
    result = prove(request(url, check), DEPLOYED, SIGNER)
    checks = [{"name": "health", "result": "passed"}, {"name": "page", "result": "passed"}]
    predicate = box.predicate(str(REFERENCE), PROVED)
    assert result == {"reference": str(REFERENCE), "time": predicate["time"], "checks": checks}
    assert abs(datetime.now(UTC) - moment(predicate.pop("time"))) < timedelta(minutes=1)
    assert predicate == {
        "schemaVersion": 1,
        "project": "slipway",
        "stack": "staging",
        "commit": "5" * 40,
        "kind": "deployed",
        "checks": checks,
    }


def test_a_stack_says_once_that_it_deployed_and_at_once_not_twice_that_it_held(box: Toolbox) -> None:
    first = prove(request(), DEPLOYED, SIGNER)
    assert prove(request(), DEPLOYED, SIGNER) == first
    assert box.types(str(REFERENCE)) == [PROVED]
    prove(request(), HELD, SIGNER)
    prove(request(), HELD, SIGNER)
    assert [it["predicate"]["kind"] for it in box.written()] == [DEPLOYED, HELD]
    assert prove(request(), DEPLOYED, SIGNER)["time"] == first["time"]


@pytest.mark.parametrize("kind", [DEPLOYED, HELD])
def test_a_proof_from_the_future_keeps_a_stack_from_no_other_one(box: Toolbox, kind: str) -> None:
    said = {"schemaVersion": 1, "project": "slipway", "stack": "staging", "time": "2126-01-01T00:00:00Z", "kind": kind}
    box.write(str(REFERENCE), PROVED, predicate=said)
    for _ in range(2):
        assert prove(request(), kind, SIGNER)["time"] < "2126"
    assert [it["predicate"]["time"] < "2126" for it in box.written()] == [False, True]


@pytest.mark.parametrize(
    ("first", "last", "due"),
    [(3.0, 2.0, True), (3.0, 0.9, False), (30.0, 2.0, False), (30.0, 3.1, True), (1.0, None, True), (None, None, True)],
)
def test_the_longer_a_release_holds_the_rarer_that_is_signed(
    first: float | None, last: float | None, due: bool
) -> None:
    now = datetime(2026, 11, 25, 12, tzinfo=UTC)
    ages = {DEPLOYED: first, HELD: last}
    known = [
        Proof(StackName("slipway", "staging"), "5" * 40, now - timedelta(hours=hours), kind)
        for kind, hours in ages.items()
        if hours is not None
    ]
    assert is_due(HELD, known, now) is due
    assert is_due(DEPLOYED, known, now) is (not known)


def test_a_proof_that_the_registry_does_not_hand_out_is_not_signed_again(box: Toolbox) -> None:
    prove(request(), DEPLOYED, SIGNER)
    (box.folder / "unreadable").write_text(PROVED)
    with pytest.raises(StepError, match=r"could not read the proof (.|\n)*503: Service Unavailable"):
        prove(request(), DEPLOYED, SIGNER)
    assert box.types(str(REFERENCE)) == [PROVED]


def test_what_another_key_or_stack_said_is_not_its_own_word(box: Toolbox) -> None:
    said = {"schemaVersion": 1, "project": "slipway", "stack": "qa", "time": "2026-01-01T00:00:00Z", "kind": DEPLOYED}
    box.write(str(REFERENCE), PROVED, predicate=said)
    box.write(str(REFERENCE), PROVED, key="somebody", predicate=said | {"stack": "staging"})
    assert prove(request(), DEPLOYED, SIGNER)["time"] > "2026-01-02"
    assert len(box.types(str(REFERENCE))) == 3


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ({"health": "unhealthy"}, "the container is unhealthy (running)"),
        ({"health": "starting"}, "the container is starting (running)"),
        ({"running": False}, "the container is healthy (exited)"),
        (
            {"image": "localhost:5443/driftwood/web:latest"},
            "runs localhost:5443/driftwood/web:latest, which is something",
        ),
    ],
)
def test_what_does_not_run_in_good_health_is_not_proved(
    tool: ToolMaker, box: Toolbox, state: dict[str, Any], told: str
) -> None:
    engine(tool, **state)
    with pytest.raises(StepError) as caught:
        prove(request(), DEPLOYED, SIGNER)
    assert f"{REFERENCE} is not proved in slipway/staging; it does not pass:\n  health: " in str(caught.value)
    assert told in str(caught.value)
    assert box.written() == []


def test_a_container_that_is_gone_is_not_proved(tool: ToolMaker) -> None:
    tool("docker", 'echo "Error: No such container: c0ffee" >&2; exit 1')
    assert "there is no container c0ffee: run `pulumi refresh`, then `pulumi up`" in failure()


@pytest.mark.parametrize(
    ("check", "told"),
    [
        (Check("page", "/missing"), "/missing answers 404, not 200"),
        (Check("page", "/ok", status=401), "/ok answers 200, not 401"),
        (Check("page", "/ok", contains="1.5.0"), "/ok answers without '1.5.0' in it"),
        (Check("page", "/moved"), "/moved answers 302, not 200"),
        (Check("page", "http://127.0.0.1:1/"), "http://127.0.0.1:1/ does not answer ([Errno 111] Connection refused)"),
        (Check("page", "file:///etc/passwd"), "file:///etc/passwd is no URL"),
    ],
)
def test_a_url_that_answers_otherwise_is_told_with_both(tool: ToolMaker, url: str, check: Check, told: str) -> None:
    engine(tool)
    assert told in failure(check, url=url)


def test_a_url_may_be_expected_to_refuse_or_to_send_elsewhere(tool: ToolMaker, url: str) -> None:
    engine(tool)
    checks = Check("closed", "/missing", status=404), Check("moved", "/moved", status=302)
    assert run_checks(request(url, *checks)) == ["health", "closed", "moved"]


def test_a_url_is_asked_until_it_answers_or_the_time_is_over(tool: ToolMaker, url: str) -> None:
    engine(tool)
    Answers.asked = 0
    assert run_checks(request(url, Check("late", "/late"), wait=10.0)) == ["health", "late"]
    assert Answers.asked == 3
    assert "answers 404" in failure(Check("page", "/missing"), url=url, wait=0.3)


def test_an_answer_that_does_not_end_is_waited_for_no_longer_than_a_try_takes(tool: ToolMaker, url: str) -> None:
    engine(tool)
    start = time.monotonic()
    told = failure(Check("page", "/slow", contains="1.5.0", timeout=0.5), url=url)
    assert "/slow does not answer (its body has not ended after 0.5 s)" in told
    assert time.monotonic() - start < 5


def test_a_body_in_which_nothing_is_looked_for_is_not_waited_for(tool: ToolMaker, url: str) -> None:
    engine(tool)
    assert run_checks(request(url, Check("page", "/slow", timeout=0.5))) == ["health", "page"]
    assert "/slow answers 200, not 204" in failure(
        Check("page", "/slow", status=204, contains="1.5.0", timeout=0.5), url=url
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_url_on_loopback_is_asked_past_any_proxy(
    tool: ToolMaker, url: str, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    engine(tool)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    local = url.replace("127.0.0.1", host)
    assert run_checks(request(local, Check("page", "/ok"))) == ["health", "page"]
    assert "http://service.example/ does not answer" in failure(Check("other", "http://service.example/"))


def test_a_port_that_speaks_no_http_is_told(tool: ToolMaker) -> None:
    engine(tool)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1024)
                connection.sendall(b"220 mail.example ESMTP\r\n")

        threading.Thread(target=greet, daemon=True).start()
        told = failure(Check("page", "/"), url=f"http://127.0.0.1:{server.getsockname()[1]}")
    assert "/ does not answer in HTTP (BadStatusLine): check its port and scheme" in told


def test_a_service_without_a_port_cannot_be_asked_for_a_path(tool: ToolMaker) -> None:
    engine(tool)
    assert "/ok is no URL: the service has no port to ask at" in failure(Check("page", "/ok"))


def test_a_command_gets_to_know_what_runs_and_is_run_once(tool: ToolMaker, tmp_path: Path) -> None:
    engine(tool)
    smoke = tool("smoke", f'env | grep -E "^SLIPWAY_(CONTAINER|REFERENCE|URL)=" | sort >"{tmp_path}/told"')
    assert run_checks(request("http://127.0.0.1:8080", Check("smoke", command=["smoke", "-v"]), wait=5)) == [
        "health",
        "smoke",
    ]
    assert (tmp_path / "told").read_text().splitlines() == [
        "SLIPWAY_CONTAINER=c0ffee",
        f"SLIPWAY_REFERENCE={REFERENCE}",
        "SLIPWAY_URL=http://127.0.0.1:8080",
    ]
    assert calls(smoke) == ["-v"]


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("echo tides are off; exit 3", "smoke ended with exit code 3\n    tides are off"),
        ("sleep 5", "smoke has not ended after 0.3 s"),
    ],
)
def test_a_command_that_fails_is_told_with_its_last_words(tool: ToolMaker, command: str, told: str) -> None:
    engine(tool)
    tool("smoke", command)
    assert told in failure(Check("smoke", command=["smoke"], timeout=0.3))


def test_a_command_that_is_not_there_is_told(tool: ToolMaker) -> None:
    engine(tool)
    assert "no-such-smoke cannot be run (No such file or directory)" in failure(
        Check("smoke", command=["no-such-smoke"])
    )


def test_everything_that_does_not_hold_is_told_at_once_and_what_to_do(tool: ToolMaker, url: str) -> None:
    engine(tool, health="unhealthy")
    told = failure(Check("page", "/missing"), Check("smoke", command=["no-such-smoke"]), url=url)
    assert [line.strip().partition(":")[0] for line in told.splitlines()[1:4]] == ["health", "page", "smoke"]
    assert "It runs all the same. Correct the cause, then run `pulumi up` again" in told


def test_a_proof_that_the_registry_loses_is_told(box: Toolbox) -> None:
    (box.folder / "loses").write_text(PROVED)
    with pytest.raises(StepError, match="does not list what was written"):
        prove(request(), DEPLOYED, SIGNER)


def test_the_password_stands_on_no_command_line(box: Toolbox) -> None:
    arguments = ["--reference", str(REFERENCE), "--container", "c0ffee", "--docker", "unix:///engine.sock"]
    arguments += ["--project", "slipway", "--stack", "staging", "--commit", "5" * 40, "--checks", "[]"]
    arguments += ["--key", "cosign.key", "--public-key", "cosign.pub"]
    ended = run_step_program("prove", arguments, json.dumps({"password": PASSWORD}))
    assert ended.returncode == 0, ended.stderr
    assert box.types(str(REFERENCE)) == [PROVED]
    assert PASSWORD not in json.dumps(box.ran())
