"""HTTP as a registry needs it: kept connections, one deadline for everything, bounded answers, careful redirects.

Only the standard library's `http.client` is used, which the policy SDK has imported already: what else a pack imports
is part of every preview's time (docs/decisions/0010-registry-client.md).
"""

import io
import os
import socket
import ssl
import time
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from http import client
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from verification.references import is_loopback

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 5
_IDLE_CONNECTIONS = 8
_PIECE = 64 * 1024


class TransportError(Exception):
    """No usable answer; the message names the host and what went wrong."""


class Deadline:
    """The moment by which something must be done, however many requests it takes."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds left.

        Raises:
            TransportError: none are.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise TransportError(f"no complete answer within {self._seconds:g} s")
        return left


@dataclass(frozen=True)
class Answer:
    """One answer to one request."""

    status: int
    headers: Mapping[str, str]
    """By name in lower case."""
    body: bytes
    url: str
    """Where it came from, after all redirects."""


class Transport:
    """Sends requests to a registry, and to the places that it refers to; one for each registry, safe for threads."""

    def __init__(self, authority: Path | None = None) -> None:
        self._authority = authority
        self._context: ssl.SSLContext | None = None
        self._idle: dict[str, list[client.HTTPConnection]] = {}
        self._lock = Lock()

    def prepare(self) -> None:
        """Load the certificate authorities; what prevents that is told by the first request."""
        with suppress(OSError):
            self._trust()

    def get(self, url: str, headers: Mapping[str, str], limit: int, deadline: Deadline) -> Answer:
        """Get a URL, and what it redirects to.

        Args:
            url: `https://…`; `http://…` on loopback alone.
            headers: of the request; the Authorization among them never goes to another host.
            limit: bytes that the answer may have.
            deadline: when everything must be done.

        Raises:
            TransportError: there is no usable answer.
        """
        sent = dict(headers)
        for _ in range(_MOST_REDIRECTS + 1):
            answer = self.send("GET", url, sent, None, limit, deadline)
            if answer.status not in _REDIRECTS:
                return answer
            target = urljoin(url, answer.headers.get("location", ""))
            if _origin(target) != _origin(url):
                sent.pop("Authorization", None)
            _refuse_weaker(url, target)
            url = target
        raise TransportError(f"{_place(urlsplit(url))} redirects without end")

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, limit: int, deadline: Deadline
    ) -> Answer:
        """Send one request and read its answer; redirects are handed back."""
        where = urlsplit(url)
        _refuse_plain_text(where)
        target = where.path + (f"?{where.query}" if where.query else "")
        try:
            connection, reused = self._connection(where, deadline)
            try:
                return self._exchange(connection, where, method, target, headers, body, limit, deadline)
            except (ConnectionError, client.BadStatusLine):
                # A kept connection may have been closed by the other side in the meantime.
                if not reused:
                    raise
            connection = self._connect(where, deadline)
            return self._exchange(connection, where, method, target, headers, body, limit, deadline)
        except TimeoutError:
            raise TransportError(f"{_place(where)} did not answer in time") from None
        except (OSError, client.HTTPException, ValueError) as error:
            raise TransportError(f"{_place(where)} does not answer ({_reason(error)})") from None

    def _exchange(
        self,
        connection: client.HTTPConnection,
        where: SplitResult,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes | None,
        limit: int,
        deadline: Deadline,
    ) -> Answer:
        try:
            connection.request(method, target or "/", body=body, headers=dict(headers))
            response = connection.getresponse()
            content = _content(response, limit)
        except BaseException:
            connection.close()
            raise
        if response.will_close:
            connection.close()
        else:
            self._keep(where, connection)
        names = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, names, content, where.geturl())

    def _connection(self, where: SplitResult, deadline: Deadline) -> tuple[client.HTTPConnection, bool]:
        with self._lock:
            idle = self._idle.get(_origin(where.geturl()))
            connection = idle.pop() if idle else None
        if connection is None:
            return self._connect(where, deadline), False
        _bind(connection, deadline)
        return connection, True

    def _keep(self, where: SplitResult, connection: client.HTTPConnection) -> None:
        with self._lock:
            idle = self._idle.setdefault(_origin(where.geturl()), [])
            if len(idle) < _IDLE_CONNECTIONS:
                idle.append(connection)
                return
        connection.close()

    def _connect(self, where: SplitResult, deadline: Deadline) -> client.HTTPConnection:
        connection = self._unconnected(where)
        _bind(connection, deadline)
        return connection

    def _unconnected(self, where: SplitResult) -> client.HTTPConnection:
        host, port = where.hostname or "", where.port
        if where.scheme == "http":
            return client.HTTPConnection(host, port or 80)
        proxy = _proxy_for(host)
        if proxy is None:
            return client.HTTPSConnection(host, port or 443, context=self._trust())
        connection = client.HTTPSConnection(proxy.hostname or "", proxy.port or 80, context=self._trust())
        connection.set_tunnel(host, port or 443, _proxy_login(proxy))
        return connection

    def _trust(self) -> ssl.SSLContext:
        """The system's certificate authorities, and the registry's own beside them."""
        with self._lock:
            if self._context is None:
                context = ssl.create_default_context()
                context.minimum_version = ssl.TLSVersion.TLSv1_2
                if self._authority:
                    context.load_verify_locations(cafile=str(self._authority))
                self._context = context
            return self._context


class _Response(client.HTTPResponse):
    """An answer, also that of a proxy, of which no byte is waited for beyond a deadline."""

    def __init__(self, deadline: Deadline, sock: socket.socket, *arguments: Any, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        self.fp = io.BufferedReader(_Arriving(self.fp.detach(), sock, deadline))


class _Arriving(io.RawIOBase):
    """What comes in at a socket, whose own limit holds for each piece anew, however many of them there are."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, deadline: Deadline) -> None:
        self._raw, self._socket, self._deadline = raw, sock, deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._socket.settimeout(self._deadline.left())
        size = self._raw.readinto(buffer)
        self._socket.settimeout(self._deadline.left())  # for what comes next without a read: TLS behind a proxy
        return size

    def close(self) -> None:
        self._raw.close()
        super().close()


def _bind(connection: client.HTTPConnection, deadline: Deadline) -> None:
    """Let a connection wait for nothing beyond a deadline, as it connects, sends and reads."""
    connection._create_connection = partial(_connected, deadline)  # type: ignore[attr-defined]  # its only way in
    connection.response_class = partial(_Response, deadline)  # type: ignore[assignment]  # called, and no more
    connection.timeout = deadline.left()
    if isinstance(connection.sock, socket.socket):
        connection.sock.settimeout(connection.timeout)


def _connected(deadline: Deadline, address: tuple[str, int], *_: object) -> socket.socket:
    """As `socket.create_connection` does, but each address of a host has its share of the time, and not all of it."""
    places = [(str(place[0]), address[1]) for *_, place in socket.getaddrinfo(*address, type=socket.SOCK_STREAM)]
    while True:
        try:
            connected = socket.create_connection(places[0], deadline.left() / len(places))
            break
        except OSError:
            if not places[1:]:
                raise
            del places[0]
    connected.settimeout(deadline.left())
    return connected


def _content(response: client.HTTPResponse, limit: int) -> bytes:
    if (response.length or 0) > limit:
        raise client.HTTPException(f"answers with {response.length} bytes, more than the {limit} allowed")
    pieces, size = [], 0
    while piece := response.read1(_PIECE):
        size += len(piece)
        if size > limit:
            raise client.HTTPException(f"answers with more than the {limit} bytes allowed")
        pieces.append(piece)
    if response.length:
        raise client.IncompleteRead(b"", response.length)
    response.close()  # the connection is free for the next request
    return b"".join(pieces)


def _origin(url: str) -> str:
    where = urlsplit(url)
    return f"{where.scheme}://{_place(where)}"


def _place(where: SplitResult) -> str:
    """HOST[:PORT], without a user that the URL may name."""
    return where.netloc.rpartition("@")[2].lower()


def _refuse_plain_text(where: SplitResult) -> None:
    if where.scheme == "https" or (where.scheme == "http" and is_loopback(_place(where))):
        return
    raise TransportError(f"{_place(where)} is not asked over {where.scheme or 'nothing'}: only TLS is trusted there")


def _refuse_weaker(origin: str, target: str) -> None:
    """A redirect must not lead from TLS to plain text, nor from elsewhere to what listens on this machine."""
    before, after = urlsplit(origin), urlsplit(target)
    weaker = before.scheme == "https" and after.scheme != "https"
    if weaker or (is_loopback(_place(after)) and not is_loopback(_place(before))):
        raise TransportError(f"{_place(before)} redirects to {after.scheme}://{_place(after)}, which is refused")


def _proxy_for(host: str) -> SplitResult | None:
    """The proxy that the environment names for TLS, as every other tool on the machine reads it.

    Raises:
        TransportError: what it names is no address.
    """
    if not (os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy")) or is_loopback(host):
        return None
    from urllib.request import getproxies, proxy_bypass

    if proxy_bypass(host):
        return None
    proxy = getproxies().get("https", "")
    try:
        where = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        _ = where.port  # what is wrong about it is told with its text, which may be a part of the password
    except ValueError:
        raise TransportError(
            "the proxy in HTTPS_PROXY has no usable address: percent-encode what is special in its user and password"
        ) from None
    return where


def _proxy_login(proxy: SplitResult) -> dict[str, str]:
    """The header with the login that a proxy's address names; not for one over TLS, which is spoken to in plain."""
    if proxy.scheme != "http" or not (proxy.username or proxy.password):
        return {}
    login = f"{unquote(proxy.username or '')}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {b64encode(login.encode()).decode()}"}


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"no TLS: {error.reason or type(error).__name__}"
    if isinstance(error, OSError):
        return error.strerror or str(error) or type(error).__name__
    return str(error) or type(error).__name__
