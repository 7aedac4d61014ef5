"""The sample service, as the image runs it: a real process, asked over HTTP, stopped by signals."""

from __future__ import annotations

import base64
import http.client
import json
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

SAMPLE = Path(__file__).resolve().parents[2] / "examples" / "driftwood-web"
PASSWORD = "correct horse: battery"  # a colon is part of it, as RFC 7617 allows
PATIENCE = 20.0
"""Seconds until a test gives up on a process; far above what it takes on a busy machine."""


class Service:
    """`python -m driftwood.web` on a free port, its log read as it comes."""

    def __init__(self, secrets: Path) -> None:
        """Starts the process with `secrets` as the folder of its secret files, and waits until it listens."""
        self.secrets = secrets
        self.lines: list[str] = []
        self._arrived: queue.Queue[str] = queue.Queue()
        environment = {**os.environ, "DRIFTWOOD_HOST": "127.0.0.1", "DRIFTWOOD_PORT": "0", "DRIFTWOOD_VERSION": "1.4.0"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "driftwood.web"],
            cwd=SAMPLE,
            env={**environment, "DRIFTWOOD_SECRETS": str(secrets)},
            stdout=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.port = int(self.wait_for(r"running on http://127\.0\.0\.1:(\d+)")[1])

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            self._arrived.put(line)

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Returns the match of the next line of the log that has one."""
        deadline = time.monotonic() + PATIENCE
        while True:
            line = self._arrived.get(timeout=deadline - time.monotonic())
            if match := re.search(pattern, line):
                return match

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)

    def get(self, path: str, authorization: str | None = None) -> tuple[int, http.client.HTTPMessage, str]:
        connection = self.connect()
        connection.request("GET", path, headers={"Authorization": authorization} if authorization else {})
        answer = connection.getresponse()
        body = answer.read().decode()
        connection.close()
        return answer.status, answer.headers, body

    def tide(self, station: str = "salt-mill", password: str = PASSWORD) -> int:
        return self.get(f"/tides/{station}", basic("driftwood", password))[0]

    def log(self) -> list[dict[str, object]]:
        """Returns the whole log of the ended process, a record a line."""
        self._reader.join(PATIENCE)
        return [json.loads(line) for line in self.lines]

    def stop(self) -> tuple[int, float]:
        """Sends SIGTERM; returns the exit code and the seconds that it took."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE), time.monotonic() - started


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def run_in_sample(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs Python in the sample's folder to its end."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=SAMPLE,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def check_health(port: int) -> subprocess.CompletedProcess[str]:
    return run_in_sample("healthcheck.py", DRIFTWOOD_PORT=str(port))


@pytest.fixture(name="service")
def running_service(tmp_path: Path) -> Iterator[Service]:
    (tmp_path / "db_password").write_text(PASSWORD + "\n", encoding="utf-8")
    service = Service(tmp_path)
    yield service
    service.process.kill()
    service.process.wait(PATIENCE)
    assert service.process.stdout is not None
    service.process.stdout.close()


def test_the_page_lists_the_stations_and_shows_the_version(service: Service) -> None:
    status, headers, body = service.get("/")

    assert status == 200
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert '<a href="/tides/gull-harbour">Gull Harbour</a>' in body
    assert "version 1.4.0" in body
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["Server"] is None


def test_health_is_answered_without_the_secret(service: Service) -> None:
    (service.secrets / "db_password").unlink()

    status, _, body = service.get("/healthz")

    assert (status, json.loads(body)) == (200, {"status": "ok", "version": "1.4.0", "stations": 3})


def test_a_tide_is_read_with_the_password(service: Service) -> None:
    status, headers, body = service.get("/tides/lantern-point", basic("driftwood", PASSWORD))

    assert status == 200
    assert headers["Cache-Control"] == "no-store"
    row = {"station": "lantern-point", "name": "Lantern Point", "high_water": "05:37", "height_metres": 6.1}
    assert json.loads(body) == row


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        basic("driftwood", "wrong"),
        basic("driftwood", ""),
        basic("driftwood", PASSWORD + "\n"),
        basic("somebody", PASSWORD),
        f"Bearer {PASSWORD}",
        "Basic",
        "Basic ####",
        "Basic \xe9\xe9\xe9\xe9",
    ],
)
def test_without_the_password_no_tide_is_read(service: Service, authorization: str | None) -> None:
    status, headers, body = service.get("/tides/salt-mill", authorization)

    assert status == 401
    assert headers["WWW-Authenticate"].startswith('Basic realm="driftwood"')
    assert "06:03" not in body


def test_an_unknown_station_is_not_found(service: Service) -> None:
    assert service.tide("atlantis") == 404
    assert service.tide("x'%20OR%20'1'='1") == 404


def test_a_missing_or_empty_secret_lets_nobody_in(service: Service) -> None:
    secret = service.secrets / "db_password"
    secret.write_text("\n", encoding="utf-8")
    assert service.tide(password="") == 503
    secret.unlink()
    assert service.tide() == 503

    service.stop()
    errors = [record["message"] for record in service.log() if record["level"] == "error"]
    assert errors == [f"secret {secret} is empty", f"secret {secret} cannot be read: No such file or directory"]


def test_a_rotated_secret_counts_from_the_next_request_on(service: Service) -> None:
    (service.secrets / "db_password").write_text("new one", encoding="utf-8")

    assert service.tide() == 401
    assert service.tide(password="new one") == 200


def test_the_log_is_one_json_object_a_line_and_tells_no_secret(service: Service) -> None:
    service.tide()
    service.get("/healthz?token=do-not-log")
    service.get("/no%0Asuch%22page")
    service.stop()

    records = service.log()
    assert all({"time", "level", "logger", "message"} <= record.keys() for record in records)
    requests = [record for record in records if record["logger"] == "driftwood.access"]
    assert [(record["method"], record["path"], record["status"]) for record in requests] == [
        ("GET", "/tides/salt-mill", 200),
        ("GET", "/healthz", 200),
        ("GET", '/no\nsuch"page', 404),
    ]
    everything = "".join(service.lines)
    encoded = basic("driftwood", PASSWORD).removeprefix("Basic ")
    assert not [text for text in (PASSWORD, encoded, "do-not-log") if text in everything]


def test_sigterm_lets_a_request_that_is_under_way_finish(service: Service) -> None:
    secret = replace_by_fifo(service.secrets / "db_password")
    under_way = service.connect()
    under_way.request("GET", "/tides/salt-mill", headers={"Authorization": basic("driftwood", PASSWORD)})
    with secret.open("w", encoding="utf-8") as feed:  # opens as soon as the service reads its secret, which then waits
        stopping = time.monotonic()
        service.process.send_signal(signal.SIGTERM)
        service.wait_for("Waiting for connections to close")
        with pytest.raises(ConnectionRefusedError):
            service.get("/healthz")
        feed.write(PASSWORD)
    answer = under_way.getresponse()

    assert (answer.status, json.loads(answer.read())["name"]) == (200, "Salt Mill")
    assert service.process.wait(PATIENCE) == 0
    assert time.monotonic() - stopping < 2
    under_way.close()


def test_sigterm_ends_the_process_within_two_seconds_even_if_a_request_hangs(service: Service) -> None:
    secret = replace_by_fifo(service.secrets / "db_password")
    hanging = service.connect()
    hanging.request("GET", "/tides/salt-mill", headers={"Authorization": basic("driftwood", PASSWORD)})
    with secret.open("w", encoding="utf-8"):
        code, seconds = service.stop()

    assert code == 1
    assert seconds < 2
    assert service.log()[-1]["message"] == "requests still under way after 1.6 s are cut off"
    hanging.close()


def test_sigterm_does_not_wait_for_an_idle_connection(service: Service) -> None:
    idle = service.connect()
    idle.request("GET", "/healthz")
    idle.getresponse().read()

    code, _ = service.stop()

    # Where it had waited, it would have cut the connection off at its deadline, and said so.
    assert code == 0
    assert not [record for record in service.log() if "cut off" in str(record["message"])]
    idle.close()


def test_sigterm_counts_while_the_service_still_starts() -> None:
    program = """
        import os, runpy, signal, sys

        class SignalledDuringImport:
            def find_spec(self, name, path=None, target=None):
                if name == "starlette":
                    os.kill(os.getpid(), signal.SIGTERM)

        sys.meta_path.insert(0, SignalledDuringImport())
        runpy.run_module("driftwood.web", run_name="__main__")
    """
    done = run_in_sample("-c", textwrap.dedent(program))

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_tide_table_is_gone_when_the_service_has_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    service = Service(tmp_path)
    assert [path.name for path in tmp_path.glob("driftwood-*/*")] == ["tides.sqlite"]
    service.stop()

    assert list(tmp_path.iterdir()) == []
    assert service.process.stdout is not None
    service.log()
    service.process.stdout.close()


@pytest.mark.parametrize("port", ["http", "-1", "65536"])
def test_a_port_that_is_none_is_refused_in_one_line(port: str) -> None:
    done = run_in_sample("-m", "driftwood.web", DRIFTWOOD_PORT=port)

    message = f"driftwood: DRIFTWOOD_PORT is not a port ({port}): write a number from 0 to 65535\n"
    assert (done.returncode, done.stderr) == (1, message)


def test_the_health_check_passes_while_the_service_is_well(service: Service) -> None:
    done = check_health(service.port)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_health_check_says_that_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]

    done = check_health(port)

    assert done.returncode == 1
    assert done.stderr == f"unhealthy: no answer on 127.0.0.1:{port}: [Errno 111] Connection refused\n"


def test_the_health_check_gives_a_hanging_service_up_in_time(service: Service) -> None:
    service.process.send_signal(signal.SIGSTOP)
    started = time.monotonic()

    done = check_health(service.port)

    assert time.monotonic() - started < 3
    assert (done.returncode, done.stderr) == (1, f"unhealthy: no answer on 127.0.0.1:{service.port}: timed out\n")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 500 Internal Server Error\r\n\r\n", "/healthz answered 500"),
        (b"SSH-2.0-something\r\n", "no HTTP answer on 127.0.0.1:{port}"),
        (b"", "no HTTP answer on 127.0.0.1:{port}"),
    ],
)
def test_the_health_check_says_what_was_answered_instead(answer: bytes, reason: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def serve_once() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(answer)

        once = threading.Thread(target=serve_once)
        once.start()
        done = check_health(port)
        once.join(PATIENCE)

    assert (done.returncode, done.stderr) == (1, f"unhealthy: {reason.format(port=port)}\n")


def replace_by_fifo(secret: Path) -> Path:
    """Makes reads of the secret wait for a writer: what keeps a request of the real service under way."""
    secret.unlink()
    os.mkfifo(secret)
    return secret
