"""The policy pack on the real engine, of what else runs or changes a container: Swarm services, exec, previews."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.bare import NAME, REPOSITORY, Bare, Released, bare_project, only
from tests.e2e.conftest import Checkout
from tests.e2e.small import refused

SERVICE = only("pulumi_docker.Service")
COMMAND = only("pulumi_command.local.Command")
BUILD = only("pulumi_docker_build.Image")


@pytest.fixture(scope="module")
def bare(released: Released) -> Iterator[Bare]:
    """The project with its stack; destroyed afterwards."""
    with bare_project(released, "bare-others") as project:
        yield project


@pytest.fixture
def swarm(checkout: Checkout) -> Iterator[None]:
    """A swarm of one node on this engine, for the time of a test."""
    checkout.run("docker", "swarm", "init", "--advertise-addr", "127.0.0.1")
    try:
        yield
    finally:
        checkout.run("docker", "swarm", "leave", "--force")
        checkout.run("docker", "network", "rm", "docker_gwbridge", check=False)


def service(image: str, **changes: Any) -> dict[str, Any]:
    """The inputs of a locked-down Swarm service, with some of its container changed."""
    container = {
        "image": image,
        "user": "10001",
        "read_only": True,
        "cap_drops": ["ALL"],
        "healthcheck": {"tests": ["CMD", "python", "-c", "pass"], "interval": "1s"},
    }
    return {
        "name": NAME,
        "task_spec": {
            "container_spec": container | changes,
            "resources": {"limits": {"memory_bytes": 64 * 1024**2, "nano_cpus": 500_000_000}},
            "restart_policy": {"condition": "on-failure", "max_attempts": 3},
            "log_driver": {"name": "json-file", "options": {"max-size": "1m", "max-file": "2"}},
        },
    }


def services(checkout: Checkout) -> list[str]:
    """Names of the services of the swarm."""
    return checkout.run("docker", "service", "ls", "--format", "{{.Name}}").stdout.split()


def test_a_swarm_service_that_is_wide_open_is_not_made(bare: Bare, swarm: None) -> None:
    socket = {"type": "bind", "source": "/var/run/docker.sock", "target": "/var/run/docker.sock"}
    image = f"{bare.checkout.quarantine.address}/{REPOSITORY}@{bare.released.record.digest}"
    output = bare.stopped(
        service(image, user="0", read_only=False, cap_drops=[], mounts=[socket]),
        "image-comes-from-an-allowed-repository",
        "container-user-is-not-root",
        "container-root-is-read-only",
        "container-drops-all-capabilities",
        "container-mounts-no-engine-socket",
        program=SERVICE,
    )
    assert "taskSpec.containerSpec.readOnly" in output
    assert services(bare.checkout) == []


def test_a_swarm_service_of_a_release_that_is_locked_down_is_made(bare: Bare, swarm: None) -> None:
    try:
        ended = bare.up(service(bare.released.record.reference), program=SERVICE)
        assert ended.returncode == 0, ended.stdout
        assert services(bare.checkout) == [NAME]
    finally:
        bare.destroy()


@pytest.mark.parametrize(
    ("flags", "rule"),
    [("--privileged", "container-exec-is-not-privileged"), ("--user 0", "container-exec-is-not-root")],
)
def test_a_command_that_opens_a_running_container_does_not_run(bare: Bare, flags: str, rule: str) -> None:
    ran = bare.folder / "ran"
    inputs = {"create": f"touch ran; docker exec {flags} web id"}
    output = bare.stopped(inputs, rule, program=COMMAND)
    assert "create runs docker exec" in output
    assert not ran.exists()


def test_a_preview_that_pushes_a_cache_fails(bare: Bare) -> None:
    """What it has pushed is there: Pulumi goes on with a preview after a violation."""
    cache = f"{bare.checkout.quarantine.address}/bare-cache:latest"
    inputs = {
        "builder": {"name": "slipway"},
        "context": {"location": "."},
        "dockerfile": {"inline": "FROM scratch\nCOPY Pulumi.yaml /\n"},
        "platforms": ["linux/amd64"],
        "cache_to": [{"registry": {"ref": cache}}],
        "push": False,
        "build_on_preview": True,
    }
    output = refused(bare.run("preview", inputs, program=BUILD), "preview-pushes-nothing")
    assert f"pushes its cache (cacheTo[0].registry.ref) to {cache}" in output
