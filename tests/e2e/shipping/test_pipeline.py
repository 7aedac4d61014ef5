"""The main story, told from outside: what one `pulumi up` has made, seen with plain tools."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from components.record import ReleaseRecord, SignedAs
from tests.e2e.oci import RegistryClient
from tests.e2e.shipped import CONTAINER, PLATFORMS, REPOSITORY, STACK, Shipped, get, scan_of

MEBIBYTE = 1024 * 1024


@pytest.fixture(scope="module", name="container")
def running_container(shipped: Shipped) -> dict[str, Any]:
    """`docker inspect` of the service's container."""
    return shipped.checkout.inspect(CONTAINER)


@pytest.fixture(scope="module", name="host")
def host_config(container: dict[str, Any]) -> dict[str, Any]:
    """Its HostConfig."""
    found: dict[str, Any] = container["HostConfig"]
    return found


# The service answers.


def test_the_page_answers_at_the_url_that_the_stack_exports(shipped: Shipped) -> None:
    status, page = get(shipped.url + "/")
    assert status == 200
    assert "salt-mill" in page
    assert "1.4.0" in page


def test_the_health_check_answers(shipped: Shipped) -> None:
    status, body = get(shipped.url + "/healthz")
    assert (status, json.loads(body)["status"]) == (200, "ok")


def test_the_guarded_route_opens_with_the_mounted_secret_and_with_nothing_else(shipped: Shipped) -> None:
    guarded = shipped.url + "/tides/salt-mill"
    assert get(guarded)[0] == 401
    assert get(guarded, "wrong")[0] == 401
    assert get(guarded, shipped.checkout.key("db_password"))[0] == 200


def test_the_outputs_are_the_typed_record_of_each_service(shipped: Shipped) -> None:
    assert set(shipped.outputs) == {"web", "tide"}
    for service in ("web", "tide"):
        output = shipped.outputs[service]
        assert set(output) == {"release", "container", "url"}
        record = ReleaseRecord.model_validate(output["release"])
        repository = f"{shipped.checkout.private.address}/{STACK}/{service}"
        assert record.reference == f"{repository}@{record.digest}"
        assert record.tag == f"1.4.0-dev.{record.digest.removeprefix('sha256:')[:12]}"
        assert record.platforms == PLATFORMS
        assert record.signature == SignedAs(
            public_key=".slipway/keys/cosign.pub", repository=repository, version="1.4.0"
        )
        scan = scan_of(record)
        assert scan.counts["HIGH"] == scan.counts["CRITICAL"] == 0
        assert scan.scanner.startswith("trivy 0.")
        assert scan.database


# The container is locked down: `docker inspect`.


def test_the_container_runs_the_published_digest_and_is_healthy(shipped: Shipped, container: dict[str, Any]) -> None:
    assert container["Config"]["Image"] == shipped.record.reference
    assert container["State"]["Health"]["Status"] == "healthy"
    assert container["Id"] == shipped.outputs["web"]["container"]


def test_its_root_file_system_is_read_only_and_tmp_is_a_tmpfs_without_exec(
    shipped: Shipped, host: dict[str, Any]
) -> None:
    assert host["ReadonlyRootfs"] is True
    assert list(host["Tmpfs"]) == ["/tmp"]
    assert {"noexec", "nosuid", "nodev"} <= set(host["Tmpfs"]["/tmp"].split(","))
    wrote = shipped.checkout.run("docker", "exec", CONTAINER, "touch", "/app/new", check=False)
    assert wrote.returncode != 0
    assert "Read-only file system" in wrote.stdout
    script = "echo 'echo ran' >/tmp/tool; chmod +x /tmp/tool; /tmp/tool"
    ran = shipped.checkout.run("docker", "exec", CONTAINER, "sh", "-c", script, check=False)
    assert ran.returncode != 0
    assert "Permission denied" in ran.stdout


def test_it_has_no_capability_but_the_one_that_is_listed(host: dict[str, Any]) -> None:
    assert host["CapDrop"] == ["ALL"]
    assert [name.removeprefix("CAP_") for name in host["CapAdd"]] == ["NET_BIND_SERVICE"]
    assert host["Privileged"] is False


def test_it_gets_no_new_privileges_and_keeps_the_default_seccomp_and_apparmor_profiles(
    container: dict[str, Any], host: dict[str, Any]
) -> None:
    assert host["SecurityOpt"] == ["no-new-privileges:true"]  # nothing is "unconfined": the engine's defaults count
    assert container["AppArmorProfile"] in ("", "docker-default")  # empty where the kernel has no AppArmor
    assert "MaskedPaths" not in host or host["MaskedPaths"]


def test_the_kernel_agrees_with_what_the_engine_says(container: dict[str, Any]) -> None:
    status = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{container['State']['Pid']}/status").read_text().splitlines()
    )
    net_bind_service = 1 << 10
    assert status["NoNewPrivs"] == "1"
    assert int(status["CapBnd"], 16) == net_bind_service
    assert int(status["CapEff"], 16) & ~net_bind_service == 0
    assert status["Uid"].split() == ["10001"] * 4
    assert status["Seccomp"] == "2"  # a filter


def test_memory_processors_processes_and_files_are_bounded(host: dict[str, Any]) -> None:
    assert host["Memory"] == host["MemorySwap"] == 256 * MEBIBYTE
    assert host["NanoCpus"] == 1_000_000_000
    assert host["PidsLimit"] == 100
    assert host["Ulimits"] == [{"Name": "nofile", "Soft": 1024, "Hard": 1024}]
    assert not host["OomKillDisable"]


def test_it_runs_as_the_user_of_the_image_as_process_1(shipped: Shipped, container: dict[str, Any]) -> None:
    assert container["Config"]["User"] == "app"
    who = shipped.checkout.run("docker", "exec", CONTAINER, "sh", "-c", "id -u; tr '\\0' ' ' </proc/1/cmdline").stdout
    assert who.split("\n")[0] == "10001"
    assert "driftwood.web" in who


def test_its_logs_are_json_files_of_bounded_size_and_number(host: dict[str, Any]) -> None:
    assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-file": "3", "max-size": "10m"}}


def test_it_restarts_unless_it_was_stopped(host: dict[str, Any]) -> None:
    assert host["RestartPolicy"]["Name"] == "unless-stopped"


def test_it_shares_no_namespace_and_no_device_with_the_host(host: dict[str, Any]) -> None:
    assert host["PidMode"] == host["UTSMode"] == host["UsernsMode"] == ""
    assert host["IpcMode"] == "private"
    assert host["CgroupnsMode"] == "private"
    assert not host["Devices"] and not host["Binds"] and not host["VolumesFrom"] and not host["Links"]


def test_it_has_a_bridge_network_of_its_own(shipped: Shipped, container: dict[str, Any], host: dict[str, Any]) -> None:
    name = host["NetworkMode"]
    assert name.startswith("web-network-")
    assert list(container["NetworkSettings"]["Networks"]) == [name]
    network = json.loads(shipped.checkout.run("docker", "network", "inspect", name).stdout)[0]
    assert network["Driver"] == "bridge"
    assert network["Options"].get("com.docker.network.bridge.name") != "docker0"
    assert [it["Name"] for it in network["Containers"].values()] == [CONTAINER]


def test_its_port_is_bound_to_loopback(shipped: Shipped, host: dict[str, Any]) -> None:
    port = shipped.url.rpartition(":")[2]
    assert host["PortBindings"] == {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": port}]}
    assert host["PublishAllPorts"] is False


def test_its_secret_is_a_read_only_file_for_its_user_alone_from_outside_of_the_project(
    shipped: Shipped, container: dict[str, Any]
) -> None:
    mounts = [it for it in container["Mounts"] if it["Type"] == "bind"]
    assert [(it["Destination"], it["RW"]) for it in mounts] == [("/run/secrets/db_password", False)]
    source = Path(mounts[0]["Source"])
    assert not source.is_relative_to(shipped.checkout.root)
    found = source.stat()
    assert (found.st_uid, found.st_mode & 0o777) == (10001, 0o400)
    assert source.parent.stat().st_mode & 0o066 == 0
    assert source.read_text() == shipped.checkout.key("db_password")
    other = ["docker", "exec", "--user", "10002", CONTAINER, "cat", "/run/secrets/db_password"]
    refused = shipped.checkout.run(*other, check=False)
    assert refused.returncode != 0
    assert "Permission denied" in refused.stdout
    stopped = shipped.checkout.run(
        "docker", "exec", CONTAINER, "sh", "-c", "echo x >/run/secrets/db_password", check=False
    )
    assert "Read-only file system" in stopped.stdout or "Permission denied" in stopped.stdout


# The artifact: plain crane, cosign and docker from outside.


@pytest.fixture(scope="module", name="outside")
def outside_environment(shipped: Shipped, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What somebody else has who was given the public key, a login and the registry's certificate authority."""
    private = shipped.checkout.private
    folder = tmp_path_factory.mktemp("outside")
    assert private.login and private.authority
    auth = base64.b64encode(":".join(private.login).encode()).decode()
    (folder / "config.json").write_text(json.dumps({"auths": {private.address: {"auth": auth}}}))
    return {"DOCKER_CONFIG": str(folder), "SSL_CERT_FILE": str(private.authority)}


def test_crane_shows_an_index_with_both_platforms(shipped: Shipped, outside: dict[str, str]) -> None:
    tagged = f"{shipped.checkout.private.address}/{REPOSITORY}:{shipped.record.tag}"
    index = json.loads(shipped.checkout.run("crane", "manifest", tagged, env=outside).stdout)
    assert index["mediaType"] == "application/vnd.oci.image.index.v1+json"
    platforms = [f"{it['platform']['os']}/{it['platform']['architecture']}" for it in index["manifests"]]
    assert sorted(platforms) == list(PLATFORMS)
    assert shipped.checkout.run("crane", "digest", tagged, env=outside).stdout.strip() == shipped.record.digest


def test_the_labels_say_which_source_the_image_is_made_of(shipped: Shipped, outside: dict[str, str]) -> None:
    command = ["crane", "config", "--platform", "linux/arm64", shipped.record.reference]
    config = json.loads(shipped.checkout.run(*command, env=outside).stdout)
    labels = config["config"]["Labels"]
    log = ["git", "log", "-1", "--format=%H", "--", shipped.context]
    assert labels["org.opencontainers.image.revision"] == shipped.checkout.run(*log).stdout.strip()
    assert labels["org.opencontainers.image.version"] == "1.4.0"
    assert config["architecture"] == "arm64"


def test_cosign_verifies_the_index_and_each_platform_in_the_private_registry(
    shipped: Shipped, outside: dict[str, str]
) -> None:
    private = shipped.checkout.private
    digests = [shipped.record.digest, *private.platforms(REPOSITORY, shipped.record.digest).values()]
    assert len(digests) == 1 + len(PLATFORMS)
    verify = ["cosign", "verify", "--key", ".slipway/keys/cosign.pub", "--private-infrastructure"]
    for digest in digests:
        reference = f"{private.address}/{REPOSITORY}@{digest}"
        verified = shipped.checkout.run(*verify, reference, env=outside).stdout
        assert '"version":"1.4.0"' in verified
        assert digest in verified


def test_cosign_refuses_the_index_with_another_key(shipped: Shipped, outside: dict[str, str], tmp_path: Path) -> None:
    checkout = shipped.checkout
    checkout.run("cosign", "generate-key-pair", cwd=tmp_path, env={"COSIGN_PASSWORD": ""})
    verify = ["cosign", "verify", "--key", str(tmp_path / "cosign.pub"), "--private-infrastructure"]
    assert checkout.run(*verify, shipped.record.reference, env=outside, check=False).returncode != 0


def test_the_private_registry_refuses_who_has_no_password(shipped: Shipped) -> None:
    private = shipped.checkout.private
    stranger = RegistryClient(private.address, private.authority)
    assert stranger.request(f"{REPOSITORY}/manifests/{shipped.record.digest}")[0] == 401


def health_of(shipped: Shipped, name: str) -> str:
    """The health of a container, which must be running."""
    state = shipped.checkout.inspect(name)["State"]
    assert state["Running"], shipped.checkout.run("docker", "logs", name).stdout
    return str(state["Health"]["Status"])


def test_the_arm64_image_runs_under_emulation(shipped: Shipped, outside: dict[str, str]) -> None:
    checkout = shipped.checkout
    digest = checkout.private.platforms(REPOSITORY, shipped.record.digest)["linux/arm64"]
    reference = f"{checkout.private.address}/{REPOSITORY}@{digest}"
    name = f"{CONTAINER}-arm64"
    # The service as process 1, asked by its own health check: both are arm64 programs.
    script = "import platform, runpy; print(platform.machine(), flush=True); "
    script += "runpy.run_module('driftwood.web', run_name='__main__')"
    run = ["docker", "run", "--detach", "--platform", "linux/arm64", "--read-only", "--tmpfs", "/tmp", "--name", name]
    run += ["--health-interval", "1s", "--health-timeout", "30s", "--entrypoint", "python"]
    checkout.run(*run, reference, "-c", script, env=outside)
    try:
        checkout.wait_for(lambda: health_of(shipped, name) == "healthy", seconds=120)
        assert checkout.run("docker", "logs", name).stdout.splitlines()[0] == "aarch64"
    finally:
        checkout.run("docker", "rm", "--force", name)


def test_each_platform_has_a_json_and_a_sarif_report(shipped: Shipped) -> None:
    folder = shipped.checkout.root / scan_of(shipped.record).reports
    for platform in PLATFORMS:
        slug = platform.replace("/", "-")
        report = json.loads((folder / f"{slug}.json").read_text())
        assert report["ArtifactName"].endswith(f"@{shipped.record.digest}")
        assert report["Metadata"]["ImageConfig"]["architecture"] == platform.split("/")[1]
        sarif = json.loads((folder / f"{slug}.sarif").read_text())
        assert sarif["version"] == "2.1.0"


def test_the_candidate_has_no_tag_in_quarantine_and_the_release_has_its_own_in_the_private_registry(
    shipped: Shipped,
) -> None:
    quarantine = shipped.checkout.quarantine
    fallback = {tag for tag in quarantine.tags(REPOSITORY) if tag.startswith("sha256-")}
    assert quarantine.tags(REPOSITORY) - fallback == {"cache"}
    assert {tag for tag in shipped.checkout.private.tags(REPOSITORY) if not tag.startswith("sha256-")} == {
        shipped.record.tag
    }
