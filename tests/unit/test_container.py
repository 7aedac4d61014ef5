"""HardenedContainer: every flag that the engine is given, and what it is never given."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.programs import PASSWORDS, SECRETS, a_container, run_args
from tests.recording import DIGEST, RELEASED, Engine, Registration, component

CONTAINER = "docker:index/container:Container"
SECRET_PATH = "/var/lib/slipway/secrets/driftwood.slipway.dev/web@driftwood-web/db_password"


def engine_of(**changes: Any) -> Engine:
    """The engine after a container with these settings."""
    return Engine().good(a_container(**changes), secrets=SECRETS)


def container_of(**changes: Any) -> Registration:
    """The docker container with these settings."""
    return engine_of(**changes).one(CONTAINER)


def test_it_runs_the_release_by_digest_and_under_its_name() -> None:
    container = container_of()
    assert container.inputs["image"] == RELEASED
    assert container.inputs["image"].endswith(f"@{DIGEST}")
    assert container.inputs["name"] == "driftwood-web"


def test_everything_that_it_does_not_need_is_locked_down_by_default() -> None:
    inputs = container_of().inputs
    assert inputs["readOnly"] is True
    assert inputs["capabilities"] == {"drops": ["ALL"], "adds": []}
    assert inputs["privileged"] is False
    assert inputs["cgroupnsMode"] == "private"
    assert inputs["securityOpts"] == ["no-new-privileges:true"]  # nothing that takes seccomp or AppArmor away
    assert inputs["tmpfs"] == {"/tmp": "rw,noexec,nosuid,nodev,size=64m"}
    assert inputs["restart"] == "unless-stopped"


def test_its_resources_are_bounded() -> None:
    inputs = container_of(memory=300, cpus=0.5, open_files=2048, stop_timeout=7).inputs
    assert inputs["memory"] == inputs["memorySwap"] == 300
    assert inputs["cpus"] == "0.5"
    assert inputs["ulimits"] == [{"name": "nofile", "soft": 2048, "hard": 2048}]
    assert inputs["stopTimeout"] == inputs["destroyGraceSeconds"] == 7


def test_bounds_hold_without_a_word_in_the_settings() -> None:
    engine = engine_of()
    inputs = engine.one(CONTAINER).inputs
    assert 0 < inputs["memory"] == inputs["memorySwap"]
    assert float(inputs["cpus"]) > 0
    assert [limit["name"] for limit in inputs["ulimits"]] == ["nofile"]
    assert int(engine.step("settle").values("--pids")[0]) > 0


def test_the_pids_limit_is_set_on_the_container_that_was_created() -> None:
    engine = engine_of(pids=42)
    settle = engine.step("settle")
    assert settle.values("--pids") == ["42"]
    assert settle.values("--memory") == ["256"]
    assert settle.values("--container") == ["web-container-id"]
    assert engine.one(CONTAINER).urn in settle.options["propertyDependencies"]["environment"].urns


def test_no_namespace_device_or_group_of_the_host_is_shared() -> None:
    inputs = container_of().inputs
    shared = {"pidMode", "ipcMode", "usernsMode", "devices", "groupAdds", "hosts", "volumes", "gpus"}
    assert not shared & inputs.keys()
    assert "user" not in inputs  # the image's own user; the preflight refuses root


def test_it_has_a_bridge_network_of_its_own() -> None:
    engine = engine_of()
    network = engine.one("docker:index/network:Network")
    assert network.inputs.get("driver", "bridge") == "bridge"
    assert engine.one(CONTAINER).inputs["networkMode"] == "web-network-0123456"


def test_its_network_is_made_beside_the_build_and_replaced_without_taking_the_container_away() -> None:
    network = engine_of().one("docker:index/network:Network")
    assert "name" not in network.inputs  # a fixed name would have to be free before the new one is made
    assert set(network.options.get("dependencies", ())) == set()
    # The component itself is declared once the release is known, and so is every child of it.
    assert "HardenedContainer" not in network.urn
    labels = {label["label"]: label["value"] for label in network.inputs["labels"]}
    assert labels["io.slipway.urn"].endswith("Host$pulumi:providers:docker$docker:index/network:Network::web-network")


def test_only_listed_capabilities_are_added_in_the_form_that_the_provider_reads_back() -> None:
    listed = ("SETGID", "NET_BIND_SERVICE")
    inputs = container_of(capabilities=listed, reasons={"capabilities": "the worker changes its group"}).inputs
    assert inputs["capabilities"] == {"drops": ["ALL"], "adds": ["CAP_NET_BIND_SERVICE", "CAP_SETGID"]}


def test_ports_are_bound_to_an_address() -> None:
    ports = ({"container": 8080, "host": 8080}, {"container": 9090, "host": 9091, "address": "::1"})
    engine = engine_of(ports=ports)
    assert engine.one(CONTAINER).inputs["ports"] == [
        {"internal": 8080, "external": 8080, "ip": "127.0.0.1"},
        {"internal": 9090, "external": 9091, "ip": "::1"},
    ]
    assert engine.step("preflight").values("--port") == ["127.0.0.1:8080", "[::1]:9091"]


def test_ports_are_in_the_order_in_which_the_provider_reads_them_back() -> None:
    ports = ({"container": 9090, "host": 1025}, {"container": 443, "host": 9091}, {"container": 8080, "host": 1026})
    assert [it["internal"] for it in container_of(ports=ports).inputs["ports"]] == [443, 8080, 9090]


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8080"),
        ("::1", "http://[::1]:8080"),
        ("192.0.2.7", "http://192.0.2.7:8080"),
        ("0.0.0.0", "http://127.0.0.1:8080"),
        ("::", "http://[::1]:8080"),
    ],
)
def test_its_url_is_one_that_can_be_opened(address: str, url: str) -> None:
    reasons = {"ports": "the firewall in front decides"} if address in ("0.0.0.0", "::") else {}
    ports = ({"container": 80, "host": 8080, "address": address},)
    engine = engine_of(ports=ports, reasons=reasons)
    assert engine.outputs[component(engine, "HardenedContainer", "web").urn]["url"] == url


def test_without_a_port_it_has_no_url() -> None:
    engine = engine_of(ports=())
    assert engine.one(CONTAINER).inputs["ports"] == []
    assert engine.outputs[component(engine, "HardenedContainer", "web").urn]["url"] == ""


def test_its_output_is_kept_in_bounded_files() -> None:
    inputs = container_of().inputs
    assert inputs["logDriver"] == "json-file"
    assert inputs["logOpts"] == {"max-size": "10m", "max-file": "3"}


def test_further_options_stand_beside_the_bounds_of_the_log_files() -> None:
    logs = {"options": {"compress": "true"}, "maximum_size": "1m", "maximum_files": 2}
    assert container_of(logs=logs).inputs["logOpts"] == {"max-size": "1m", "max-file": "2", "compress": "true"}


def test_another_log_driver_gets_its_options_and_no_bounds_of_files() -> None:
    inputs = container_of(logs={"driver": "journald", "options": {"tag": "web"}}).inputs
    assert (inputs["logDriver"], inputs["logOpts"]) == ("journald", {"tag": "web"})


def test_a_secret_is_a_file_of_the_images_user_mounted_read_only() -> None:
    engine = engine_of()
    mount = {"type": "bind", "source": SECRET_PATH, "target": "/run/secrets/db_password", "readOnly": True}
    assert engine.one(CONTAINER).inputs["mounts"] == [mount]
    written = engine.step("secret_file")
    assert written.command[1] == "write"
    assert (written.values("--path"), written.values("--owner")) == ([SECRET_PATH], ["10001"])
    assert written.inputs["stdin"] == PASSWORDS["db"]
    assert written.secrets == {"stdin"}
    assert written.inputs["delete"].endswith(f"steps.secret_file remove --path {SECRET_PATH}")


def test_the_container_waits_for_its_secret_files() -> None:
    engine = engine_of()
    assert engine.step("secret_file").urn in engine.one(CONTAINER).options["dependencies"]


def test_without_secrets_nothing_is_mounted() -> None:
    engine = engine_of(secrets={})
    assert engine.one(CONTAINER).inputs["mounts"] == []
    assert "secret_file" not in engine.ran()


def test_containers_of_two_stacks_never_share_a_secret_file() -> None:
    paths = set()
    for stack in ("dev", "staging"):
        engine = Engine(stack=stack).good(a_container(), secrets=SECRETS)
        paths |= set(engine.step("secret_file").values("--path"))
    assert len(paths) == 2


def test_up_waits_until_it_is_healthy_for_as_long_as_the_settings_say() -> None:
    engine = engine_of(health={"wait": 12.5})
    assert engine.step("settle").values("--timeout") == ["12.5"]
    assert engine.outputs[component(engine, "HardenedContainer", "web").urn]["container_id"] == "web-container-id"


def test_the_health_check_is_the_images_with_the_changes_of_the_stack() -> None:
    engine = engine_of(health={"interval": 1, "retries": 5})
    assert engine.step("preflight").values("--health") == ['{"interval": 1.0, "retries": 5}']
    assert engine.one(CONTAINER).inputs["healthcheck"] == {
        "tests": ["CMD", "python", "healthcheck.py"],
        "interval": "30s",
    }


def test_a_replacement_takes_the_old_one_away_first_for_it_holds_the_name_and_the_ports() -> None:
    assert container_of().options["deleteBeforeReplace"] is True


def test_what_it_is_made_with_replaces_it() -> None:
    assert "tmpfs" in container_of().options["replaceOnChanges"], "the provider would write it into the state alone"


def test_on_another_engine_all_that_is_on_the_first_is_taken_down_and_made_anew() -> None:
    engine = engine_of()
    provider = engine.one("pulumi:providers:docker")
    assert list(provider.options["replaceOnChanges"]) == ["host"]
    for resource in (it for it in engine.resources if it.type.startswith("docker:")):
        assert list(resource.options["replaceWith"]) == [provider.urn], resource.type


def test_its_labels_say_which_stack_and_resource_it_belongs_to() -> None:
    engine = engine_of()
    container = engine.one(CONTAINER)
    labels = {label["label"]: label["value"] for label in container.inputs["labels"]}
    assert labels["io.slipway.stack"] == "driftwood/slipway/dev"
    assert labels["io.slipway.urn"].endswith("HardenedContainer$docker:index/container:Container::web-container")


def test_every_docker_resource_uses_the_engine_of_the_host_that_was_handed_in() -> None:
    engine = engine_of()
    provider = engine.one("pulumi:providers:docker")
    on_docker = [it for it in engine.resources if it.type.startswith("docker:")]
    assert len(on_docker) == 3
    for resource in on_docker:
        assert resource.options["provider"].startswith(f"{provider.urn}::")


def test_the_environment_is_passed_in_a_stable_order() -> None:
    environment = {"PORT": "8080", "LOG_LEVEL": "info"}
    assert container_of(environment=environment).inputs["envs"] == ["LOG_LEVEL=info", "PORT=8080"]


@given(st.one_of(st.integers(1, 64_000_000_000), st.integers(1, 6400).map(lambda hundredth: hundredth * 10**7)))
def test_the_processors_that_the_engine_is_given_are_those_that_were_asked_for(nano: int) -> None:
    try:
        run = run_args(cpus=nano / 1e9)
    except ValidationError as error:
        assert "cpus" in str(error)
        return
    engine = Engine().good(a_container(cpus=run.cpus, secrets={}), secrets=SECRETS)
    given_ = engine.one(CONTAINER).inputs["cpus"]
    assert round(float(given_) * 1e9) == nano
    assert given_ == read_back(nano)


def read_back(nano: int) -> str:
    """The Docker provider's own spelling of the engine's billionths of a processor, `nanoInt64ToDecimalString`."""
    text = f"{nano // 10**9}.{nano % 10**9:09d}"
    if text.count("0") == 9:
        return str((Decimal(nano) / 10**9).quantize(Decimal("0.1"), rounding=ROUND_HALF_UP))
    return text.rstrip("0")


@pytest.mark.parametrize(
    ("cpus", "text"),
    [(1, "1.0"), (2, "2.0"), (0.5, "0.5"), (0.25, "0.25"), (1.5, "1.5"), (10, "10."), (0.125, "0.125")],
)
def test_processors_are_spelled_as_the_provider_reads_them_back(cpus: float, text: str) -> None:
    assert container_of(cpus=cpus).inputs["cpus"] == text


@pytest.mark.parametrize("cpus", [0.05, 0.01, 20.05])
def test_a_limit_that_the_provider_would_round_is_refused_and_never_loosened(cpus: float) -> None:
    with pytest.raises(ValidationError, match=r"cpus.*\n.*round"):
        run_args(cpus=cpus)
