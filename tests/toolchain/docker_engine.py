"""A socket in the place of the Docker Engine's."""

from __future__ import annotations

import http.server
import json
import socketserver
from typing import Any
from urllib.parse import parse_qs, urlsplit


class FakeEngine(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """A Docker Engine that lists what it is given and notes what it is told to remove; it removes nothing."""

    daemon_threads = True

    def __init__(self, path: str, containers: list[dict[str, Any]]) -> None:
        super().__init__(path, Answers)
        self.containers = containers
        self.removed: list[str] = []


class Answers(http.server.BaseHTTPRequestHandler):
    """The calls of the engine's API that the toolchain makes."""

    server: FakeEngine

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        filters = json.loads(parse_qs(parts.query)["filters"][0])
        held = self.server.containers if parts.path.startswith("/containers") else []
        if "id" in filters:
            return self._say([item for item in held if item["Id"] in filters["id"]])
        wanted = filters["label"][0].partition("=")[2]
        return self._say([item for item in held if item["Labels"].get("io.slipway.stack") == wanted])

    def do_DELETE(self) -> None:
        self.server.removed.append(urlsplit(self.path).path)
        self._say([])

    def _say(self, content: list[dict[str, Any]]) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "unix"

    def log_message(self, format: str, *args: object) -> None:
        pass
