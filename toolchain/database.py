"""The vulnerability database in quarantine: a mirror of trivy's official one, else a small one that is built here.

Either is the OCI artifact ``trivy-db:2`` that trivy pulls with ``--db-repository``: one layer, a gzipped tar of
``trivy.db`` and ``metadata.json``. The small one is built from the few advisories in ``toolchain/advisories``. It lets
a machine without the internet walk the whole way; it protects nobody.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import shutil
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path

from toolchain.environment import Project
from toolchain.errors import ToolchainError
from toolchain.programs import run_tool
from toolchain.services.service import Report

ADVISORIES = Path(__file__).parent / "advisories"
OFFICIAL = ("mirror.gcr.io/aquasec/trivy-db:2", "ghcr.io/aquasecurity/trivy-db:2")
"""Where trivy itself looks, in its order (trivy 0.70, pkg/db)."""
CONFIG_TYPE = "application/vnd.aquasec.trivy.config.v1+json"
LAYER_TYPE = "application/vnd.aquasec.trivy.db.layer.v1.tar+gzip"
MANIFEST_TYPES = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json"
Tool = Callable[[str], Path]
REFRESH_SECONDS = 24 * 3600
ANSWER_SECONDS = 3.0
"""Seconds that a site gets to answer before it counts as out of reach."""


def ensure_database(
    project: Project,
    environment: Mapping[str, str],
    report: Report,
    tool: Tool,
    *,
    advisories: Path = ADVISORIES,
    reachable: Callable[[str], bool] | None = None,
) -> str:
    """Makes sure that quarantine holds a database younger than 24 hours; returns its source, ``official`` or ``local``.

    An official one that cannot be refreshed stays: a scan judges its age itself.

    Args:
        project: the checkout; its quarantine registry must run.
        environment: the prepared environment, with oras on its PATH.
        report: takes a line when the database was made anew, and always where it is the small local one.
        tool: makes sure of a tool that is only needed at times, here trivy-db and Go, and returns its program.
        advisories: folder of OSV advisories that the local one is built from.
        reachable: tells whether a registry's host answers; asked before anything is pulled.

    Raises:
        ToolchainError: neither could be made.
    """
    record = project.services / "quarantine" / "trivy-db.json"
    digest = manifest_digest(project.quarantine, "trivy-db", "2")
    known = _read(record) if digest is not None else {}
    held = known.get("source", "") if known.get("digest") == digest else ""
    wanted = _fingerprint(advisories)
    age = time.time() - float(known.get("refreshed", "0"))
    unchanged = held == "official" or known.get("advisories") == wanted
    if held and unchanged and 0 <= age < REFRESH_SECONDS:
        _say_local(held, report)
        return held
    source = _mirror(project, environment, report, reachable or registry_reachable)
    if source is None and held == "official":
        report(f"vulnerability database: the official one is out of reach; keeping the copy of {age / 3600:.0f} h ago")
        return held
    if source is None:
        build_database(project.quarantine, project.state / "trivy-db", environment, tool, advisories)
        source = "local"
    refreshed = {
        "digest": manifest_digest(project.quarantine, "trivy-db", "2") or "",
        "source": source,
        "refreshed": str(time.time()),
        "advisories": wanted,
    }
    record.write_text(json.dumps(refreshed, indent=2) + "\n", encoding="utf-8")
    # trivy asks for a new one only after the old one's date; what it unpacked before is not what quarantine holds now.
    for unpacked in (project.state / "trivy").glob("*/db"):
        shutil.rmtree(unpacked)
    _say_local(source, report)
    return source


def registry_reachable(host: str) -> bool:
    """Tells whether the registry at ``host`` answers over HTTPS within 3 seconds."""
    try:
        with urllib.request.urlopen(f"https://{host}/v2/", timeout=ANSWER_SECONDS):
            return True
    except urllib.error.HTTPError as error:
        # Registries that hand out tokens answer 401 to whoever has none yet.
        return error.code == 401
    except (OSError, http.client.HTTPException):
        return False


def manifest_digest(registry: str, repository: str, reference: str) -> str | None:
    """Returns the digest of a manifest in a plain-HTTP registry on this machine; None where it holds none."""
    request = urllib.request.Request(f"http://{registry}/v2/{repository}/manifests/{reference}", method="HEAD")
    request.add_header("Accept", MANIFEST_TYPES)
    # A proxy has no business between this machine and itself.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=ANSWER_SECONDS) as response:
            digest: str | None = response.headers.get("Docker-Content-Digest")
            return digest
    except urllib.error.HTTPError:
        return None
    except (OSError, http.client.HTTPException) as error:
        raise ToolchainError(
            f"the quarantine registry ({registry}) does not answer ({error}): run `make up`"
        ) from error


def _mirror(
    project: Project, environment: Mapping[str, str], report: Report, reachable: Callable[[str], bool]
) -> str | None:
    """Copies the official database; returns ``official``, or None where no site of it can be had."""
    for official in OFFICIAL:
        if not reachable(official.partition("/")[0]):
            continue
        report(f"vulnerability database: copying the official one from {official}")
        copy = ["oras", "cp", "--to-plain-http", official, f"{project.quarantine}/trivy-db:2"]
        problem = run_tool(copy, project.root, environment, 600)
        if problem is None:
            return "official"
        report(f"vulnerability database: {official} answered, but the copy failed: {problem}")
    return None


def build_database(registry: str, work: Path, environment: Mapping[str, str], tool: Tool, advisories: Path) -> None:
    """Builds a small database with trivy-db, and pushes it to a registry as `trivy-db:2`.

    Args:
        registry: where it goes, over plain HTTP.
        work: a folder for what is made on the way; it is emptied first, and gone afterwards.
        environment: the prepared environment, with oras on its PATH.
        tool: makes sure of a tool, and returns its program.
        advisories: folder of OSV advisories that it is built from.

    Raises:
        ToolchainError: a tool cannot be had, or failed.
    """
    from toolchain.gobuild import Go  # a database that is there needs no builds

    shutil.rmtree(work, ignore_errors=True)
    cache, output = work / "cache", work / "out"
    # trivy-db reads this folder whatever it is told to update.
    (cache / "cocoapods-specs" / "Specs").mkdir(parents=True)
    reviewed = cache / "ghsa" / "advisories" / "github-reviewed"
    for path in sorted(advisories.glob("*.json")):
        year, month, _ = json.loads(path.read_text(encoding="utf-8"))["published"].split("-", 2)
        target = reviewed / year / month / path.stem / path.name
        target.parent.mkdir(parents=True)
        shutil.copyfile(path, target)
    build = [str(tool("trivy-db")), "build", "--cache-dir", str(cache), "--output-dir", str(output)]
    # As it starts, trivy-db asks a `go` on PATH for the packages of the standard library, and ends where there is none.
    with_go = Go.of(tool("go")).environment(environ=environment)
    _must([*build, "--only-update", "ghsa", "--update-interval", "24h"], work, with_go)
    with tarfile.open(work / "db.tar.gz", "w:gz") as archive:
        for name in ("trivy.db", "metadata.json"):
            archive.add(output / name, arcname=name)
    (work / "config.json").write_text("{}", encoding="ascii")
    push = ["oras", "push", "--plain-http", "--config", f"config.json:{CONFIG_TYPE}"]
    _must([*push, f"{registry}/trivy-db:2", f"db.tar.gz:{LAYER_TYPE}"], work, environment)
    shutil.rmtree(work)


def _must(argv: list[str], folder: Path, environment: Mapping[str, str]) -> None:
    problem = run_tool(argv, folder, environment, 120)
    if problem is not None:
        raise ToolchainError(f"vulnerability database: {Path(argv[0]).name} {argv[1]} failed: {problem}")


def _say_local(source: str, report: Report) -> None:
    if source == "local":
        report(
            "vulnerability database: a small local one of a few known advisories, because the official one is out of "
            "reach. It shows that the gate works; it is NO protection"
        )


def _fingerprint(advisories: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(advisories.glob("*.json")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _read(path: Path) -> dict[str, str]:
    try:
        content: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
        return content
    except (OSError, ValueError):
        return {}
