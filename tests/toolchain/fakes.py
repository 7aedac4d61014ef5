"""A machine made of small shell scripts: tools that tell a version, a Go that builds, and a uv that installs."""

from __future__ import annotations

import hashlib
import http.server
import io
import os
import socket
import tarfile
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from toolchain.install import Installation
from toolchain.pins import GoBuild, Pin, Pins, Release
from toolchain.progress import Progress
from toolchain.stamp import Stamp
from toolchain.store import Store
from toolchain.vendor import Sites
from toolchain.versions import Range

TARGET = "linux-amd64"

GO = """\
case $1 in
version) echo "go version go1.26.8 linux/amd64" ;;
env) printf '%s\\n' "$FAKE_GO/mod" "$FAKE_GO/build" ;;
build)
  echo "build $PWD" >> "$FAKE_GO/calls"
  while [ "$1" != -o ]; do shift; done
  sleep "${FAKE_GO_SECONDS:-0}"
  if [ -e "$FAKE_GO/broken" ]; then echo "main.go:7:3: undefined: frobnicate" >&2; exit 1; fi
  printf '#!/bin/sh\\n' > "$2"
  if [ -e "$FAKE_GO/wanted" ]; then echo 'command -v go > /dev/null || exit 2' >> "$2"; fi
  echo "echo $(basename "$2") 1.2.3" >> "$2"
  chmod +x "$2" ;;
esac
"""

UV = """\
[ "$1" = --version ] && { echo "uv 0.13.9"; exit; }
echo "$*" >> "$FAKE_UV"
case $1 in
venv) mkdir -p .venv/bin && ln -sf "$(command -v python3)" .venv/bin/python ;;
lock) touch uv.lock ;;
esac
"""


def script(folder: Path, name: str, body: str) -> Path:
    """Writes an executable shell script and returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}")
    path.chmod(0o755)
    return path


def telling(folder: Path, name: str, version: str) -> Path:
    """Writes a tool that tells ``version``, whatever it is asked."""
    return script(folder, name, f"echo {name} version {version}\n")


def tool(name: str = "frob", **changes: object) -> Pin:
    """Returns the pin of a tool at 1.2.3 that is built from a Go module of its own name."""
    given: dict[str, object] = {
        "version": "1.2.3",
        "accepts": Range.parse(">=1.2,<2"),
        "commands": (name,),
        "ask": ("version",),
        "go": (GoBuild(name, f"example.org/{name}", name),),
    }
    return Pin(name, **{**given, **changes})  # type: ignore[arg-type]


def plugin(name: str = "docker") -> Pin:
    """Returns the pin of a plugin at 5.2.0 that is built from a Go module of its own name."""
    binary = f"pulumi-resource-{name}"
    return Pin(name, "5.2.0", commands=(binary,), go=(GoBuild(name, ".", binary),), plugin=True)


@dataclass
class Machine:
    """A machine below one folder: PATH, the user's cache, Go modules, and a checkout."""

    root: Path
    output: io.StringIO

    @property
    def path(self) -> Path:
        """The one folder of its own on PATH."""
        return self.root / "bin"

    @property
    def project(self) -> Path:
        """The checkout."""
        return self.root / "project"

    @property
    def store(self) -> Store:
        """The user's cache."""
        return Store(self.root / "cache" / "slipway", TARGET, self.root / "modules")

    @property
    def stamp(self) -> Stamp:
        """The stamp of the checkout."""
        return Stamp(self.project, self.store, self.root / "pins.toml")

    @property
    def environ(self) -> dict[str, str]:
        """The environment: little but PATH."""
        return {
            "PATH": f"{self.path}{os.pathsep}/usr/bin{os.pathsep}/bin",
            "HOME": str(self.root / "home"),
            "PULUMI_HOME": str(self.root / "home" / ".pulumi"),
            "FAKE_GO": str(self.root / "go"),
            "FAKE_UV": str(self.root / "uv.calls"),
        }

    def installation(self, *tools: Pin, plugins: tuple[Pin, ...] = (), sites: Sites | None = None) -> Installation:
        """Returns an installation of ``tools`` and ``plugins``, along with uv and Go."""
        for pin in (*tools, *plugins):
            for build in pin.go:
                module = self.root / "modules" / build.module
                module.mkdir(parents=True, exist_ok=True)
                (module / "go.mod").write_text(f"module example.org/{build.module}\n")
        pins = Pins({pin.name: pin for pin in (*BASE, *tools)}, {pin.name: pin for pin in plugins})
        return Installation(self.stamp, pins, Progress(self.output), self.environ, sites or Sites(0.5, 0.5))

    def builds(self) -> int:
        """Returns how often Go was asked to build."""
        calls = self.root / "go" / "calls"
        return len(calls.read_text().splitlines()) if calls.exists() else 0


BASE = (
    Pin("uv", "0.13.9", Range.parse(">=0.9,<1"), ("uv",), ("--version",), debian=("none",)),
    Pin("go", "1.26.8", Range.parse(">=1.26.8,<1.27"), ("go",), ("version",), "build", debian=("none",)),
)


def new_machine(root: Path) -> Machine:
    """Makes a machine that has uv, Go and Python, and a checkout with its lock."""
    machine = Machine(root, io.StringIO())
    script(machine.path, "go", GO)
    script(machine.path, "uv", UV)
    (root / "go").mkdir()
    machine.project.mkdir()
    (machine.project / "requirements.lock").write_text("a==1\n")
    (machine.project / "pyproject.toml").write_text("[project]\n")
    (root / "pins.toml").write_text("# the pins of this machine are made by the test\n")
    return machine


def tar_gz(**files: bytes) -> bytes:
    """Returns a .tar.gz archive of ``files``; two underscores in a name stand for a slash."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name.replace("__", "/"))
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def zipped(**files: bytes) -> bytes:
    """Returns a .zip archive of ``files``; two underscores in a name stand for a slash."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/"), content)
    return buffer.getvalue()


@dataclass
class Site:
    """A vendor's site on loopback."""

    address: str
    asked: list[str]

    def release(self, path: str, content: bytes, *members: str) -> Release:
        """Returns the release at ``path`` whose pinned checksum is that of ``content``."""
        return Release(f"{self.address}/{path}", hashlib.sha256(content).hexdigest(), members)


@contextmanager
def serving(**answers: bytes) -> Iterator[Site]:
    """Serves ``answers`` on loopback: /NAME answers NAME; /half/NAME breaks off, /stall/NAME stops half way."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(200)
            self.end_headers()

        def do_GET(self) -> None:
            asked.append(self.path)
            how, _, name = self.path[1:].rpartition("/")
            content = answers.get(name.partition(".")[0])
            if content is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if how else content)
            self.wfile.flush()
            if how == "stall":
                time.sleep(3)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield Site(f"http://127.0.0.1:{server.server_port}", asked)
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def silent_site() -> Iterator[Site]:
    """A site that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield Site(f"http://127.0.0.1:{server.getsockname()[1]}", [])
