"""The connections to a registry: one deadline for all that is waited for, and a proxy that wants a login."""

from __future__ import annotations

import base64
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.policy.asked import certificate_and_key
from verification.transport import Deadline, Transport, TransportError

__all__ = ["certificate_and_key"]  # a fixture
LATE = r"did not answer in time|no complete answer within 0\.5 s"
OK = b"HTTP/1.1 200 OK\r\n"


@contextmanager
def trickling(at_once: bytes, certificate: tuple[Path, Path] | None = None) -> Iterator[str]:
    """HOST:PORT of a server that begins an answer, and sends the rest as one byte after the other without end."""
    ended = threading.Event()

    def serve() -> None:
        with suppress(OSError), listening.accept()[0] as plain, wrapped(plain, certificate) as connection:
            connection.recv(65536)
            connection.sendall(at_once)
            while not ended.wait(0.05):
                connection.sendall(b"1")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{listening.getsockname()[1]}"
        finally:
            ended.set()
            thread.join(5)


def wrapped(connection: socket.socket, certificate: tuple[Path, Path] | None) -> socket.socket:
    """The connection, over TLS if there is a certificate for it."""
    if certificate is None:
        return connection
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context.wrap_socket(connection, server_side=True)


def late(url: str, authority: Path | None = None) -> str:
    """What is told of a server that does not come to an end within half a second, soon after that."""
    start = time.monotonic()
    with pytest.raises(TransportError, match=LATE) as told:
        Transport(authority).get(url, {}, 1000, Deadline(0.5))
    assert time.monotonic() - start < 1.5
    return str(told.value)


@pytest.mark.parametrize(
    "at_once",
    [
        b"",
        OK + b"X-Long: ",
        OK + b"Content-Length: 900\r\n\r\n",
        OK + b"Connection: close\r\n\r\n",
        OK + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
    ids=["status", "headers", "body", "body to the end", "chunk"],
)
def test_a_server_that_trickles_is_waited_for_until_the_deadline_and_no_longer(at_once: bytes) -> None:
    with trickling(at_once) as address:
        late(f"http://{address}/v2/")


def test_a_server_that_trickles_over_tls_is_waited_for_no_longer(certificate: tuple[Path, Path]) -> None:
    with trickling(OK + b"X-Long: ", certificate) as address:
        late(f"https://{address}/v2/", certificate[0])


@pytest.mark.parametrize("at_once", [b"", OK + b"X-Long: "], ids=["status", "headers"])
def test_a_proxy_that_trickles_is_waited_for_no_longer(monkeypatch: pytest.MonkeyPatch, at_once: bytes) -> None:
    with trickling(at_once) as address:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{address}")
        late("https://registry.example/v2/")


def test_all_addresses_of_a_host_share_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(address: tuple[str, int], timeout: float, *_: object) -> socket.socket:
        asked.append(address[0])
        time.sleep(timeout)
        raise TimeoutError

    asked: list[str] = []
    places = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"192.0.2.{number}", 443)) for number in (1, 2, 3)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: places)
    monkeypatch.setattr(socket, "create_connection", silent)
    assert late("https://registry.example/v2/") == "registry.example did not answer in time"
    assert asked == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]


@contextmanager
def refusing_proxy() -> Iterator[tuple[str, list[bytes]]]:
    """HOST:PORT of a proxy that lets nobody through, and what it was asked."""
    asked: list[bytes] = []

    def serve() -> None:
        with suppress(OSError), listening.accept()[0] as connection:
            asked.append(connection.recv(65536))
            connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{listening.getsockname()[1]}", asked


def asked_by(proxy: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """What is told of a registry behind a proxy that does not let anybody through."""
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(TransportError) as told:
        Transport().get("https://registry.example/v2/", {}, 1000, Deadline(5))
    return str(told.value)


@pytest.mark.parametrize(
    ("login", "header"),
    [
        ("robot:hunter2@", b"robot:hunter2"),
        ("ro%40bot:hunter%3a2%c3%bc@", "ro@bot:hunter:2ü".encode()),
        ("robot@", b"robot:"),
        ("", None),
    ],
)
def test_a_proxy_is_given_the_login_of_its_address(
    monkeypatch: pytest.MonkeyPatch, login: str, header: bytes | None
) -> None:
    with refusing_proxy() as (address, asked):
        told = asked_by(f"http://{login}{address}", monkeypatch)
    assert told == "registry.example does not answer (Tunnel connection failed: 407 Proxy Authentication Required)"
    sent = [line.partition(b": ")[2] for line in asked[0].splitlines() if line.startswith(b"Proxy-Authorization")]
    assert sent == ([b"Basic " + base64.b64encode(header)] if header else [])


def test_a_proxy_that_is_asked_for_over_tls_is_given_no_login_in_plain_text(monkeypatch: pytest.MonkeyPatch) -> None:
    with refusing_proxy() as (address, asked):
        asked_by(f"https://robot:hunter2@{address}", monkeypatch)
    assert b"Proxy-Authorization" not in asked[0]


@pytest.mark.parametrize("proxy", ["http://robot:hunter/2@proxy.example", "http://robot:hunter℀@proxy.example"])
def test_a_proxy_without_a_usable_address_is_told_without_its_password(
    monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    told = asked_by(proxy, monkeypatch)
    assert told.startswith("the proxy in HTTPS_PROXY has no usable address: ")
    assert "hunter" not in told
