"""Services of one stack that change places: ports and names go over without loss, or a message says how they do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Checkout, free_port
from tests.e2e.names import PREFIX
from tests.e2e.small import attempt, refused, small_stack

STACK = "places"
NAMES = {"web": f"{PREFIX}-places-web", "api": f"{PREFIX}-places-api"}


@pytest.fixture(scope="module", name="ports")
def two_ports() -> dict[str, int]:
    """A port of the host for each service."""
    return {"web": free_port(), "api": free_port()}


@pytest.fixture(scope="module", name="placed")
def two_services(checkout: Checkout, ports: dict[str, int]) -> Checkout:
    """The checkout, with a stack of two services, each with a port of its own; one of them has a secret file too."""

    def change(settings: dict[str, Any]) -> None:
        web = settings["services"].pop("web")
        for name, container in NAMES.items():
            # The provider reads ports back in another order than this one.
            listens = [{"container": 9090, "host": free_port()}, {"container": 8080, "host": ports[name]}]
            run = web["run"] | {"name": container, "ports": listens}
            settings["services"][name] = web | {"repository": f"places/{name}", "run": run}
        api = settings["services"]["api"]["run"]
        api["secrets"] = {"password": {"file": ".slipway/keys/pip_token"}}

    small_stack(checkout, STACK, change)
    checkout.up(STACK, "--skip-preview")
    return checkout


def identities(checkout: Checkout) -> list[str]:
    """The ids of both containers, which must run."""
    found = [checkout.inspect(name) for name in NAMES.values()]
    assert all(it["State"]["Running"] for it in found)
    return [it["Id"] for it in found]


def test_ports_in_another_order_than_the_engines_replace_no_container(placed: Checkout) -> None:
    before = identities(placed)
    placed.preview(STACK, "--expect-no-changes")
    assert identities(placed) == before


def test_secret_files_that_move_are_mounted_from_where_they_are(placed: Checkout, tmp_path: Path) -> None:
    def move(settings: dict[str, Any]) -> None:
        settings["secrets_directory"] = str(tmp_path / "secrets")

    placed.edit_stack(STACK, move)
    placed.up(STACK, "--skip-preview")
    [mount] = placed.inspect(NAMES["api"])["Mounts"]
    assert mount["Source"].startswith(f"{tmp_path}/secrets/")
    placed.edit_stack(STACK, lambda settings: settings.pop("secrets_directory"))
    placed.up(STACK, "--skip-preview")
    [mount] = placed.inspect(NAMES["api"])["Mounts"]
    assert Path(mount["Source"]).is_file() and str(tmp_path) not in mount["Source"]


@pytest.mark.parametrize(
    ("setting", "value", "seen"),
    [
        ("open_files", 2048, lambda it: it["HostConfig"]["Ulimits"][0]["Soft"] == 2048),
        ("capabilities", ["NET_BIND_SERVICE"], lambda it: it["HostConfig"]["CapAdd"] == ["CAP_NET_BIND_SERVICE"]),
        (
            "temporary",
            {"/tmp": "rw,noexec,nosuid,nodev,size=32m"},
            lambda it: it["HostConfig"]["Tmpfs"]["/tmp"].endswith("size=32m"),
        ),
        ("health", {"interval": 3}, lambda it: it["Config"]["Healthcheck"]["Interval"] == 3_000_000_000),
    ],
)
def test_a_changed_setting_is_one_of_the_container_too(
    placed: Checkout, setting: str, value: Any, seen: Callable[[Any], bool]
) -> None:
    before = placed.inspect(NAMES["web"])
    assert not seen(before)
    placed.edit_stack(STACK, lambda settings: settings["services"]["web"]["run"].update({setting: value}))
    placed.up(STACK, "--skip-preview")
    after = placed.inspect(NAMES["web"])
    assert seen(after), after
    assert after["Id"] != before["Id"]


def test_two_services_that_swap_ports_are_told_how_before_either_goes(placed: Checkout, ports: dict[str, int]) -> None:
    before = identities(placed)

    def swap(settings: dict[str, Any]) -> None:
        web, api = (settings["services"][name]["run"]["ports"][1] for name in NAMES)
        web["host"], api["host"] = api["host"], web["host"]

    placed.edit_stack(STACK, swap)
    refused(
        attempt(placed, STACK),
        f"port 127.0.0.1:{ports['web']} is taken by container {NAMES['web']} of this stack",
        f"port 127.0.0.1:{ports['api']} is taken by container {NAMES['api']} of this stack",
        "two that change ports with each other need a third one in between",
    )
    placed.edit_stack(STACK, swap)
    assert identities(placed) == before


def test_a_service_goes_on_under_another_name_by_what_the_message_says_and_keeps_its_secret(placed: Checkout) -> None:
    before = identities(placed)

    def rename(settings: dict[str, Any]) -> None:
        settings["services"]["shop"] = settings["services"].pop("api")

    placed.edit_stack(STACK, rename)
    refused(
        attempt(placed, STACK),
        f"container name {NAMES['api']} is taken by",
        "if api was given up or renamed, take its container down first "
        "(`pulumi destroy --target '**:HardenedContainer::api' --target-dependents`)",
    )
    assert identities(placed) == before
    target = ("--target", "**:HardenedContainer::api", "--target-dependents")
    placed.run("pulumi", "destroy", "--stack", STACK, "--yes", "--skip-preview", *target)
    placed.up(STACK, "--skip-preview")
    # A second run removes nothing that the first has left behind.
    placed.up(STACK, "--skip-preview")
    assert placed.run("docker", "restart", NAMES["api"])
    assert secret_in(placed) == secret_of(placed)


def secret_of(placed: Checkout) -> str:
    """What the secret file has to hold."""
    return (placed.root / ".slipway/keys/pip_token").read_text().strip()


def secret_in(placed: Checkout) -> str:
    """What the container sees."""
    return placed.run("docker", "exec", NAMES["api"], "cat", "/run/secrets/password").stdout.strip()


def test_a_secret_file_that_somebody_lost_is_made_again(placed: Checkout) -> None:
    [urn] = [it["urn"] for it in placed.state(STACK)["resources"] if it["urn"].endswith("-secret-password")]
    [mount] = placed.inspect(NAMES["api"])["Mounts"]
    Path(mount["Source"]).unlink()
    placed.up(STACK, "--skip-preview", "--replace", urn)
    assert Path(mount["Source"]).read_text().strip() == secret_of(placed)
    placed.run("docker", "restart", NAMES["api"])
    assert secret_in(placed) == secret_of(placed)


def test_on_another_engine_everything_is_made_anew(placed: Checkout, tmp_path: Path) -> None:
    before = identities(placed)
    networks = {placed.inspect(name)["HostConfig"]["NetworkMode"] for name in NAMES.values()}
    # The same engine by another address: what is not taken down by the first one holds names and ports.
    address = tmp_path / "engine.sock"
    address.symlink_to("/var/run/docker.sock")
    placed.edit_stack(STACK, lambda settings: settings.update(docker=f"unix://{address}"))
    placed.up(STACK, "--skip-preview")
    assert not set(identities(placed)) & set(before)
    left = placed.run("docker", "network", "ls", "--format", "{{.Name}}").stdout.split()
    assert not networks & set(left)
    placed.preview(STACK, "--expect-no-changes")
