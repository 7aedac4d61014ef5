"""Before the first resource: every service that a stack needs is asked, and all that are down are told at once."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pulumi
import pytest

import reachability
from components.artifact import Platform
from reachability import check
from tests.conftest import git
from tests.stacks import Stack


class Services:
    """Real sockets in the places of two registries, a builder and an engine."""

    def __init__(self, folder: Path, stack: Stack) -> None:
        self.stack = stack
        self.folder = folder
        self.open: dict[str, socket.socket] = {}
        for name in ("quarantine", "registry"):
            server = socket.create_server(("127.0.0.1", 0))
            self.open[name] = server
            stack.settings[name]["address"] = f"127.0.0.1:{server.getsockname()[1]}"
        for name in ("docker", "buildkit"):
            server = socket.socket(socket.AF_UNIX)
            server.bind(str(folder / f"{name}.sock"))
            server.listen()
            self.open[name] = server
        stack.settings["docker"] = f"unix://{folder}/docker.sock"
        self.builder(f"unix://{folder}/buildkit.sock")

    def builder(self, endpoint: str) -> None:
        """Make buildx know the builder of the stack at this address."""
        instances = self.folder / "buildx" / "instances"
        instances.mkdir(parents=True, exist_ok=True)
        (instances / "slipway").write_text(json.dumps({"Name": "slipway", "Nodes": [{"Endpoint": endpoint}]}))

    def down(self, name: str) -> None:
        """End one of them."""
        self.open.pop(name).close()

    def problems(self) -> list[str]:
        """The lines that a person is told; none where everything answers."""
        try:
            check(self.stack.load())
        except pulumi.RunError as error:
            first, *lines = str(error).splitlines()
            assert first == "Not everything that this stack needs is there; nothing was changed:"
            assert lines
            return [line.strip() for line in lines]
        return []


@pytest.fixture(name="services")
def everything_is_up(tmp_path: Path, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    """All services of a stack answer."""
    monkeypatch.setenv("BUILDX_CONFIG", str(tmp_path / "buildx"))
    monkeypatch.setattr(reachability, "_can_run", lambda wanted: True)
    for name in ("https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    services = Services(tmp_path, stack)
    yield services
    for server in services.open.values():
        with closing(server):
            pass


def test_a_stack_whose_services_all_answer_goes_on(services: Services) -> None:
    assert services.problems() == []


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("quarantine", "slipway:quarantine.address"),
        ("registry", "slipway:registry.address"),
        ("docker", "slipway:docker"),
        ("buildkit", "slipway:builder"),
    ],
)
def test_a_service_that_is_down_is_told_by_the_setting_that_points_to_it(
    services: Services, name: str, key: str
) -> None:
    services.down(name)
    [line] = services.problems()
    assert line.startswith(f"{key}: ")
    assert "does not answer (" in line
    assert "None" not in line
    assert "start it" in line


def test_all_that_are_down_are_told_at_once(services: Services) -> None:
    for name in list(services.open):
        services.down(name)
    keys = {line.partition(": ")[0] for line in services.problems()}
    assert keys == {"slipway:quarantine.address", "slipway:registry.address", "slipway:docker", "slipway:builder"}


def test_a_stack_that_runs_nothing_needs_no_engine(services: Services) -> None:
    services.down("docker")
    services.stack.web.pop("run")
    assert services.problems() == []


def test_a_context_of_docker_that_would_win_over_the_setting_is_told(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONTEXT", "elsewhere")
    (line,) = services.problems()
    assert line.startswith("DOCKER_CONTEXT: it is set (elsewhere), and the Docker provider would take that engine ")


def test_the_socket_of_an_engine_that_was_never_there_is_told_with_its_path(services: Services) -> None:
    services.stack.settings["docker"] = "unix:///nowhere/docker.sock"
    [line] = services.problems()
    assert line.startswith("slipway:docker: the Docker Engine at /nowhere/docker.sock does not answer (No such file")


def test_a_socket_with_a_path_too_long_for_one_is_told_with_the_reason(services: Services) -> None:
    services.stack.settings["docker"] = f"unix:///{'x' * 200}"
    [line] = services.problems()
    assert line.startswith("slipway:docker: ")
    assert "None" not in line


@pytest.mark.parametrize("address", ["[::1]:1", "[::1]", "registry.invalid", "registry.invalid:5000"])
def test_an_address_that_leads_nowhere_is_told_and_not_thrown(services: Services, address: str) -> None:
    services.stack.settings["registry"]["address"] = address
    [line] = services.problems()
    assert line.startswith(f"slipway:registry.address: {address} does not answer (")


@pytest.mark.parametrize("no_proxy", ["", "registry.invalid"])
def test_a_registry_behind_a_proxy_is_left_to_the_proxy(
    services: Services, monkeypatch: pytest.MonkeyPatch, no_proxy: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.invalid:3128")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    services.stack.settings["registry"]["address"] = "registry.invalid:5000"
    assert len(services.problems()) == (1 if no_proxy else 0)


def test_a_registry_on_loopback_is_asked_whatever_the_proxy(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.invalid:3128")
    services.down("registry")
    [line] = services.problems()
    assert line.startswith("slipway:registry.address: ")


def test_a_builder_that_buildx_does_not_know_is_told_by_its_name(services: Services) -> None:
    services.stack.settings["builder"] = "nobody"
    [line] = services.problems()
    assert line.startswith("slipway:builder: ")
    assert "nobody" in line
    assert "docker buildx" in line


def test_a_builder_on_another_machine_is_left_to_itself(services: Services) -> None:
    services.builder("tcp://192.0.2.1:1234")
    assert services.problems() == []


def test_a_stack_without_a_builder_of_its_own_uses_the_default_one(services: Services) -> None:
    services.down("buildkit")
    services.stack.settings.pop("builder")
    assert services.problems() == []


def test_a_platform_that_the_builder_cannot_run_is_told_with_what_to_install(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reachability, "_can_run", lambda wanted: wanted.architecture == "amd64")
    [line] = services.problems()
    assert line.startswith("slipway:services: the builder cannot run linux/arm64: ")
    assert "qemu-user-static" in line


@pytest.fixture(name="binfmt")
def emulators(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An amd64 machine whose kernel knows the emulators in this folder."""
    folder = tmp_path / "binfmt"
    folder.mkdir()
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr(reachability, "_BINFMT", folder)
    return folder


ON = "enabled\ninterpreter /usr/bin/qemu\nflags: POF\n"


@pytest.mark.parametrize(
    ("platform", "name", "content", "runs"),
    [
        ("linux/amd64", "", "", True),
        ("linux/386", "", "", True),
        ("linux/arm64", "", "", False),
        ("linux/arm64", "qemu-aarch64", ON, True),
        ("linux/arm64", "qemu-aarch64-static", ON, True),
        ("linux/arm64", "qemu-aarch64", ON.replace("enabled", "disabled"), False),
        ("linux/arm64", "qemu-aarch64", ON.replace("POF", "PO"), False),
        ("linux/riscv64", "qemu-aarch64", ON, False),
        ("linux/mips64le", "qemu-mips64el", ON, True),
        ("linux/mips64", "qemu-mips64el", ON, False),
    ],
)
def test_what_is_not_native_needs_an_emulator_that_also_works_in_containers(
    binfmt: Path, platform: str, name: str, content: str, runs: bool
) -> None:
    if name:
        (binfmt / name).write_text(content)
    assert reachability._can_run(Platform(platform)) is runs


def test_another_system_than_linux_is_refused_whatever_is_registered(services: Services) -> None:
    services.stack.web["build"]["platforms"] = ["linux/amd64", "freebsd/amd64"]
    [line] = services.problems()
    assert line.startswith("slipway:services: the builder cannot run freebsd/amd64: its kernel is Linux")


# A stack that promotes takes only what is committed.


def commit_everything(project: Path) -> None:
    """Make the project a repository with one commit."""
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "everything"]):
        git(project, *arguments)


@pytest.fixture(name="project")
def committed_project(services: Services, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project of a stack that promotes, in git, with everything committed."""
    stack = services.stack
    stack.settings.pop("quarantine")
    stack.settings.pop("builder")
    stack.web.pop("build")
    stack.settings["promote"] = {"from": ["staging"], "public_key": "cosign.pub"}
    (stack.project / ".gitignore").write_text(".slipway/\n")
    (stack.project / "stacks").mkdir()
    (stack.project / "stacks" / "Pulumi.production.yaml").write_text("config: {}\n")
    monkeypatch.chdir(stack.project)
    commit_everything(stack.project)
    return stack.project


def refusal(services: Services, monkeypatch: pytest.MonkeyPatch, preview: bool = False) -> str:
    """Why it is refused; empty where it is not."""
    monkeypatch.setattr("pulumi.runtime.is_dry_run", lambda: preview)
    try:
        check(services.stack.load())
    except pulumi.RunError as error:
        return str(error)
    return ""


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a person is warned of, whether or not another test has left an engine that takes it."""
    said: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", said.append)
    return said


def test_a_clean_tree_may_be_promoted_from(services: Services, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert project
    assert refusal(services, monkeypatch) == ""


@pytest.mark.parametrize("change", ["new.py", "app/Dockerfile"])
def test_a_tree_with_changes_is_refused_by_up_and_told_by_preview(
    services: Services, project: Path, monkeypatch: pytest.MonkeyPatch, warnings: list[str], change: str
) -> None:
    (project / change).write_text("changed")
    told = f"this stack promotes, and takes only what is committed. Changed: {change}"
    assert refusal(services, monkeypatch) == f"{told}\nCommit it, or take it back, then try again; nothing was changed."
    assert refusal(services, monkeypatch, preview=True) == ""
    assert warnings == [f"{told}\n`pulumi up` will refuse this."]


def test_a_removed_file_is_a_change_and_many_are_counted(
    services: Services, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "bases.json").unlink()
    for number in range(6):
        (project / f"new{number}").write_text("x")
    assert "Changed: bases.json, new0, new1, new2, new3 and 2 more" in refusal(services, monkeypatch)


def test_the_salt_that_pulumi_writes_by_itself_is_no_change(
    services: Services, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = project / "stacks" / "Pulumi.production.yaml"
    file.write_text("config: {}\nencryptionsalt: v1:abc=:v1:def\n")
    assert refusal(services, monkeypatch) == ""
    file.write_text("config: {a: b}\nencryptionsalt: v1:abc=:v1:def\n")
    assert "Changed: stacks/Pulumi.production.yaml" in refusal(services, monkeypatch)


def test_a_stack_that_builds_may_be_brought_up_from_a_tree_with_changes(services: Services) -> None:
    assert services.problems() == []


@pytest.fixture(name="releasing")
def committed_release(services: Services, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project of a stack that builds on the channel release, in git, with everything committed."""
    stack = services.stack
    stack.settings["channel"] = "release"
    monkeypatch.chdir(stack.project)
    commit_everything(stack.project)
    return stack.project


@pytest.mark.parametrize("preview", [True, False])
def test_a_release_is_built_from_what_is_committed_alone(
    services: Services, releasing: Path, monkeypatch: pytest.MonkeyPatch, preview: bool
) -> None:
    for number in range(6):
        (releasing / "app" / f"new{number}").write_text("x")
    other = json.loads(json.dumps(services.stack.web)) | {"repository": "driftwood/other", "run": None}
    services.stack.settings["services"] |= {"other": other | {"build": other["build"] | {"context": "other"}}}
    (releasing / "other").mkdir()
    (releasing / "other" / "Dockerfile").write_text("FROM scratch")
    first, web, last, do = refusal(services, monkeypatch, preview).splitlines()
    assert first.startswith("channel: release claims an immutable tag, and takes only what is committed; nothing was ")
    assert web == "  service web: app holds what is in no commit: new0, new1, new2, new3, new4 and 1 more"
    assert last == "  service other: other holds what is in no commit: ."
    assert do.startswith("Commit it, or build it on a channel such as dev.")


def test_a_release_is_built_whatever_else_is_not_committed(
    services: Services, releasing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (releasing / "notes").write_text("not committed")
    assert refusal(services, monkeypatch) == ""
    (releasing / "app" / "Dockerfile").write_text("FROM scratch")
    assert "service web: app holds what is in no commit: Dockerfile" in refusal(services, monkeypatch)
    services.stack.settings["channel"] = "dev"
    assert refusal(services, monkeypatch) == ""


def test_a_release_outside_of_git_is_built_as_it_is(
    services: Services, releasing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(releasing / ".git")
    assert refusal(services, monkeypatch) == ""


def test_a_project_outside_of_git_is_warned_about(
    services: Services, project: Path, monkeypatch: pytest.MonkeyPatch, warnings: list[str]
) -> None:
    shutil.rmtree(project / ".git")
    assert refusal(services, monkeypatch) == ""
    assert len(warnings) == 1 and "this project is in no git repository" in warnings[0]


def test_a_stack_that_promotes_asks_neither_quarantine_nor_builder(
    services: Services, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert project
    services.down("quarantine")
    services.down("buildkit")
    assert refusal(services, monkeypatch) == ""
    services.down("registry")
    assert "slipway:registry.address" in refusal(services, monkeypatch)
