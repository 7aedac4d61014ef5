"""Staging and production of one small service: staging builds and proves, production takes it to another registry."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from components.record import ReleaseRecord
from tests.e2e.conftest import Checkout, commit, free_port
from tests.e2e.names import PREFIX
from tests.e2e.oci import RegistryClient
from tests.e2e.small import APP, DOCKERFILE, small_stack, write_context

PATH = "promotion/web"
"""The service's repository in every registry."""
PROVED, FAULTS = "staging-faults", "faults/web"
"""The staging, and the service's repository, of everything that goes wrong."""
SERVICE = APP.replace(
    "import http.server\n",
    """\
import http.server


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"tides of VERSION")

    def log_message(self, *_):
        pass

""",
).replace("http.server.BaseHTTPRequestHandler).serve", "Page).serve")
HASTY, PATIENT = "--interval=1s --timeout=60s --retries=4", "--interval=2s --timeout=10s --retries=9"
assert HASTY in DOCKERFILE
PACKAGES = (
    DOCKERFILE.replace("COPY app.py", "COPY packages/ /app/packages/\nCOPY app.py")
    # A machine that is busy is no failure here, and a check is no load beside what is timed.
    .replace(HASTY, PATIENT)
    .replace('["python", "/app/check.py"]', '["bash", "-c", "</dev/tcp/127.0.0.1/8080"]')
)


def files(version: str, package: str = "tides", release: str = "1.0.0") -> dict[str, str]:
    """The service at a version, with a package in it that a scanner finds."""
    metadata = f"Metadata-Version: 2.1\nName: {package}\nVersion: {release}\n"
    return {
        "Dockerfile": PACKAGES,
        "app.py": SERVICE.replace("VERSION", version),
        f"packages/{package}-{release}.dist-info/METADATA": metadata,
    }


Change = Callable[[dict[str, Any]], None]
"""Edits a stack's configuration, whose keys are without the `slipway:` prefix."""


def staging(checkout: Checkout, name: str, change: Change | None = None, path: str = PATH) -> str:
    """A stack that builds version 1.4.0 for both platforms, and proves it by its page."""

    def settings_of(settings: dict[str, Any]) -> None:
        settings["channel"] = "staging"
        settings["prove"] = {"checks": [{"name": "page", "url": "/", "contains": "tides of"}]}
        web = settings["services"]["web"]
        web["repository"] = path
        web["build"]["platforms"] = ["linux/amd64", "linux/arm64"]
        if change:
            change(settings)

    return small_stack(checkout, name, settings_of, files("1.4.0"))


def build(checkout: Checkout, stack: str, version: str, **package: str) -> None:
    """Change the service of a staging stack and the version that it is called, and commit that."""
    folder = checkout.root / "small" / stack / "packages"
    for path in folder.rglob("METADATA"):
        path.unlink()
    write_context(checkout, stack, files(version, **package))
    edit(checkout, stack, lambda settings: settings["services"]["web"].update(version=version))


def production(checkout: Checkout, name: str, takes: str, change: Change | None = None, path: str = PATH) -> str:
    """A stack that takes the service from another one, to production's own registry."""
    document = yaml.safe_load(checkout.checked_in("Pulumi.production.yaml"))
    settings = {key.removeprefix("slipway:"): value for key, value in document["config"].items()}
    settings["promote"]["from"] = [takes]
    settings["prove"] = {"checks": [{"name": "page", "url": "/", "contains": "tides of"}]}
    run = {"name": f"{PREFIX}-{name}", "memory": 64, "stop_timeout": 1}
    run["ports"] = [{"container": 8080, "host": free_port()}]
    settings["services"] = {"web": {"repository": path, "run": run}}
    if change:
        change(settings)
    checkout.write_stack(name, settings)
    (checkout.root / "stacks" / f"policy.{name}.json").write_text(checkout.checked_in("policy.production.json"))
    if name not in checkout.stacks:
        checkout.run("pulumi", "stack", "init", name, "--no-select")
        checkout.stacks.append(name)
    commit(checkout.root, f"write {name}")
    return name


def provide(checkout: Checkout) -> None:
    """Make sure of production's registry, its keys and credentials."""
    checkout.run("python3", "-m", "toolchain", "services", "--stack", "production")


def edit(checkout: Checkout, stack: str, change: Change) -> None:
    """Change the settings of a stack, and commit them: what promotes refuses a tree with changes."""
    checkout.edit_stack(stack, change)
    commit(checkout.root, f"edit {stack}")


def registry(checkout: Checkout) -> RegistryClient:
    """Production's registry, from outside."""
    address = f"localhost:{checkout.environment['SLIPWAY_PRODUCTION_PORT']}"
    authority = checkout.root / ".slipway" / "services" / "production" / "ca.crt"
    return RegistryClient(address, authority, ("production", checkout.key("production-registry.password")))


def record(checkout: Checkout, stack: str) -> ReleaseRecord:
    """What a stack says about its release."""
    return ReleaseRecord.model_validate(checkout.outputs(stack)["web"]["release"])


def attest(
    checkout: Checkout, reference: str, type_: str, predicate: Mapping[str, Any], key: str, folder: Path
) -> None:
    """Sign a statement about an artifact as anybody could who has this key, with cosign alone.

    Args:
        checkout: the checkout.
        reference: the artifact.
        type_: the end of the predicate type, `proved` or `approved`.
        predicate: what is said.
        key: the private key's file; its password is empty unless it is one of the checkout's.
        folder: for the predicate's file.
    """
    path = folder / "predicate.json"
    path.write_text(json.dumps(predicate))
    command = ["cosign", "attest", "--yes", "--key", key, "--tlog-upload=false", "--use-signing-config=false"]
    client = checkout.private
    command += ["--registry-cacert", str(client.authority), "--type", f"https://slipway.dev/{type_}/v1"]
    assert client.login
    login = [f"--registry-username={client.login[0]}", f"--registry-password={client.login[1]}"]
    own = Path(key).with_suffix(".password")
    password = own.read_text() if own.exists() else ""
    checkout.run(*command, *login, "--predicate", str(path), reference, env={"COSIGN_PASSWORD": password})


def prove(checkout: Checkout) -> ReleaseRecord:
    """What the staging of everything that goes wrong has built and proved; production's registry is there."""
    provide(checkout)
    staging(checkout, PROVED, path=FAULTS)
    checkout.up(PROVED, "--skip-preview")
    return record(checkout, PROVED)


_PUBLISH = """
import os, sys
from functools import partial
from pathlib import Path
from toolchain.database import build_database
from toolchain.progress import Progress
from toolchain.tools import ensure_tool

tool = partial(ensure_tool, Path.cwd(), report=Progress(sys.stderr))
build_database(sys.argv[1], Path(sys.argv[2]), os.environ, tool, Path(sys.argv[3]))
"""


def publish_todays_database(checkout: Checkout, folder: Path) -> str:
    """A vulnerability database that knows something new about the package in the service; where it is."""
    advisories = folder / "advisories"
    shutil.copytree(checkout.root / "toolchain" / "advisories", advisories)
    text = (advisories / "GHSA-462w-v97r-4m45.json").read_text()
    for old, new in (("GHSA-462w-v97r-4m45", "GHSA-aaaa-bbbb-cccc"), ("CVE-2019-10906", "CVE-2026-11111")):
        text = text.replace(old, new)
    text = text.replace('"Jinja2"', '"tides"').replace('"2.10.1"', '"1.0.1"')
    (advisories / "GHSA-aaaa-bbbb-cccc.json").write_text(text)
    registry = f"{checkout.quarantine.address}/today"
    publish_database(checkout, registry, folder / "work", advisories)
    return f"{registry}/trivy-db:2"


def publish_database(checkout: Checkout, registry: str, work: Path, advisories: Path) -> None:
    """Build a vulnerability database from a folder of advisories, and push it as `trivy-db:2`."""
    checkout.run("python3", "-c", _PUBLISH, registry, str(work), str(advisories))
