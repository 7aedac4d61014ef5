"""The vulnerability database and the base images in quarantine: when they are made, kept and made anew."""

import hashlib
import http.server
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from toolchain.bases import ensure_base_lock, refresh_lock
from toolchain.database import ADVISORIES, ensure_database
from toolchain.environment import Project
from toolchain.errors import ToolchainError

# Each stands for a tool: `oras` notes what it is told, `trivy-db` wants and writes what the real one does.
ORAS = """#!/bin/sh
echo "$@" >>"$PUSHED"
"""
TRIVY_DB = """#!/bin/sh
command -v go >/dev/null && mkdir -p "$5" && test -d "$3/cocoapods-specs/Specs" || exit 1
find "$3/ghsa" -name '*.json' | wc -l >"$5/trivy.db"
echo '{"Version": 2}' >"$5/metadata.json"
"""


class Quarantine(http.server.BaseHTTPRequestHandler):
    """A registry whose only manifest is told by how often something was pushed."""

    pushed: Path

    def do_HEAD(self) -> None:
        content = self.pushed.read_bytes() if self.pushed.exists() else b""
        self.send_response(200 if content else 404)
        self.send_header("Docker-Content-Digest", "sha256:" + hashlib.sha256(content).hexdigest())
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


class Bench:
    """A checkout with a quarantine, and what was said and pushed there."""

    def __init__(self, folder: Path, port: int) -> None:
        self.project = Project(folder, quarantine_port=port)
        self.record = self.project.services / "quarantine" / "trivy-db.json"
        self.record.parent.mkdir(parents=True)
        self.project.run.mkdir()
        self.tools = folder / "tools"
        self.tools.mkdir()
        for name, text in (("oras", ORAS), ("trivy-db", TRIVY_DB), ("sdk/go", "")):
            (self.tools / name).parent.mkdir(exist_ok=True)
            (self.tools / name).write_text(text)
            (self.tools / name).chmod(0o755)
        self.pushed = folder / "pushed"
        self.environment = {"PATH": f"{self.tools}:/usr/bin:/bin", "PUSHED": str(self.pushed)}
        self.said: list[str] = []

    def tool(self, name: str) -> Path:
        # Go is found where no PATH leads.
        return self.tools / ("sdk/go" if name == "go" else name)

    def ensure(self, *, online: bool, advisories: Path = ADVISORIES) -> str:
        self.said.clear()
        return ensure_database(
            self.project,
            self.environment,
            self.said.append,
            self.tool,
            advisories=advisories,
            reachable=lambda _host: online,
        )

    def pushes(self) -> list[str]:
        return self.pushed.read_text().splitlines() if self.pushed.exists() else []

    def age(self, hours: float) -> None:
        content = json.loads(self.record.read_text())
        content["refreshed"] = str(time.time() - hours * 3600)
        self.record.write_text(json.dumps(content))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    handler = type("Handler", (Quarantine,), {"pushed": tmp_path / "pushed"})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield Bench(tmp_path, server.server_port)
        server.shutdown()


def test_the_official_database_is_copied_where_it_can_be_reached(bench: Bench) -> None:
    assert bench.ensure(online=True) == "official"
    assert bench.pushes()[0].startswith("cp --to-plain-http ")
    assert "NO protection" not in "".join(bench.said)


def test_offline_a_local_one_is_built_and_called_no_protection(bench: Bench) -> None:
    assert bench.ensure(online=False) == "local"
    assert "application/vnd.aquasec.trivy.config.v1+json" in bench.pushes()[0]
    assert "db.tar.gz:application/vnd.aquasec.trivy.db.layer.v1.tar+gzip" in bench.pushes()[0]
    assert "NO protection" in "".join(bench.said)


def test_a_fresh_one_is_kept_and_the_local_one_is_still_called_what_it_is(bench: Bench) -> None:
    bench.ensure(online=False)
    assert bench.ensure(online=False) == "local"
    assert len(bench.pushes()) == 1
    assert "NO protection" in "".join(bench.said)


def test_one_of_more_than_a_day_is_made_anew_and_what_trivy_unpacked_goes(bench: Bench) -> None:
    bench.ensure(online=False)
    bench.age(hours=25)
    trivy = bench.project.state / "trivy"
    unpacked, kept = trivy / "quarantine" / "db", trivy / "layers" / "web-linux-amd64"
    unpacked.mkdir(parents=True)
    kept.mkdir(parents=True)
    (kept / "db").symlink_to(unpacked)
    bench.ensure(online=False)
    assert len(bench.pushes()) == 2
    assert not unpacked.exists()
    assert kept.is_dir(), "what was found in layers does not depend on the database"


def test_an_old_official_one_stays_rather_than_give_way_to_the_local_one(bench: Bench) -> None:
    bench.ensure(online=True)
    bench.age(hours=50)
    assert bench.ensure(online=False) == "official"
    assert len(bench.pushes()) == 1
    assert "keeping the copy of 50 h ago" in "".join(bench.said)


def test_changed_advisories_build_the_local_one_anew(bench: Bench, tmp_path: Path) -> None:
    bench.ensure(online=False)
    other = tmp_path / "advisories"
    other.mkdir()
    (other / "GHSA-x.json").write_text(json.dumps({"published": "2024-01-02T00:00:00Z"}))
    bench.ensure(online=False, advisories=other)
    assert len(bench.pushes()) == 2


def test_one_that_somebody_else_put_in_quarantine_is_replaced(bench: Bench) -> None:
    bench.ensure(online=False)
    bench.pushed.write_text("something else\n")
    bench.ensure(online=False)
    assert len(bench.pushes()) == 2


def test_a_tool_that_fails_is_quoted(bench: Bench) -> None:
    (bench.tools / "trivy-db").write_text("#!/bin/sh\necho 'disk full' >&2\nexit 1\n")
    with pytest.raises(ToolchainError, match="trivy-db build failed: disk full"):
        bench.ensure(online=False)
    assert not bench.record.exists()


def test_every_advisory_names_its_package_range_and_severity() -> None:
    advisories = [json.loads(path.read_text()) for path in sorted(ADVISORIES.glob("*.json"))]
    assert len(advisories) >= 3
    for advisory in advisories:
        assert advisory["aliases"][0].startswith("CVE-")
        assert advisory["affected"][0]["ranges"][0]["events"][-1]["fixed"]
        assert advisory["database_specific"]["severity"] in ("MODERATE", "HIGH", "CRITICAL")


def crane(bench: Bench) -> None:
    program = bench.tools / "crane"
    program.write_text(f'#!/bin/sh\necho "$@" >>"$PUSHED"\necho sha256:{"a" * 64}\n')
    program.chmod(0o755)


def lock(bench: Bench, *, refresh: bool = False) -> dict[str, str]:
    crane(bench)
    return ensure_base_lock(
        bench.project,
        bench.environment,
        bench.said.append,
        lambda name: bench.tools / name,
        refresh=refresh,
        reachable=lambda _host: True,
    )


def test_a_base_image_is_locked_by_digest_and_looked_up_once(bench: Bench) -> None:
    wanted = {"python:3.12-slim": f"docker.io/library/python@sha256:{'a' * 64}"}
    assert lock(bench) == wanted
    assert lock(bench) == wanted
    assert bench.pushes() == ["digest docker.io/library/python:3.12-slim"]
    assert json.loads(bench.project.base_lock.read_text()) == wanted


def test_a_refresh_says_what_moved(bench: Bench) -> None:
    old = {"python:3.12-slim": f"docker.io/library/python@sha256:{'b' * 64}"}
    bench.project.base_lock.write_text(json.dumps(old))
    assert lock(bench) == old
    lock(bench, refresh=True)
    assert f"moved from {old['python:3.12-slim']} to" in "".join(bench.said)


def test_a_stand_in_of_another_quarantine_does_not_count(bench: Bench) -> None:
    bench.project.base_lock.write_text(json.dumps({"python:3.12-slim": f"localhost:1/base/python@sha256:{'b' * 64}"}))
    assert lock(bench)["python:3.12-slim"].startswith("docker.io/")


def lock_of(bench: Bench, text: str) -> dict[str, str]:
    """A project's own lock after it was refreshed."""
    crane(bench)
    path = bench.project.root / "bases.json"
    path.write_text(text)
    locked = refresh_lock(path, bench.environment, bench.said.append)
    assert json.loads(path.read_text()) == locked
    return locked


def test_a_new_name_in_a_projects_own_lock_is_looked_up_where_it_lives(bench: Bench) -> None:
    names = ["node:22-slim", "bitnami/redis:7", "ghcr.io/astral-sh/uv:0.9", "docker.io/library/debian:12"]
    assert lock_of(bench, json.dumps(dict.fromkeys(names, ""))) == {
        "node:22-slim": f"docker.io/library/node@sha256:{'a' * 64}",
        "bitnami/redis:7": f"docker.io/bitnami/redis@sha256:{'a' * 64}",
        "ghcr.io/astral-sh/uv:0.9": f"ghcr.io/astral-sh/uv@sha256:{'a' * 64}",
        "docker.io/library/debian:12": f"docker.io/library/debian@sha256:{'a' * 64}",
    }
    assert f"node:22-slim: locked to docker.io/library/node@sha256:{'a' * 64}" in bench.said


def test_a_registry_that_does_not_answer_leaves_a_projects_own_lock_as_it_was(bench: Bench) -> None:
    path = bench.project.root / "bases.json"
    path.write_text(before := json.dumps({"python:3.12-slim": f"docker.io/library/python@sha256:{'c' * 64}"}))
    crane(bench)
    (bench.tools / "crane").write_text("#!/bin/sh\necho 'dial tcp: i/o timeout' >&2\nexit 1\n")
    with pytest.raises(ToolchainError, match=r"python:3.12-slim: its registry names no digest: dial tcp: i/o timeout"):
        refresh_lock(path, bench.environment, bench.said.append)
    assert path.read_text() == before


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{}", r'bases.json names no base image: write there \{"NAME": ""\} for each'),
        ('["node:22"]', r'bases.json is no lock of base images: write an object there, \{"NAME": ""\}'),
        ('{"node:22": "",}', r"bases.json is no lock of base images \(.*\): correct it"),
    ],
)
def test_a_file_that_is_no_lock_is_refused_with_what_to_write(bench: Bench, text: str, told: str) -> None:
    with pytest.raises(ToolchainError, match=told):
        lock_of(bench, text)
