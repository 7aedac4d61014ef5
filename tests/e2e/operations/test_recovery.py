"""`pulumi` killed in the middle: `make up` takes up what is provably ours and dead, and touches nothing else."""

import json
import os
import select
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Checkout
from tests.e2e.names import PREFIX
from tests.e2e.oci import RegistryClient
from tests.e2e.small import APP, DOCKERFILE, container_of, containers, digest_in_state, pending, refused, small_stack

SLOW_STEP = "RUN sleep 4"
STACK_LABEL, URN_LABEL = "io.slipway.stack", "io.slipway.urn"


class Run:
    """A `pulumi up` that a test watches and kills."""

    def __init__(self, checkout: Checkout, stack: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self._checkout, self._process, self._log = checkout, process, log
        self._state = checkout.root / ".slipway" / "backend" / ".pulumi" / "stacks" / "slipway" / f"{stack}.json"

    @property
    def output(self) -> str:
        """What it printed so far."""
        return self._log.read_text(errors="replace")

    @property
    def runs(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    def wait_for(self, text: str) -> None:
        """Wait until it printed this text."""

        def printed() -> bool:
            assert self.runs, self.output
            return text in self.output

        self._checkout.wait_for(printed)

    def wait_until_under_way(self, resource: str) -> None:
        """Wait until the state says that it is making a resource: what is printed comes a moment before."""

        def recorded() -> bool:
            assert self.runs, self.output
            content = json.loads(self._state.read_text()) if self._state.exists() else {}
            begun = content.get("checkpoint", {}).get("latest", {}).get("pending_operations") or ()
            return any(str(it["resource"]["urn"]).endswith(f"::{resource}") for it in begun)

        self._checkout.wait_for(recorded)

    def kill(self) -> None:
        """SIGKILL, to `pulumi` alone: its plugins lose their engine, as they would with the kernel's OOM killer."""
        self._process.kill()
        assert self._process.wait() == -signal.SIGKILL


@contextmanager
def running_up(checkout: Checkout, stack: str, folder: Path) -> Iterator[Run]:
    """`pulumi up` in the background; it is dead afterwards."""
    log = folder / f"{stack}.log"
    command = ["pulumi", "up", "--yes", "--skip-preview", "--stack", stack]
    with log.open("wb") as file:
        process = subprocess.Popen(command, cwd=checkout.root, env=checkout.environment, stdout=file, stderr=file)
    try:
        yield Run(checkout, stack, process, log)
    finally:
        process.kill()
        process.wait()


def make_up(checkout: Checkout, stack: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
    """`make up` of a stack."""
    return checkout.run("make", "up", f"STACK={stack}", "ARGS=--skip-preview", check=check)


def locks(checkout: Checkout, stack: str) -> list[Path]:
    """The locks of a stack in the file backend."""
    folder = checkout.root / ".slipway" / "backend" / ".pulumi" / "locks" / "organization" / "slipway" / stack
    return sorted(folder.glob("*.json"))


def assert_whole(checkout: Checkout, stack: str) -> dict[str, Any]:
    """One container, healthy, on one network; nothing pending, locked or left to do. Returns the container."""
    assert len(containers(checkout, container_of(stack))) == 1
    ours = f"label=io.slipway.stack=organization/slipway/{stack}"
    assert len(checkout.run("docker", "network", "ls", "--quiet", "--filter", ours).stdout.split()) == 1
    assert pending(checkout, stack) == []
    assert locks(checkout, stack) == []
    checkout.preview(stack, "--expect-no-changes")
    container = checkout.inspect(container_of(stack))
    assert container["State"]["Health"]["Status"] == "healthy"
    return container


def test_a_run_that_was_killed_while_it_built_is_completed(checkout: Checkout, tmp_path: Path) -> None:
    dockerfile = DOCKERFILE.replace("COPY", f"{SLOW_STEP}\nCOPY")
    stack = small_stack(checkout, "killed-build", files={"Dockerfile": dockerfile})

    with running_up(checkout, stack, tmp_path) as run:
        run.wait_for(f"] {SLOW_STEP}")
        run.kill()

    # The container's network is made beside the build, and takes two seconds.
    begun = {operation["resource"]["urn"].rpartition("::")[2] for operation in pending(checkout, stack)}
    assert {"web-image-build"} <= begun <= {"web-image-build", "web-network"}
    assert {operation["type"] for operation in pending(checkout, stack)} == {"creating"}
    (lock,) = locks(checkout, stack)
    plain = refused(checkout.up(stack, check=False), "locked", "pulumi cancel")
    assert str(json.loads(lock.read_text())["pid"]) in plain

    told = make_up(checkout, stack).stdout

    assert "recovery: released the lock of a run that was killed" in told
    assert "recovery: cleared the pending create of urn:pulumi:killed-build::slipway::" in told
    assert "::web-image-build" in told
    assert f"http://127.0.0.1:{port_of(checkout, stack)}" in told.splitlines()
    assert_whole(checkout, stack)


def port_of(checkout: Checkout, stack: str) -> int:
    """Port of the host that a stack's service listens on."""
    bindings = checkout.inspect(container_of(stack))["HostConfig"]["PortBindings"]
    return int(bindings["8080/tcp"][0]["HostPort"])


@pytest.fixture
def locked(checkout: Checkout) -> Iterator[tuple[str, Path]]:
    """A stack, and a lock on it that names this very process: one that lives."""
    stack = small_stack(checkout, "locked")
    folder = checkout.root / ".slipway" / "backend" / ".pulumi" / "locks" / "organization" / "slipway" / stack
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "11111111-2222-3333-4444-555555555555.json"
    uname, user = os.uname(), checkout.run("id", "--user", "--name").stdout.strip()
    now = checkout.run("date", "--utc", "+%Y-%m-%dT%H:%M:%S.%NZ").stdout.strip()
    lock = {"pid": os.getpid(), "username": user, "hostname": uname.nodename, "timestamp": now}
    path.write_text(json.dumps(lock))
    yield stack, path
    path.unlink()


def test_the_lock_of_a_process_that_lives_is_respected(checkout: Checkout, locked: tuple[str, Path]) -> None:
    stack, lock = locked
    refused(make_up(checkout, stack, check=False), f"stack {stack}: locked by", f"process {os.getpid()}", "wait until")
    assert lock.exists()
    assert pending(checkout, stack) == []


@pytest.mark.parametrize(("key", "value"), [("hostname", "elsewhere"), ("username", "somebody")])
def test_the_lock_of_another_machine_or_user_is_respected(
    checkout: Checkout, locked: tuple[str, Path], key: str, value: str
) -> None:
    stack, lock = locked
    dead = subprocess.Popen(["true"])
    dead.wait()
    lock.write_text(json.dumps(json.loads(lock.read_text()) | {"pid": dead.pid, key: value}))
    refused(make_up(checkout, stack, check=False), f"stack {stack}: locked by", value, f"pulumi cancel -s {stack}")
    assert lock.exists()


@contextmanager
def created(checkout: Checkout, name: str) -> Iterator[subprocess.Popen[str]]:
    """The engine's events of a container's creation: a line the moment that it exists, before it is started."""
    command = ["docker", "events", "--filter", "type=container", "--filter", f"container={name}"]
    command += ["--filter", "event=create", "--format", "{{.ID}}"]
    with subprocess.Popen(command, env=checkout.environment, stdout=subprocess.PIPE, text=True) as events:
        try:
            yield events
        finally:
            events.kill()


def killed_at_creation(checkout: Checkout, stack: str, folder: Path) -> str:
    """Kill an `up` between the creation of its container and the answer to the engine; returns the container's id."""
    with created(checkout, container_of(stack)) as events, running_up(checkout, stack, folder) as run:
        assert events.stdout is not None
        while not select.select([events.stdout], [], [], 0.1)[0]:
            assert run.runs, run.output
        identity = events.stdout.readline().strip()
        run.kill()
    operations = pending(checkout, stack)
    assert [str(it["resource"]["urn"]).rpartition("::")[2] for it in operations] == ["web-container"]
    assert identity not in checkout.run("pulumi", "stack", "export", "--stack", stack).stdout
    return identity


def test_an_untracked_container_of_the_killed_run_is_taken_back_and_no_other(
    checkout: Checkout, tmp_path: Path
) -> None:
    stack = small_stack(checkout, "killed-create")
    untracked = killed_at_creation(checkout, stack, tmp_path)
    found = checkout.inspect(untracked)
    owner, urn, image = found["Config"]["Labels"][STACK_LABEL], found["Config"]["Labels"][URN_LABEL], found["Image"]
    assert owner == f"organization/slipway/{stack}"
    others = {
        "no-labels": [],
        "no-urn": [f"{STACK_LABEL}={owner}"],
        "other-stack": [f"{STACK_LABEL}=organization/slipway/elsewhere", f"{URN_LABEL}={urn}"],
    }
    with decoys(checkout, image, others) as kept:
        told = make_up(checkout, stack).stdout
        for identity in kept:
            assert checkout.inspect(identity)["State"]["Running"]

    assert f"recovery: removed the untracked container {untracked[:12]} of {urn}" in told
    assert assert_whole(checkout, stack)["Id"] != untracked


@contextmanager
def decoys(checkout: Checkout, image: str, labels: dict[str, list[str]]) -> Iterator[list[str]]:
    """Containers of others that look a little like ours; ended afterwards."""
    made = []
    try:
        for name, values in labels.items():
            flags = [flag for value in values for flag in ("--label", value)]
            command = ["docker", "run", "--detach", "--name", f"{PREFIX}-decoy-{name}", *flags, image]
            made.append(checkout.run(*command).stdout.strip())
        yield made
    finally:
        for identity in made:
            checkout.run("docker", "rm", "--force", identity)


def test_a_container_of_somebody_else_with_the_same_name_is_not_touched(checkout: Checkout, tmp_path: Path) -> None:
    stack = small_stack(checkout, "name-taken")
    ours = killed_at_creation(checkout, stack, tmp_path)
    image = checkout.inspect(ours)["Image"]
    checkout.run("docker", "rm", "--force", ours)
    foreign = checkout.run("docker", "run", "--detach", "--name", container_of(stack), image).stdout.strip()
    try:
        refused(make_up(checkout, stack, check=False), container_of(stack), foreign[:12])
        assert checkout.inspect(container_of(stack))["Id"] == foreign
        assert checkout.inspect(foreign)["State"]["Running"]
    finally:
        checkout.run("docker", "rm", "--force", foreign)
    make_up(checkout, stack)
    assert_whole(checkout, stack)


def test_a_run_that_was_killed_while_it_waited_for_health_keeps_its_container(
    checkout: Checkout, tmp_path: Path
) -> None:
    late = APP.replace("import http.server\n", "import http.server\nimport time\n\ntime.sleep(4)\n")
    dockerfile = DOCKERFILE.replace("HEALTHCHECK", "HEALTHCHECK --start-period=20s")
    stack = small_stack(checkout, "killed-settle", files={"app.py": late, "Dockerfile": dockerfile})

    with running_up(checkout, stack, tmp_path) as run:
        run.wait_for("web-settle creating")
        run.kill()
    (started,) = containers(checkout, container_of(stack))

    told = make_up(checkout, stack).stdout

    assert "recovery: removed" not in told
    assert assert_whole(checkout, stack)["Id"] == started


@pytest.mark.parametrize(
    ("step", "said_by_then"),
    # Two signatures and the first of the evidence, which is written one by one.
    [("web-signature-cosign", 0), ("web-evidence-cosign", 3), ("web-publication-oras", 0)],
)
def test_a_run_that_was_killed_while_it_signed_or_published_is_completed_and_says_nothing_twice(
    checkout: Checkout, step: str, said_by_then: int, tmp_path: Path
) -> None:
    stack = small_stack(checkout, f"killed-{step.split('-')[1]}")
    with running_up(checkout, stack, tmp_path) as run:
        run.wait_until_under_way(step)
        if said_by_then:
            candidate = digest_in_state(checkout, stack)
            place = checkout.quarantine, f"{stack}/web", candidate
            checkout.wait_for(lambda: sum(map(len, said_in(*place))) >= said_by_then)
        run.kill()
    assert step in {str(it["resource"]["urn"]).rpartition("::")[2] for it in pending(checkout, stack)}

    told = make_up(checkout, stack).stdout

    assert "recovery: released the lock of a run that was killed" in told
    assert_whole(checkout, stack)
    for said in said_in(checkout.private, f"{stack}/web", digest_in_state(checkout, stack)):
        assert said
        statements = [statement(checkout, f"{stack}/web", it["digest"]) for it in said]
        assert len(statements) == len(set(statements)), statements


def said_in(registry: RegistryClient, repository: str, index: str) -> list[list[dict[str, Any]]]:
    """What is said about an index and about each of its platforms by now."""
    digests = (index, *registry.platforms(repository, index).values())
    return [registry.referrers(repository, digest) for digest in digests]


def statement(checkout: Checkout, repository: str, digest: str) -> tuple[str, str]:
    """What a referrer is: its content, as cosign calls it, and the type of what it states."""
    manifest = checkout.private.manifest(repository, digest) or {}
    kinds = manifest["annotations"]
    return kinds["dev.sigstore.bundle.content"], kinds.get("dev.sigstore.bundle.predicateType", "")


def test_the_documented_steps_by_hand_lead_there_too(checkout: Checkout, tmp_path: Path) -> None:
    stack = small_stack(checkout, "by-hand")
    untracked = killed_at_creation(checkout, stack, tmp_path)
    readme = (checkout.root / "README.md").read_text()
    assert "pulumi refresh --clear-pending-creates" in readme
    assert f"docker ps -a --filter label={STACK_LABEL}" in readme

    refused(checkout.up(stack, check=False), "locked", "pulumi cancel")
    checkout.run("pulumi", "cancel", "--yes", "--stack", stack)
    refused(checkout.up(stack, check=False), "interrupted while creating", "pulumi refresh", container_of(stack))
    checkout.run("pulumi", "refresh", "--clear-pending-creates", "--yes", "--stack", stack)
    left = ["docker", "ps", "-a", "--no-trunc", "--quiet", "--filter"]
    listed = checkout.run(*left, f"label={STACK_LABEL}=organization/slipway/{stack}").stdout.split()
    assert listed == [untracked]
    checkout.run("docker", "rm", "--force", untracked)
    checkout.up(stack)

    assert_whole(checkout, stack)
