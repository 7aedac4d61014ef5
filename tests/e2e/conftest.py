"""A checkout of its own with real services on ports of its own: what every end-to-end test works with.

The session clones the repository (with what is not committed yet), starts the embedded services through the toolchain,
and ends them by their own ids when the last test is done.
"""

import contextlib
import json
import os
import random
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.e2e.images import images_removed
from tests.e2e.names import PREFIX
from tests.e2e.oci import RegistryClient
from toolchain.stack import without_salt

if TYPE_CHECKING:
    from components.record import ReleaseRecord
    from tests.e2e.shipped import Shipped

SOURCE = Path(__file__).resolve().parents[2]
_PREPARED = ("PULUMI_", "BUILDX_", "SLIPWAY_", "VIRTUAL_ENV", "DOCKER_CONFIG")
"""Variables of a prepared shell, which must not leak into the checkout under test."""
_GIT = ["git", "-c", f"safe.directory={SOURCE}", "-c", f"safe.directory={SOURCE}/.git"]
"""The checkout may belong to somebody else than who runs the tests, as in many CI systems."""
LONGEST = 15 * 60.0
"""Seconds that any one command may take."""
_PORTS = 20000, 32768
"""Below what Linux takes for connections by itself, one of which could be there first."""
_CLAIMED: list[socket.socket] = []
"""What stands for the ports that were given out."""
_MOVED = {"5380": "SLIPWAY_QUARANTINE_PORT", "5443": "SLIPWAY_REGISTRY_PORT", "5444": "SLIPWAY_PRODUCTION_PORT"}
"""The usual port of each registry, and the variable that moves it."""
GRACE = 60.0
"""Seconds that a command gets to end by itself when it is asked to."""
SIDE_BY_SIDE = 4
"""Stacks that are taken down at a time: the provider waits two seconds for each network, and does nothing meanwhile."""
SECRETS = Path("/var/lib/slipway/secrets")
"""Where secret files are, unless a stack says otherwise."""
_UNTRACKED = [*_GIT, "ls-files", "--others", "--exclude-standard", "-z"]
_CHANGED = [*_GIT, "diff", "--name-only", "--diff-filter=d", "-z", "HEAD"]


def free_port() -> int:
    """A port of loopback that nobody listens on right now, and that the kernel gives to no connection by itself.

    No other call gets it as long as these tests run, in another process neither: an address in the kernel's abstract
    namespace stands for it, which nobody else can take and which ends with the process.
    """
    while True:
        claim, port = socket.socket(socket.AF_UNIX), random.randrange(*_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            claim.bind(f"\0slipway-e2e-port-{port}")
            probe.bind(("127.0.0.1", port))
            _CLAIMED.append(claim)
            return port
        claim.close()


def run_command(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    *,
    check: bool,
    input: str | None = None,
    timeout: float = LONGEST,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; standard error is part of the output.

    Where the test ends before the command does, the command is asked to end by itself: a killed Pulumi would leave its
    lock and what it was just making.

    Args:
        command: program and arguments.
        folder: where it runs.
        environment: its whole environment.
        check: whether it must succeed.
        input: what it reads; by default what the tests' own standard input is.
        timeout: seconds after which it counts as hanging.
    """
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        stdin = None if input is None else subprocess.PIPE
        # A process group of its own: a signal to the tests' group would be the second one that Pulumi gets, at which it
        # drops everything.
        with subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            text=True,
            stdin=stdin,
            stdout=output,
            stderr=subprocess.STDOUT,
            process_group=0,
        ) as process:
            hung = False
            try:
                process.communicate(input, timeout)
            except subprocess.TimeoutExpired:
                hung = True
            finally:
                _end(process)
        output.seek(0)
        said = output.read()
    assert not hung, f"{' '.join(command)}: not done after {timeout:.0f} s; its output so far:\n{said}"
    assert not check or process.returncode == 0, f"{' '.join(command)}\n{said}"
    return subprocess.CompletedProcess(command, process.returncode, said)


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture(scope="session", autouse=True)
def _clean_end() -> Iterator[None]:
    """SIGTERM ends the session as Ctrl-C does, with what the fixtures take down; a second one does not disturb that."""

    def interrupt(_number: int, _frame: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    yield
    signal.signal(signal.SIGTERM, before)


@dataclass
class Checkout:
    """A clone of the project with its prepared environment."""

    root: Path
    environment: dict[str, str]
    stacks: list[str] = field(default_factory=list)
    lasting: set[str] = field(default_factory=set)
    """Stacks that more than one file works with."""

    def run(self, *command: str, check: bool = True, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command in the checkout; standard error is part of the output, as a person sees it."""
        environment = {**self.environment, **options.pop("env", {})}
        return run_command(command, options.pop("cwd", self.root), environment, check=check, **options)

    def stack(self, name: str, change: Callable[[dict[str, Any]], None] | None = None) -> str:
        """Write a stack file made from the sample's, and make the stack.

        Container, ports and repositories are the stack's own, so that tests do not get into each other's way.

        Args:
            name: name of the stack.
            change: edits its configuration, whose keys are without the `slipway:` prefix.
        """
        document = yaml.safe_load((self.root / "stacks" / "Pulumi.dev.yaml").read_text())
        settings = {key.removeprefix("slipway:"): value for key, value in document["config"].items()}
        settings["quarantine"]["address"] = f"localhost:{self.environment['SLIPWAY_QUARANTINE_PORT']}"
        settings["registry"]["address"] = f"localhost:{self.environment['SLIPWAY_REGISTRY_PORT']}"
        settings["scan"]["database"] = f"localhost:{self.environment['SLIPWAY_QUARANTINE_PORT']}/trivy-db:2"
        web = settings["services"]["web"]
        web["repository"] = f"{name}/web"
        web["run"]["name"] = f"{PREFIX}-{name}"
        web["run"]["ports"][0]["host"] = free_port()
        web["run"]["health"]["interval"] = 3  # checks of all containers are a fifth of what the tests ask of processors
        if change:
            change(settings)
        self.write_stack(name, settings)
        self.write_policy(name)
        if name not in self.stacks:
            self.run("pulumi", "stack", "init", name, "--no-select")
            self.stacks.append(name)
        return name

    def write_stack(self, name: str, settings: Mapping[str, Any]) -> None:
        """Write a stack file; a salt that Pulumi left in it is kept."""
        path = self.root / "stacks" / f"Pulumi.{name}.yaml"
        document = yaml.safe_load(path.read_text()) if path.exists() else {}
        document["config"] = {f"slipway:{key}": value for key, value in settings.items()}
        path.write_text(yaml.safe_dump(document, sort_keys=False))

    def write_policy(self, name: str, **changes: Any) -> None:
        """Write what the policy pack is told for a stack: as for the sample, with some settings changed."""
        document = json.loads(self.checked_in("policy.dev.json"))
        document["pack-is-configured"] |= changes
        self._policy_file(name).write_text(json.dumps(document))

    def checked_in(self, file: str) -> str:
        """A file of `stacks/` with the registries where they listen here."""
        text = (self.root / "stacks" / file).read_text()
        for usual, moved in _MOVED.items():
            text = text.replace(f"localhost:{usual}", f"localhost:{self.environment[moved]}")
        return text

    def _policy_file(self, name: str) -> Path:
        return self.root / "stacks" / f"policy.{name}.json"

    def judged(self, stack: str) -> list[str]:
        """The flags with which the policy pack judges a stack, as `make up` gives them."""
        return ["--policy-pack", "policies", "--policy-pack-config", str(self._policy_file(stack))]

    def edit_stack(self, name: str, change: Callable[[dict[str, Any]], None]) -> None:
        """Change the settings of a stack that exists."""
        document = yaml.safe_load((self.root / "stacks" / f"Pulumi.{name}.yaml").read_text())
        settings = {key.removeprefix("slipway:"): value for key, value in document["config"].items()}
        change(settings)
        self.write_stack(name, settings)

    def up(self, stack: str, *flags: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """`pulumi up` without a question, under the policy pack."""
        return self.run("pulumi", "up", "--yes", "--stack", stack, *self.judged(stack), *flags, check=check)

    def preview(self, stack: str, *flags: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """`pulumi preview` under the policy pack."""
        return self.run("pulumi", "preview", "--stack", stack, *self.judged(stack), *flags, check=check)

    def outputs(self, stack: str) -> dict[str, Any]:
        """The stack's outputs."""
        found: dict[str, Any] = json.loads(self.run("pulumi", "stack", "output", "--json", "--stack", stack).stdout)
        return found

    def inspect(self, container: str) -> dict[str, Any]:
        """What the engine says about a container."""
        found: list[dict[str, Any]] = json.loads(self.run("docker", "inspect", container).stdout)
        return found[0]

    def state(self, stack: str, project: str = "slipway") -> dict[str, Any]:
        """A stack's state as it lies in the backend, whose commands take a quarter of a second to read it."""
        path = self.root / ".slipway" / "backend" / ".pulumi" / "stacks" / project / f"{stack}.json"
        latest: dict[str, Any] | None = json.loads(path.read_text())["checkpoint"]["latest"]
        return latest or {}

    def remove(self, stacks: Sequence[str]) -> None:
        """Remove stacks, with their files and what they have made on the host: nothing else meets them any more.

        Pulumi takes three seconds for each, most of it to wait for networks; the engine takes half a second for all.
        """
        made = [(it["type"], it.get("id")) for stack in stacks for it in self.state(stack).get("resources") or ()]
        for kind, remove in (("container", ("rm", "--force")), ("network", ("network", "rm"))):
            if found := [id_ for type_, id_ in made if type_.startswith(f"docker:index/{kind}:") and id_]:
                self.run("docker", *remove, *found, check=False)  # a test may have removed some
        backend = self.root / ".slipway" / "backend" / ".pulumi"
        for stack in stacks:
            shutil.rmtree(SECRETS / f"organization.slipway.{stack}", ignore_errors=True)
            shutil.rmtree(backend / "history" / "slipway" / stack, ignore_errors=True)
            files = [self.root / "stacks" / f"Pulumi.{stack}.yaml", self._policy_file(stack)]
            for file in (*files, *(backend / "stacks" / "slipway").glob(f"{stack}.json*")):
                file.unlink(missing_ok=True)
            self.stacks.remove(stack)
        commit(self.root, "remove stacks")  # what promotes refuses a tree with changes

    def destroy(self, stacks: Sequence[str]) -> None:
        """Take down what these stacks have made on the host as a user does; their states and stack files stay."""
        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            gone = pool.map(lambda stack: _destroyed(self, stack), stacks)
            failed = [stack for stack, is_gone in zip(stacks, gone, strict=True) if not is_gone]
        assert not failed, f"not destroyed: {failed}"

    @staticmethod
    def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
        """Ask until the condition holds; fails at the deadline."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"not within {seconds:.0f} s"
            time.sleep(0.1)

    @property
    def quarantine(self) -> RegistryClient:
        """The quarantine registry, from outside."""
        return RegistryClient(f"localhost:{self.environment['SLIPWAY_QUARANTINE_PORT']}")

    @property
    def private(self) -> RegistryClient:
        """The private registry, from outside."""
        return RegistryClient(
            f"localhost:{self.environment['SLIPWAY_REGISTRY_PORT']}",
            self.root / ".slipway" / "services" / "registry" / "ca.crt",
            ("slipway", self.key("registry.password")),
        )

    def copy_sample(self, name: str) -> str:
        """Commit a copy of the sample's folder, for a test that edits it; returns its path, for `build.context`."""
        context = f"examples/{name}"
        shutil.copytree(self.root / "examples" / "driftwood-web", self.root / context)
        commit(self.root, f"add {name}", context)
        return context

    def key(self, name: str) -> str:
        """The content of one of the checkout's generated secrets."""
        return (self.root / ".slipway" / "keys" / name).read_text().strip()


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """A fresh clone with services; all its stacks are destroyed and its services ended afterwards."""
    root = tmp_path_factory.mktemp("e2e") / "slipway"
    clone(root)
    bare = {key: value for key, value in os.environ.items() if not key.startswith(_PREPARED)}
    bare |= {name: str(free_port()) for name in _MOVED.values()}
    toolchain = ["python3", "-m", "toolchain"]
    try:
        subprocess.run([*toolchain, "services"], cwd=root, env=bare, check=True)
        made = Checkout(root, bare | prepared_environment(root, bare))
        yield made
        with images_removed(made, [f"localhost:{bare[name]}" for name in _MOVED.values()]):
            made.destroy(made.stacks)
    finally:
        subprocess.run([*toolchain, "down"], cwd=root, env=bare, check=True)


def _destroyed(made: Checkout, stack: str) -> bool:
    """Take a stack down; one whose last command was interrupted is recovered first."""
    plain = made.run("pulumi", "destroy", "--yes", "--skip-preview", "--stack", stack, check=False)
    if plain.returncode == 0:
        return True
    recovered = made.run("python3", "-m", "toolchain", "destroy", "--stack", stack, check=False)
    print(plain.stdout, recovered.stdout)
    return recovered.returncode == 0


@pytest.fixture(scope="module", autouse=True)
def _room_for_the_next_file(checkout: Checkout) -> Iterator[None]:
    """Removes a file's own stacks at its end: an engine has addresses for some thirty networks, each container that is
    left running costs the tests after it its health checks, and commands about all stacks refuse a broken one."""
    before = set(checkout.stacks)
    yield
    checkout.remove([stack for stack in checkout.stacks if stack not in before | checkout.lasting])


@pytest.fixture(scope="session", name="shipped")
def shipped_stack(checkout: Checkout) -> "Shipped":
    """The stack of the main story after its first `pulumi up`; see tests/e2e/shipped.py."""
    from tests.e2e.shipped import STACK, ship

    checkout.lasting.add(STACK)
    return ship(checkout)


@pytest.fixture(scope="session", name="release")
def proved_release(checkout: Checkout) -> "ReleaseRecord":
    """What a staging has built and proved, for everything that may go wrong on its way to production."""
    from tests.e2e.environments import PROVED, prove

    checkout.lasting.add(PROVED)
    return prove(checkout)


@pytest.fixture(scope="session", name="today")
def database_of_today(checkout: Checkout, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A vulnerability database that knows more than the one by which that release was scanned."""
    from tests.e2e.environments import publish_todays_database

    return publish_todays_database(checkout, tmp_path_factory.mktemp("today"))


def clone(root: Path) -> None:
    """Clone the repository with what is not committed yet, committed in the clone."""
    # What serves the clone is a git of its own, which is told nothing of the first one's settings.
    serve = shlex.join([*_GIT, "upload-pack"])
    subprocess.run([*_GIT, "clone", "--quiet", "--upload-pack", serve, str(SOURCE), str(root)], check=True)
    changed = subprocess.run(_CHANGED, cwd=SOURCE, capture_output=True, text=True, check=True).stdout
    new = subprocess.run(_UNTRACKED, cwd=SOURCE, capture_output=True, text=True, check=True).stdout
    for name in filter(None, (changed + new).split("\0")):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(SOURCE / name, root / name)
    # A plain `pulumi up` left the salt of its own passphrase there.
    for file in (root / "stacks").glob("Pulumi.*.yaml"):
        file.write_text(without_salt(file.read_text()))
    commit(root, "state of the working tree")


def commit(root: Path, message: str, path: str = ".") -> None:
    """Commit everything in a clone, or below one path, under a name of its own."""
    identity = ["-c", "user.name=Driftwood", "-c", "user.email=driftwood@example.invalid"]
    subprocess.run(["git", "add", "--all", "--", path], cwd=root, check=True)
    subprocess.run(["git", *identity, "commit", "--quiet", "--allow-empty", "-m", message], cwd=root, check=True)


def prepared_environment(root: Path, bare: Mapping[str, str]) -> dict[str, str]:
    """What `eval "$(python3 -m toolchain env)"` sets in a shell."""
    script = 'eval "$(python3 -m toolchain env)"; env -0'
    shell = subprocess.run(["bash", "-c", script], cwd=root, env=dict(bare), capture_output=True, text=True, check=True)
    return dict(entry.split("=", 1) for entry in shell.stdout.split("\0") if "=" in entry)
