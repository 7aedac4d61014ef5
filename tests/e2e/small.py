"""A service that builds in a second, for tests that break one thing at a time, and what a failed run must look like."""

import json
import re
import subprocess
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.e2e.conftest import Checkout, commit
from tests.e2e.names import PREFIX
from tests.e2e.oci import RegistryClient

DOCKERFILE = """\
FROM python:3.12-slim
COPY app.py check.py /app/
USER 10001
HEALTHCHECK --interval=1s --timeout=60s --retries=4 CMD ["python", "/app/check.py"]
ENTRYPOINT ["python", "-u", "/app/app.py"]
"""
APP = """\
import http.server
import signal
import sys

signal.signal(signal.SIGTERM, lambda *_: sys.exit())
print("the small service listens", flush=True)
http.server.HTTPServer(("0.0.0.0", 8080), http.server.BaseHTTPRequestHandler).serve_forever()
"""
# An engine older than 25 checks as often after the start as at it. So each check but the first takes half a minute: the
# checks of ten containers would ask for a quarter of what all tests ask of the processors.
CHECK = """\
import os
import pathlib
import socket

socket.create_connection(("127.0.0.1", 8080), 1).close()
print("it listens", flush=True)
checked = pathlib.Path("/tmp/checked")
if checked.exists():
    os.execvp("sleep", ["sleep", "30"])
checked.touch()
"""
PLATFORM = "linux/amd64"
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def write_context(checkout: Checkout, name: str, files: Mapping[str, str | bytes] | None = None) -> Path:
    """Write the context of the small service into the checkout, commit it, and return its folder.

    Args:
        checkout: the checkout.
        name: name of the folder under `small/`.
        files: files that differ from the healthy service's.
    """
    folder = checkout.root / "small" / name
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in {"Dockerfile": DOCKERFILE, "app.py": APP, "check.py": CHECK, **(files or {})}.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    commit(checkout.root, f"write {name}", f"small/{name}")
    return folder


def small_stack(
    checkout: Checkout,
    name: str,
    change: Callable[[dict[str, Any]], None] | None = None,
    files: Mapping[str, str | bytes] | None = None,
) -> str:
    """A stack with the small service alone, for one platform, without secrets.

    Args:
        checkout: the checkout.
        name: name of the stack.
        change: edits its configuration, whose keys are without the `slipway:` prefix.
        files: files of its context that differ from the healthy service's.
    """
    write_context(checkout, name, files)

    def shrink(settings: dict[str, Any]) -> None:
        web = settings["services"]["web"]
        web["build"] = {
            "context": f"small/{name}",
            "source": web["build"]["source"],
            "base_images": web["build"]["base_images"],
            "platforms": [PLATFORM],
            "cache": False,
        }
        web["run"] = {"name": web["run"]["name"], "memory": 64, "ports": web["run"]["ports"], "stop_timeout": 1}
        if change:
            change(settings)

    checkout.stack(name, shrink)
    checkout.write_policy(name, platforms=[PLATFORM])
    return name


def push_database(checkout: Checkout, folder: Path, file: str, kind: str, name: str) -> str:
    """Push a database of trivy's to quarantine, as trivy pulls it, and return its reference.

    Args:
        checkout: the checkout.
        folder: holds the database and its `metadata.json`.
        file: the database.
        kind: trivy's word for it in the media type of the layer.
        name: repository and tag.
    """
    archive, reference = f"{kind}.tar.gz", f"{checkout.quarantine.address}/{name}"
    with tarfile.open(folder / archive, "w:gz") as packed:
        for content in (file, "metadata.json"):
            packed.add(folder / content, arcname=content)
    (folder / "config.json").write_text("{}")
    config = "config.json:application/vnd.aquasec.trivy.config.v1+json"
    layer = f"{archive}:application/vnd.aquasec.trivy.{kind}.layer.v1.tar+gzip"
    checkout.run("oras", "push", "--plain-http", "--config", config, reference, layer, cwd=folder)
    return reference


def attempt(checkout: Checkout, stack: str) -> subprocess.CompletedProcess[str]:
    """`pulumi up`, which may fail; without its preview, as it checks what is known before the first resource too."""
    return checkout.up(stack, "--skip-preview", check=False)


def container_of(stack: str) -> str:
    """Name of a stack's container."""
    return f"{PREFIX}-{stack}"


def refused(ended: subprocess.CompletedProcess[str], *told: str) -> str:
    """Make sure that a run failed in words for a person, and return its output without colours.

    Args:
        ended: the run.
        told: what the message must say: the key or resource, what was seen, what to do.
    """
    output = _COLOUR.sub("", ended.stdout)
    assert ended.returncode != 0, output
    assert "Traceback" not in output, output
    assert "panic:" not in output, output
    for text in told:
        assert text in output, f"it does not say {text!r}:\n{output}"
    return output


def mistakes(output: str) -> list[str]:
    """The lines of a message that lists what is wrong, without what stands around them."""
    return [line.strip() for line in output.splitlines() if line.strip().startswith("slipway:")]


def resources(checkout: Checkout, stack: str, project: str = "slipway") -> set[str]:
    """Names of the resources in a stack's state, beside the stack itself and its components and providers."""
    return {
        str(entry["urn"]).rpartition("::")[2]
        for entry in checkout.state(stack, project).get("resources") or ()
        if entry["custom"] and not entry["type"].startswith("pulumi:")
    }


def digest_in_state(checkout: Checkout, stack: str) -> str:
    """The digest of the image that a stack built."""
    built = [it for it in checkout.state(stack)["resources"] if it["type"] == "docker-build:index:Image"]
    digest: str = built[0]["outputs"]["digest"]
    return digest


def pending(checkout: Checkout, stack: str) -> list[dict[str, Any]]:
    """Operations that a stack's state calls unfinished."""
    return list(checkout.state(stack).get("pending_operations") or ())


def containers(checkout: Checkout, name: str) -> list[str]:
    """Ids of the containers with exactly this name, running or not."""
    return checkout.run("docker", "ps", "--all", "--no-trunc", "--quiet", "--filter", f"name=^/{name}$").stdout.split()


def repositories(registry: RegistryClient) -> set[str]:
    """Every repository that a registry has ever taken something for."""
    status, _, body = registry.request("_catalog?n=1000")
    assert status == 200, body
    return set(json.loads(body)["repositories"])
