"""The web application: a page, a health answer, and the tide table behind the mounted secret."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import html
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from string import Template
from tempfile import TemporaryDirectory

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from driftwood.logs import AccessLog
from driftwood.store import TideStore

USER = "driftwood"
SECRET = "db_password"
NO_STORE = {"Cache-Control": "no-store"}

_here = Path(__file__).parent
_style = (_here / "page.css").read_text(encoding="utf-8")
_page = Template((_here / "page.html").read_text(encoding="utf-8"))
_style_hash = base64.b64encode(hashlib.sha256(_style.encode()).digest()).decode()
_page_headers = {
    "Content-Security-Policy": f"default-src 'none'; img-src data:; style-src 'sha256-{_style_hash}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_log = logging.getLogger("driftwood")


@dataclass(frozen=True)
class Settings:
    """What the service is told from outside."""

    version: str = "unknown"
    """Shown on the page and by /healthz."""
    secrets_directory: Path = Path("/run/secrets")
    """Holds the file `db_password`, read anew for every guarded request: a rotated secret needs no restart."""


def create_application(settings: Settings) -> Starlette:
    """Returns the ASGI application; its tide table exists while its lifespan lasts."""

    @asynccontextmanager
    async def lifespan(application: Starlette) -> AsyncIterator[None]:
        with TemporaryDirectory(prefix="driftwood-") as directory:
            application.state.store = TideStore.create(Path(directory) / "tides.sqlite")
            yield

    application = Starlette(
        routes=[
            Route("/", page),
            Route("/healthz", health),
            Route("/tides/{station}", tide),
        ],
        middleware=[Middleware(AccessLog)],
        lifespan=lifespan,
    )
    application.state.settings = settings
    return application


# The handlers are plain functions: Starlette runs them in its thread pool, so that a slow file never holds up others.


def page(request: Request) -> Response:
    """GET /: what there is to ask for."""
    stations = "\n".join(
        f'<li><a href="/tides/{html.escape(station)}">{html.escape(name)}</a></li>'
        for station, name in _store(request).stations()
    )
    body = _page.substitute(style=_style, stations=stations, version=html.escape(_settings(request).version))
    return HTMLResponse(body, headers=_page_headers)


def health(request: Request) -> Response:
    """GET /healthz: 200 while the tide table can be read."""
    stations = len(_store(request).stations())
    return JSONResponse({"status": "ok", "version": _settings(request).version, "stations": stations}, headers=NO_STORE)


def tide(request: Request) -> Response:
    """GET /tides/STATION: the station's row, for who knows the password."""
    if not _authorized(request, _password(_settings(request).secrets_directory / SECRET)):
        raise HTTPException(401, headers={"WWW-Authenticate": 'Basic realm="driftwood", charset="UTF-8"', **NO_STORE})
    row = _store(request).tide(request.path_params["station"])
    if row is None:
        raise HTTPException(404, headers=NO_STORE)
    return JSONResponse(row, headers=NO_STORE)


def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


def _store(request: Request) -> TideStore:
    store: TideStore = request.app.state.store
    return store


def _password(path: Path) -> bytes:
    """Reads the secret; without one the route answers 503: an absent or empty password must not let anybody in."""
    try:
        password = path.read_bytes().removesuffix(b"\n")
    except OSError as error:
        _log.error("secret %s cannot be read: %s", path, error.strerror)
        raise HTTPException(503, headers=NO_STORE) from None
    if not password:
        _log.error("secret %s is empty", path)
        raise HTTPException(503, headers=NO_STORE)
    return password


def _authorized(request: Request, password: bytes) -> bool:
    """Compares the request's Basic credentials in constant time."""
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return False
    try:
        given = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(given, USER.encode() + b":" + password)
