"""The policy pack on the real engine, of what is no container: builds, commands, manifests, and whole stacks.

Then what becomes of a rule that is broken: it is excepted until a day, repaired in flight, or not decided before `up`.
"""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.bare import NAME, REPOSITORY, Bare, Released, bare_project, named, only
from tests.e2e.conftest import Checkout
from tests.e2e.small import refused, repositories

BUILD = only("pulumi_docker_build.Image")
COMMAND = only("pulumi_command.local.Command")
REGISTRY_IMAGE = only("pulumi_docker.RegistryImage")
OF_A_STACK = """\
import json
from pathlib import Path

import pulumi
import pulumi_docker

told = json.loads(Path("inputs.json").read_text())
for kind, outputs in told["components"].items():
    pulumi.ComponentResource(f"slipway:index:{kind}", kind).register_outputs(outputs)
pulumi_docker.Container("bare", **told["container"])
"""
KNOWN_LATE = """\
import json
from pathlib import Path

import pulumi_command
import pulumi_docker

inputs = json.loads(Path("inputs.json").read_text())
known_late = pulumi_command.local.Command("reference", create="touch ran; printf %s " + inputs.pop("image"))
pulumi_docker.Container("bare", image=known_late.stdout, **inputs)
"""


@pytest.fixture(scope="module")
def bare(released: Released) -> Iterator[Bare]:
    """The project with its stack; destroyed afterwards."""
    with bare_project(released, "bare-families") as project:
        yield project


@pytest.fixture
def ran(bare: Bare) -> Path:
    """A file that each command of a program makes as soon as it is run."""
    path = bare.folder / "ran"
    path.unlink(missing_ok=True)
    return path


def build(name: str) -> dict[str, Any]:
    """The inputs of a build that pushes under a name."""
    return {
        "builder": {"name": "slipway"},
        "context": {"location": "."},
        "dockerfile": {"inline": "FROM scratch\nCOPY Pulumi.yaml /\n"},
        "platforms": ["linux/amd64"],
        "tags": [name],
        "push": True,
        "build_on_preview": False,
    }


@contextmanager
def known_as(checkout: Checkout, reference: str, name: str) -> Iterator[str]:
    """Give an image of the engine another name for a while, under which it could be run or pushed."""
    checkout.run("docker", "tag", reference, name)
    try:
        yield name
    finally:
        checkout.run("docker", "rmi", name)


def test_a_build_does_not_push_to_the_private_registry(bare: Bare) -> None:
    name = f"{bare.checkout.private.address}/bare/built"
    output = bare.stopped(build(f"{name}:1.0.0"), "build-pushes-to-quarantine", program=BUILD)
    assert f"pushes to {name}, which is where releases are" in output


def test_of_one_registry_a_build_pushes_only_to_the_part_that_is_quarantine(bare: Bare) -> None:
    registry = bare.checkout.quarantine
    candidates, releases = (f"{registry.address}/{part}" for part in ("bare-candidates", "bare-releases"))
    told = bare.told({"quarantine": [candidates], "privateRegistries": [releases]})
    bare.stopped(build(f"{releases}/web:1.0.0"), "build-pushes-to-quarantine", program=BUILD, told=told)
    assert "bare-releases/web" not in repositories(registry)
    try:
        ended = bare.up(build(f"{candidates}/web:1.0.0"), program=BUILD, told=told)
        assert ended.returncode == 0, ended.stdout
        assert registry.tags("bare-candidates/web") == {"1.0.0"}
    finally:
        bare.destroy()


def test_an_image_of_the_engine_is_not_pushed_to_the_private_registry(bare: Bare) -> None:
    private = bare.checkout.private
    user, password = private.login or ("", "")
    login = {"address": f"https://{private.address}", "username": user, "password": password}
    with known_as(bare.checkout, bare.released.record.reference, f"{private.address}/bare/image:1.0.0") as name:
        inputs = {"name": name, "auth_config": login, "insecure_skip_verify": True, "keep_remotely": True}
        bare.stopped(inputs, "build-pushes-to-quarantine", program=REGISTRY_IMAGE)
    assert "bare/image" not in repositories(private)


@pytest.mark.parametrize("push", ["docker --config login push {0}", "docker buildx build --push --tag {0} ."])
def test_a_command_that_pushes_to_the_private_registry_does_not_run(bare: Bare, ran: Path, push: str) -> None:
    private = bare.checkout.private
    auth = base64.b64encode(":".join(private.login or ()).encode()).decode()
    (bare.folder / "login").mkdir(exist_ok=True)
    (bare.folder / "login" / "config.json").write_text(json.dumps({"auths": {private.address: {"auth": auth}}}))
    with known_as(bare.checkout, bare.released.record.reference, f"{private.address}/bare/pushed:1.0.0") as name:
        inputs = {"create": "touch ran; " + push.format(name)}
        bare.stopped(inputs, "build-pushes-to-quarantine", program=COMMAND)
    assert not ran.exists()
    assert "bare/pushed" not in repositories(private)


def test_an_image_that_is_named_by_its_tag_alone_does_not_run(bare: Bare) -> None:
    name = f"{bare.checkout.private.address}/bare/tagged:1.0.0"
    with known_as(bare.checkout, bare.released.record.reference, name):
        output = bare.stopped(bare.inputs(image=name), "image-is-pinned-by-digest")
    assert f"image is {name}, which has no digest" in output


def test_a_command_starts_no_container(bare: Bare, ran: Path) -> None:
    create = f"touch ran; docker run --detach --name {NAME} --network none {bare.released.record.reference}"
    output = bare.stopped({"create": create}, "container-comes-from-a-resource", program=COMMAND)
    assert "create runs docker run" in output
    assert not ran.exists()


def pod(image: str) -> dict[str, Any]:
    """A pod that is as good as root on its node."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "bare"},
        "spec": {
            "hostNetwork": True,
            "volumes": [{"name": "node", "hostPath": {"path": "/"}}],
            "containers": [{"name": "web", "image": image, "securityContext": {"privileged": True}}],
        },
    }


WIDE_OPEN = (
    "pod-mounts-no-host-path",
    "pod-requires-non-root",
    "pod-names-a-seccomp-profile",
    "container-is-not-privileged",
    "container-has-its-own-network-namespace",
)


@pytest.mark.parametrize("form", ["stdin", "create"])
def test_a_command_applies_no_pod_that_is_wide_open(bare: Bare, ran: Path, form: str) -> None:
    manifest = json.dumps(pod(bare.released.record.reference), indent=2)
    inputs = {"create": "touch ran; kubectl apply -f -", "stdin": manifest}
    if form == "create":
        inputs = {"create": f"{inputs['create']} <<EOF\n{manifest}\nEOF\n"}
    bare.stopped(inputs, *WIDE_OPEN, program=COMMAND)
    assert not ran.exists()


@pytest.mark.parametrize(
    ("command", "stdin", "rule"),
    [
        ("kubectl run bare --image={0}", None, "workload-comes-from-a-manifest"),
        ("kubectl apply -f -", "kind: Pod\napiVersion: v1\nspec: {{ .Values.spec }}\n", "manifest-is-readable"),
    ],
)
def test_a_command_applies_nothing_that_cannot_be_judged(
    bare: Bare, ran: Path, command: str, stdin: str | None, rule: str
) -> None:
    inputs = {"create": "touch ran; " + command.format(bare.released.record.reference)}
    bare.stopped(inputs | ({"stdin": stdin} if stdin else {}), rule, program=COMMAND)
    assert not ran.exists()


def test_a_stack_that_runs_what_it_did_not_release_fails_when_everything_is_done(bare: Bare) -> None:
    released = bare.released.record
    other = bare.released.other
    told = {"Release": {"reference": released.reference, "record": {"digest": released.digest}}}
    candidate = {"Image": {"digest": other.digest}}
    try:
        wrong = {"components": told | candidate, "container": bare.inputs(image=other.reference)}
        output = refused(bare.up(wrong, program=OF_A_STACK))
        assert named(output) == {"workload-runs-a-release", "candidate-is-released"}, output
        assert f"{other.digest}, which no Release and no Promotion of this stack carries" in output
        right = bare.up({"components": told, "container": bare.inputs()}, program=OF_A_STACK)
        assert right.returncode == 0, right.stdout
    finally:
        bare.destroy()


def excepted(bare: Bare, expires: date) -> Path:
    """Configure the pack with a file of exceptions: the container may write to its root until a day."""
    entry = f"""\
- rule: container-root-is-read-only
  resource: bare
  reason: writes its spool into its own folder
  owner: team-reports@example.com
  expires: {expires}
"""
    path = bare.folder / "exceptions.yaml"
    path.write_text(entry)
    return bare.told({"exceptions": str(path)})


TODAY = datetime.now(UTC).date()


def test_a_used_exception_lets_a_container_run_and_is_printed(bare: Bare) -> None:
    told = excepted(bare, TODAY + timedelta(days=2))
    with bare.running(bare.inputs(read_only=None), told=told) as output:
        (line,) = [line for line in output.splitlines() if "(excepted: " in line]
        assert "container-root-is-read-only: bare (docker:Container)" in line
        assert "reason 'writes its spool into its own folder', owner 'team-reports@example.com'" in line
        assert named(output) == set()
        assert named(output, "advisory") == {"advice"}
        assert bare.checkout.inspect(NAME)["HostConfig"]["ReadonlyRootfs"] is False


def test_an_exception_that_expires_today_stops_it(bare: Bare) -> None:
    told = excepted(bare, TODAY)
    output = bare.stopped(bare.inputs(read_only=None), "container-root-is-read-only", told=told)
    assert "its exception has expired: resource 'bare', reason 'writes its spool into its own folder'" in output
    assert named(output) == {"container-root-is-read-only"}


REPAIRED = ("container-gains-no-privileges", "container-logs-are-bounded", "container-swap-is-limited")


def test_what_can_be_repaired_in_flight_comes_up_repaired(bare: Bare) -> None:
    lacking = bare.inputs(security_opts=None, log_driver=None, log_opts=None, memory_swap=None)
    assert named(bare.stopped(lacking)) == set(REPAIRED)
    told = bare.told({}, dict.fromkeys(REPAIRED, "remediate"))
    with bare.running(lacking, told=told) as output:
        assert named(output, "remediate") == set(REPAIRED)
        host = bare.checkout.inspect(NAME)["HostConfig"]
        assert host["SecurityOpt"] == ["no-new-privileges:true"]
        assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-file": "3", "max-size": "10m"}}
        assert host["Memory"] == host["MemorySwap"] == 64 * 1024**2
        again = bare.run("preview", lacking, "--expect-no-changes", told=told)
        assert again.returncode == 0, again.stdout


def test_a_preview_that_does_not_know_the_image_says_what_it_cannot_judge_yet(bare: Bare) -> None:
    ended = bare.run("preview", bare.inputs(), program=KNOWN_LATE)
    assert ended.returncode == 0, ended.stdout
    undecided = {"image-is-pinned-by-digest", "image-is-signed", "container-user-is-not-root"}
    for rule in undecided:
        assert f"can't run policy '{rule}' from policy pack 'slipway" in ended.stdout, ended.stdout
    assert undecided <= named(ended.stdout, "advisory")
    assert "container-is-not-privileged" not in ended.stdout
    assert named(ended.stdout) == set()


def test_an_image_that_is_known_late_is_judged_before_it_runs(bare: Bare, ran: Path) -> None:
    image = f"{bare.checkout.quarantine.address}/{REPOSITORY}@{bare.released.record.digest}"
    try:
        bare.stopped(bare.inputs(image=image), "image-comes-from-an-allowed-repository", program=KNOWN_LATE)
        assert ran.exists()
    finally:
        bare.destroy()
