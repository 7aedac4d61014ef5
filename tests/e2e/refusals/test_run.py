"""Faults on the host: what cannot run is refused while the old container still runs, and says what to do."""

import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Checkout, free_port
from tests.e2e.names import PREFIX
from tests.e2e.small import (
    APP,
    DOCKERFILE,
    attempt,
    container_of,
    containers,
    refused,
    resources,
    small_stack,
    write_context,
)

STACK = "running"
SICK = """\
import time

print("starting", flush=True)
print("cannot reach the tide gauge", flush=True)
time.sleep(3600)
"""
HUNGRY = """\
import pathlib
import threading
import time


def grow():
    of_both_versions = "memory.max", "memory/memory.limit_in_bytes"
    [limit] = [it for name in of_both_versions if (it := pathlib.Path("/sys/fs/cgroup", name)).exists()]
    while int(limit.read_text()) > 128 << 20:
        time.sleep(0.1)
    held = bytearray(b"x") * (128 << 20)
    time.sleep(len(held))


threading.Thread(target=grow, daemon=True).start()
"""
"""It needs more than it may have, as soon as it may have less than 128 MiB."""
SICK_CHECK = """\
import sys

sys.exit("the tide gauge does not answer")
"""


@pytest.fixture(scope="module")
def running(checkout: Checkout, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A stack whose container runs and is healthy; each test breaks one thing and finds the old container running."""
    secret = tmp_path_factory.mktemp("running") / "key"
    secret.write_text("the value of the key\n")
    secret.chmod(0o600)

    def change(settings: dict[str, Any]) -> None:
        settings["services"]["web"]["run"]["secrets"] = {"key": {"file": str(secret)}}

    stack = small_stack(checkout, STACK, change)
    checkout.up(stack, "--skip-preview")
    return stack


@pytest.fixture
def unharmed(checkout: Checkout, running: str) -> Iterator[str]:
    """The running stack; afterwards it is as before: the same container runs, healthy, and its settings are back."""
    file = checkout.root / "stacks" / f"Pulumi.{running}.yaml"
    settings, before = file.read_text(), checkout.inspect(container_of(running))
    yield running
    after = checkout.inspect(container_of(running))
    assert after["Id"] == before["Id"]
    assert after["State"]["StartedAt"] == before["State"]["StartedAt"]
    assert after["State"]["Health"]["Status"] == "healthy"
    assert all(Path(mount["Source"]).exists() for mount in after["Mounts"] if mount["Type"] == "bind")
    file.write_text(settings)
    write_context(checkout, running)


def test_an_engine_that_is_down_is_named_before_anything_is_made(checkout: Checkout, unharmed: str) -> None:
    checkout.edit_stack(unharmed, lambda settings: settings.update(docker="unix:///nonexistent/docker.sock"))
    before = resources(checkout, unharmed)
    refused(
        attempt(checkout, unharmed),
        "nothing was changed",
        "slipway:docker: the Docker Engine at /nonexistent/docker.sock does not answer (No such file or directory)",
        "start it, or write the path of its socket",
    )
    assert resources(checkout, unharmed) == before


def test_a_port_that_another_process_holds_is_refused(checkout: Checkout, unharmed: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        checkout.edit_stack(unharmed, lambda settings: set_port(settings, port))
        refused(
            attempt(checkout, unharmed),
            "web-preflight",
            f"port 127.0.0.1:{port} is taken by another process",
            f"ss -ltnp 'sport = :{port}'",
            "or choose another run.ports[].host",
        )


def set_port(settings: dict[str, Any], port: int) -> None:
    """Move the service to another port of the host."""
    settings["services"]["web"]["run"]["ports"][0]["host"] = port


def test_a_port_that_another_container_holds_is_refused_by_the_containers_name(
    checkout: Checkout, unharmed: str, foreign: tuple[str, int]
) -> None:
    name, port = foreign
    checkout.edit_stack(unharmed, lambda settings: set_port(settings, port))
    refused(attempt(checkout, unharmed), "web-preflight", f"port 127.0.0.1:{port} is taken by container {name}")


@pytest.fixture
def foreign(checkout: Checkout, running: str) -> Iterator[tuple[str, int]]:
    """A container of somebody else, and the port that it holds; it is the same afterwards."""
    name, port = f"{PREFIX}-foreign", free_port()
    image = checkout.inspect(container_of(running))["Image"]
    made = checkout.run("docker", "run", "--detach", "--name", name, "--publish", f"127.0.0.1:{port}:8080", image)
    identity = made.stdout.strip()
    yield name, port
    after = checkout.inspect(name)
    checkout.run("docker", "rm", "--force", name)
    assert after["Id"] == identity
    assert after["State"]["Running"]


def test_a_container_name_that_somebody_else_has_is_refused(
    checkout: Checkout, unharmed: str, foreign: tuple[str, int]
) -> None:
    name, _ = foreign
    checkout.edit_stack(unharmed, lambda settings: settings["services"]["web"]["run"].update(name=name))
    refused(
        attempt(checkout, unharmed),
        "web-preflight",
        f"container name {name} is taken by",
        "(not ours)",
        "choose another run.name, or remove that container",
    )


@pytest.mark.parametrize("user", ["USER root", "USER 0:10001", ""])
def test_an_image_that_runs_as_root_is_refused(checkout: Checkout, unharmed: str, user: str) -> None:
    write_context(checkout, unharmed, {"Dockerfile": DOCKERFILE.replace("USER 10001", user)})
    told = refused(attempt(checkout, unharmed), "web-scan-trivy", "runs as root", "set USER in the Dockerfile")
    assert_unpublished(checkout, unharmed, told)


def assert_unpublished(checkout: Checkout, stack: str, told: str) -> None:
    """Assert that the candidate that was refused is in quarantine alone."""
    assert "Nothing was signed or published." in told
    place, quarantine = f"{stack}/web", checkout.quarantine
    digests = set(re.findall(rf"{re.escape(quarantine.address)}/{place}@(sha256:[0-9a-f]{{64}})", told))
    assert digests
    assert all(quarantine.manifest(place, it) is not None for it in digests)
    assert all(checkout.private.manifest(place, it) is None for it in digests)


@pytest.mark.parametrize("check", ["HEALTHCHECK NONE", ""])
def test_an_image_without_a_health_check_is_refused(checkout: Checkout, unharmed: str, check: str) -> None:
    lines = [check if line.startswith("HEALTHCHECK") else line for line in DOCKERFILE.splitlines()]
    write_context(checkout, unharmed, {"Dockerfile": "\n".join(lines)})
    told = refused(
        attempt(checkout, unharmed),
        "web-scan-trivy",
        "has no health check: add HEALTHCHECK to the Dockerfile, or write run.health.test",
    )
    assert_unpublished(checkout, unharmed, told)


def test_a_user_who_could_not_read_the_secret_files_is_refused(checkout: Checkout, unharmed: str) -> None:
    write_context(checkout, unharmed, {"Dockerfile": DOCKERFILE.replace("USER 10001", "USER 1000")})
    told = refused(
        attempt(checkout, unharmed),
        "web-scan-trivy",
        "runs as user 1000, who cannot read the secret files of user 10001: write run.secrets_owner: 1000",
    )
    assert_unpublished(checkout, unharmed, told)


def test_an_unhealthy_app_fails_with_its_last_health_output_and_log_lines(checkout: Checkout) -> None:
    stack = small_stack(checkout, "sick", files={"app.py": SICK, "check.py": SICK_CHECK})
    output = refused(
        attempt(checkout, stack),
        "web-settle",
        "is unhealthy after",
        "Last health output: the tide gauge does not answer",
        "cannot reach the tide gauge",
        "correct the cause and run `pulumi up` again",
    )
    assert "Last log lines (`docker logs" in output
    # It is left for a look, and the next run brings the repaired one up.
    assert len(containers(checkout, container_of(stack))) == 1
    write_context(checkout, stack)
    checkout.up(stack, "--skip-preview")
    assert checkout.inspect(container_of(stack))["State"]["Health"]["Status"] == "healthy"
    assert len(containers(checkout, container_of(stack))) == 1


def test_less_memory_than_it_needs_fails_and_more_of_it_heals_the_same_container(checkout: Checkout) -> None:
    files = {"app.py": HUNGRY + APP, "check.py": "import socket\n\nsocket.create_connection(('127.0.0.1', 8080), 1)\n"}
    small_stack(checkout, "hungry", lambda its: memory(its, 256), files)
    checkout.up("hungry", "--skip-preview")
    container = checkout.inspect(container_of("hungry"))["Id"]
    checkout.edit_stack("hungry", lambda its: memory(its, 64))
    told = "A process in it was killed for lack of memory (run.memory is 64 MiB): raise it."
    refused(attempt(checkout, "hungry"), "web-settle", told)
    checkout.edit_stack("hungry", lambda its: memory(its, 320))
    checkout.up("hungry", "--skip-preview")
    seen = checkout.inspect(container_of("hungry"))
    assert (seen["Id"], seen["State"]["Health"]["Status"]) == (container, "healthy")
    checkout.preview("hungry", "--expect-no-changes")


def memory(settings: dict[str, Any], mebibytes: int) -> None:
    """Give the service this much memory."""
    settings["services"]["web"]["run"]["memory"] = mebibytes


def test_an_app_that_ends_at_once_fails_with_its_exit_code_and_last_lines(checkout: Checkout) -> None:
    stack = small_stack(checkout, "ends", files={"app.py": "raise SystemExit('no tide today')\n"})
    refused(attempt(checkout, stack), "web-settle", "stopped with exit code 1", "no tide today")


def test_a_user_with_the_number_of_root_is_stopped_whatever_its_name(checkout: Checkout) -> None:
    user = "RUN echo skipper:x:0:0::/:/bin/sh >> /etc/passwd\nUSER skipper"
    stack = small_stack(checkout, "skipper", files={"Dockerfile": DOCKERFILE.replace("USER 10001", user)})
    refused(attempt(checkout, stack), "web-settle", "ran as root and was stopped", "uid 0")
    assert not checkout.inspect(container_of(stack))["State"]["Running"]


def test_a_secrets_directory_that_cannot_be_made_is_named(checkout: Checkout, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("in the way\n")
    secret = tmp_path / "secret"
    secret.write_text("the value of the secret\n")
    secret.chmod(0o600)

    def change(settings: dict[str, Any]) -> None:
        settings["secrets_directory"] = str(file)
        settings["services"]["web"]["run"]["secrets"] = {"key": {"file": str(secret)}}

    stack = small_stack(checkout, "no-directory", change)
    output = refused(attempt(checkout, stack), "web-secret-key", f"secret file {file}/", "secrets_directory")
    assert "the value of the secret" not in output
    assert containers(checkout, container_of(stack)) == []


def test_a_network_that_somebody_removed_is_named_and_a_refresh_makes_it_anew(checkout: Checkout, running: str) -> None:
    container = container_of(running)
    network = checkout.inspect(container)["HostConfig"]["NetworkMode"]
    checkout.run("docker", "rm", "--force", container)
    checkout.run("docker", "network", "rm", network)
    write_context(checkout, running, {"app.py": APP + "# changed\n"})
    refused(
        attempt(checkout, running),
        "web-preflight",
        f"network {network} is in this stack's state, but no more on the engine",
        "`pulumi up --refresh` makes it anew",
    )
    assert containers(checkout, container) == []
    checkout.up(running, "--skip-preview", "--refresh")
    assert checkout.inspect(container)["State"]["Health"]["Status"] == "healthy"
