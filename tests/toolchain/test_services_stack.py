"""The stack that `make` drives, what status and clean read of it, and the command line."""

import gzip
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from toolchain.__main__ import main
from toolchain.cleaning import clean
from toolchain.environment import Project
from toolchain.errors import ToolchainError
from toolchain.services.engine import states_text
from toolchain.session import asks_for_production, platforms
from toolchain.stack import Stack, foreground, stacks, urls
from toolchain.status import print_status
from toolchain.verbs import VERBS

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "Pulumi.yaml").write_text("name: slipway\nruntime: python\n")
    (tmp_path / "stacks").mkdir()
    (tmp_path / "stacks" / "Pulumi.dev.yaml").write_text("config:\n  a: localhost:5380\n  b: localhost:5443/x\n")
    found = Project(tmp_path, 6000, 6001, 6002)
    found.run.mkdir(parents=True)
    return found


def deploy(project: Project, resources: list[dict[str, Any]], name: str = "dev", of: str = "slipway") -> None:
    folder = project.backend / ".pulumi" / "stacks" / of
    folder.mkdir(parents=True, exist_ok=True)
    deployment = {"manifest": {"time": "2026-01-02T03:04:05.123456789Z"}, "resources": resources}
    (folder / f"{name}.json").write_text(json.dumps({"checkpoint": {"latest": deployment}}))


def test_pulumi_gets_a_copy_of_the_stacks_file_with_the_moved_ports(project: Project) -> None:
    stack = Stack(project, "dev")
    before = stack.file.read_text()
    copy = stack.configuration()
    assert copy.parent == project.run
    assert copy.read_text() == "config:\n  a: localhost:6000\n  b: localhost:6001/x\n"
    assert stack.file.read_text() == before


def test_a_stack_whose_policies_are_told_nothing_says_which_file_is_missing(project: Project) -> None:
    told: list[str] = []
    assert Stack(project, "qa").policy_flags(told.append) == ["--policy-pack", str(project.root / "policies")]
    assert told[0].startswith("policies: stacks/policy.qa.json does not exist")
    (project.root / "stacks" / "policy.dev.json").write_text("{}")
    assert "--policy-pack-config" in Stack(project, "dev").policy_flags(told.append)
    assert len(told) == 1


def test_a_registry_may_listen_where_another_one_usually_does(tmp_path: Path) -> None:
    moved = Project(tmp_path, 5443, 5444, 5500)
    text = "localhost:5380 localhost:5443/x localhost:5444 localhost:54431 mylocalhost:5443 otherlocalhost:5443"
    assert moved.with_our_ports(text) == (
        "localhost:5443 localhost:5444/x localhost:5500 localhost:54431 mylocalhost:5443 otherlocalhost:5443"
    )


def test_a_salt_of_another_checkouts_passphrase_does_not_reach_pulumi(project: Project) -> None:
    stack = Stack(project, "dev")
    plain = stack.file.read_text()
    stack.file.write_text(f"encryptionsalt: v1:OikS3sRU5UU=:v1:RsuJ\n{plain}")
    assert stack.configuration().read_text() == "config:\n  a: localhost:6000\n  b: localhost:6001/x\n"


def test_a_salt_stays_where_values_were_encrypted_with_it(project: Project) -> None:
    stack = Stack(project, "dev")
    stack.file.write_text("config:\n  a:\n    secure: v1:abc\nencryptionsalt: v1:OikS3sRU5UU=:v1:RsuJ\n")
    assert stack.configuration().read_text() == stack.file.read_text()


def test_only_a_stack_that_names_productions_registry_asks_for_it(project: Project) -> None:
    (project.root / "stacks" / "Pulumi.production.yaml").write_text("config:\n  a: localhost:5444\n")
    assert asks_for_production(project, "production")
    assert not asks_for_production(project, "dev")
    assert not asks_for_production(project, "no-such-stack")
    moved = Stack(project, "production")
    assert moved.configuration().read_text() == "config:\n  a: localhost:6002\n"
    (project.root / "stacks" / "Pulumi.qa.yaml").write_text("config:\n  a: localhost:6002\n")
    assert asks_for_production(project, "qa"), "a file may name the port that it was moved to"


def test_the_checked_in_stacks_ask_for_what_they_name() -> None:
    project = Project(ROOT)
    assert {name: asks_for_production(project, name) for name in ("dev", "staging", "production")} == {
        "dev": False,
        "staging": False,
        "production": True,
    }


def test_a_stack_without_a_file_is_refused_with_those_that_have_one(project: Project) -> None:
    with pytest.raises(ToolchainError, match=r"Pulumi\.prod\.yaml does not exist \(stack prod\): .*one of: dev"):
        Stack(project, "prod").refuse_missing_file()


def test_two_stacks_are_created_at_once_each_in_a_folder_of_its_own(project: Project, tmp_path: Path) -> None:
    pulumi = tmp_path / "bin" / "pulumi"
    pulumi.parent.mkdir()
    # Each goes on only when the other has begun, and finds its folder as it was.
    pulumi.write_text(
        f"#!/bin/sh\ntouch {tmp_path}/began-$3\n"
        f"for _ in $(seq 40); do [ $(ls -d {tmp_path}/began-* | wc -l) = 2 ] && break; sleep 0.1; done\n"
        "cat Pulumi.yaml && touch Pulumi.$3.yaml && [ $(ls | wc -l) = 2 ]\n"
    )
    pulumi.chmod(0o755)
    environment = {"PATH": f"{pulumi.parent}:/usr/bin:/bin"}
    with ThreadPoolExecutor() as pool:
        assert all(pool.map(lambda name: Stack(project, name).ensure(environment), ["dev", "qa"]))
    assert list(project.run.iterdir()) == []


def test_a_stack_file_that_is_no_yaml_is_refused_with_the_place(project: Project) -> None:
    stack, python = Stack(project, "dev"), Path(sys.executable)
    stack.file.write_text("config:\n  slipway:channel: dev\n    cpus: 1\n")
    with pytest.raises(ToolchainError) as refused:
        stack.refuse_broken_yaml(python)
    assert str(refused.value) == (
        "stacks/Pulumi.dev.yaml: line 3, column 9: mapping values are not allowed here: correct the YAML there; "
        "often it is an indentation"
    )
    for text in ("", "config: {}\n", "config:\n  slipway:channel: nonsense\n"):
        stack.file.write_text(text)
        stack.refuse_broken_yaml(python)


def test_a_key_that_stands_twice_in_a_stack_file_is_refused_with_the_place(project: Project) -> None:
    stack, python = Stack(project, "dev"), Path(sys.executable)
    stack.file.write_text("config:\n  slipway:channel: dev\n  slipway:channel: qa\n")
    with pytest.raises(ToolchainError, match=r"\.yaml: line 3, column 3: slipway:channel stands there twice: "):
        stack.refuse_broken_yaml(python)
    merged = "b: &b {k: 1}\na:\n  n:\n    deep: &x {<<: *b, k: 2}\ny: {<<: *x}\n"
    for text in ("a: {x: 1}\nb: {x: 1}\n", merged, "1: a\n'1': b\n", "a: &a [*a]\n"):
        stack.file.write_text(text)
        stack.refuse_broken_yaml(python)


@pytest.mark.parametrize("name", ["", "../dev", "a b", "x;y"])
def test_a_name_that_is_none_is_refused(project: Project, name: str) -> None:
    with pytest.raises(ToolchainError, match="not the name of a stack"):
        Stack(project, name)


def test_urls_are_found_wherever_they_are_among_the_outputs() -> None:
    outputs = {"web": {"url": "http://127.0.0.1:8080", "release": {"tag": "1"}}, "job": {"url": ""}, "n": 3}
    assert urls(outputs) == ["http://127.0.0.1:8080"]


def test_the_platforms_are_the_default_ones_and_those_of_the_stacks_file(project: Project) -> None:
    Stack(project, "dev").file.write_text("platforms: [linux/riscv64, linux/arm/v7]\n")
    assert platforms(project, "dev") == ["linux/amd64", "linux/arm/v7", "linux/arm64", "linux/riscv64"]


def test_clean_refuses_while_a_stack_has_resources_and_names_the_way_out(project: Project) -> None:
    deploy(project, [{"type": "pulumi:pulumi:Stack"}])
    told = (
        r"stack slipway/dev still has 1 resources.*run `make destroy STACK=dev` \(or `pulumi destroy -s dev` in `make"
    )
    with pytest.raises(ToolchainError, match=told):
        clean(project, lambda _: None, cache=False)
    assert project.state.exists()


@pytest.mark.parametrize(
    ("of", "told"),
    [
        ("yaml-consumer", "run `pulumi destroy --cwd examples/yaml-consumer -s dev` in `make shell` first"),
        ("gone", "run `pulumi destroy -s dev` in the folder of the project gone, with the environment of"),
    ],
)
def test_clean_names_the_folder_of_a_stack_of_another_project(project: Project, of: str, told: str) -> None:
    consumer = project.root / "examples" / "yaml-consumer"
    consumer.mkdir(parents=True)
    (consumer / "Pulumi.yaml").write_text("# uses Slipway\nname: yaml-consumer\nruntime: yaml\n")
    deploy(project, [])
    deploy(project, [{"type": "pulumi:pulumi:Stack"}], of=of)
    with pytest.raises(ToolchainError) as caught:
        clean(project, lambda _: None, cache=False)
    assert str(caught.value).startswith(f"clean: stack {of}/dev still has 1 resources")
    assert told in str(caught.value)
    assert "make destroy" not in str(caught.value)


def test_clean_takes_down_what_is_mounted_below_whatever_the_folder_is_called(project: Project, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").write_text("of somebody else")
    mounted = project.state / "jürgens \\ builds"
    mounted.mkdir()
    subprocess.run(["mount", "--bind", elsewhere, mounted], check=True)
    try:
        clean(project, lambda _: None, cache=False)
    finally:
        subprocess.run(["umount", mounted], capture_output=True, check=False)
    assert (elsewhere / "kept").exists()
    assert not project.state.exists()


def test_clean_removes_state_and_virtual_environment_and_leaves_the_shared_tools(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shared = tmp_path / "cache" / "slipway" / "tools"
    shared.mkdir(parents=True)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (project.root / ".venv" / "bin").mkdir(parents=True)
    (project.root / ".venv" / "bin").chmod(0o500)
    deploy(project, [])
    clean(project, lambda _: None, cache=False)
    assert not project.state.exists()
    assert not (project.root / ".venv").exists()
    assert shared.exists()
    clean(project, lambda _: None, cache=True)
    assert not shared.parent.exists()


def test_clean_leaves_the_shared_tools_while_another_checkout_runs_one(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shared = tmp_path / "cache" / "slipway" / "tools"
    shared.mkdir(parents=True)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    program = shutil.copy("/bin/sleep", shared / "frob")
    deploy(project, [])
    with subprocess.Popen([program, "60"]) as running:
        try:
            with pytest.raises(ToolchainError, match=rf"is in use by frob \(pid {running.pid}\): nothing was removed"):
                clean(project, lambda _: None, cache=True)
        finally:
            running.kill()
    assert project.state.exists() and shared.exists()


def test_a_container_in_a_compressed_state_is_ours(project: Project) -> None:
    folder = project.backend / ".pulumi" / "stacks" / "slipway"
    folder.mkdir(parents=True)
    (folder / "prod.json.gz").write_bytes(gzip.compress(json.dumps({"id": "c0ffee"}).encode()))
    (folder / "dev.json").write_text(json.dumps({"id": "beef"}))
    assert states_text(project) == '{"id": "beef"}{"id": "c0ffee"}'


def test_status_lists_services_that_do_not_run_and_stacks(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    deploy(project, [{"type": "pulumi:pulumi:Stack"}, {"type": "a"}])
    print_status(project, {"DOCKER_HOST": f"unix://{project.root}/none.sock"})
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:5]] == ["quarantine", "registry", "buildkit", "docker"]
    assert all("not running" in line for line in lines[1:5])
    assert lines[-1].split()[:2] == ["slipway/dev", "2"]
    assert list(stacks(project)) == ["slipway/dev"]


def test_the_exit_code_of_what_runs_is_handed_on(tmp_path: Path) -> None:
    environment = {"PATH": "/usr/bin:/bin"}
    assert foreground(["sh", "-c", "exit 7"], tmp_path, environment) == 7
    assert foreground(["sh", "-c", "kill -KILL $$"], tmp_path, environment) == 137


def test_an_error_is_one_message_and_exit_code_1(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project.root)
    assert main(["preview", "--stack", "prod"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: STACK: stacks/Pulumi.prod.yaml does not exist")
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (OSError(28, "No space left on device", "/a/file"), "No space left on device: '/a/file': mend that, then"),
        (
            subprocess.TimeoutExpired(["openssl", "x509", "-in", "a"], 10),
            "`openssl x509 -in` did not end within 10 s: ",
        ),
        (
            json.JSONDecodeError("Expecting value", "half a ", 0),
            "no JSON (Expecting value: line 1 column 1 (char 0)): run",
        ),
    ],
    ids=["OSError", "TimeoutExpired", "JSONDecodeError"],
)
def test_an_error_that_no_step_expects_is_one_message_too(
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    failure: Exception,
    told: str,
) -> None:
    def fails(*_: object) -> int:
        raise failure

    monkeypatch.chdir(project.root)
    monkeypatch.setitem(VERBS, "status", fails)
    assert main(["status"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    assert told in error


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("dev.json", b'{"checkpoint": '),
        ("dev.json", b"[]"),
        ("dev.json", b"\xff"),
        ("dev.json.gz", gzip.compress(b"{}")[:9]),
    ],
    ids=["half a file", "no object", "no text", "half a compressed file"],
)
def test_a_damaged_state_is_named_with_the_copy_that_pulumi_keeps(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, content: bytes
) -> None:
    folder = project.backend / ".pulumi" / "stacks" / "slipway"
    folder.mkdir(parents=True)
    (folder / name).write_bytes(content)
    monkeypatch.chdir(project.root)
    assert main(["status"]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: {folder / name} is no state that can be read (")
    assert error.endswith(f"put its last good copy in its place, such as {name}.bak beside it\n")


@pytest.mark.parametrize("verb", ["up", "preview", "destroy", "shell", "services", "bench", "lock-bases", "test"])
def test_what_starts_services_tells_anybody_but_root_before_it_installs_a_tool(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    monkeypatch.chdir(project.root)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr("toolchain.verbs.open_session", lambda *_, **__: pytest.fail("it went on to the tools"))
    monkeypatch.setattr("toolchain.tools.administrators_part", lambda _: "  git: git is not on PATH")
    assert main([verb]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: Only root can start the embedded services")
    assert "Nothing was changed" in error
    assert "also lacks what only its administrator can install:\n  git: git is not on PATH" in error


def test_make_without_a_goal_is_help() -> None:
    said = subprocess.run(["make", f"PYTHON={sys.executable}"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "make up" in said.stdout
    assert "make test" in said.stdout
    assert len(said.stdout.splitlines()) <= 20


@pytest.mark.parametrize(("selected", "asked"), [(True, ["stack"]), (False, ["stack", "stack select"])])
def test_a_stack_that_is_brought_up_is_selected_only_where_none_is(
    project: Project, tmp_path: Path, selected: bool, asked: list[str]
) -> None:
    """A shell that is open for dev must not mean production because that was brought up elsewhere."""
    pulumi = tmp_path / "bin" / "pulumi"
    pulumi.parent.mkdir()
    # Without a selected stack `--show-name` fails, as Pulumi does where it may not ask.
    pulumi.write_text(
        f'#!/bin/sh\necho "$1 $2" >>{tmp_path}/calls\n[ {int(selected)} = 1 ] || [ "$2" != --show-name ]\n'
    )
    pulumi.chmod(0o755)
    Stack(project, "dev").select_first({"PATH": f"{pulumi.parent}:/usr/bin:/bin"})
    calls = (tmp_path / "calls").read_text().splitlines()
    assert [call.removesuffix(" --show-name") for call in calls] == asked
