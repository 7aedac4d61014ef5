"""The whole: what is on PATH is used, what is missing is installed, and a second run only looks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.toolchain.fakes import Machine, new_machine, plugin, script, telling, tool
from toolchain import tools
from toolchain.errors import ToolchainError
from toolchain.pins import GoBuild, Pin
from toolchain.progress import Progress
from toolchain.stamp import Tools
from toolchain.survey import Survey, search_path, succeeds


@pytest.fixture(name="machine")
def a_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr("toolchain.install.missing_platforms", lambda _: [])
    machine = new_machine(tmp_path)
    for name, value in machine.environ.items():
        monkeypatch.setenv(name, value)
    return machine


def installed(machine: Machine, *pins: Pin, plugins: tuple[Pin, ...] = ()) -> Tools:
    return machine.installation(*pins, plugins=plugins).everything(consent=False)


def uv_calls(machine: Machine) -> list[str]:
    return (machine.root / "uv.calls").read_text().splitlines()


def test_what_is_missing_is_built_and_its_folder_goes_on_path(machine: Machine) -> None:
    pin = tool()
    found = installed(machine, pin, plugins=(plugin(),))
    assert found.path == (machine.store.bin(pin),)
    assert found.python == machine.project / ".venv" / "bin" / "python"
    assert (found.plugins / "resource-docker-v5.2.0" / "pulumi-resource-docker").is_file()


def test_steps_are_numbered_and_tell_what_is_left(machine: Machine) -> None:
    installed(machine, tool("one"), tool("two"))
    lines = machine.output.getvalue().splitlines()
    assert [line.partition(":")[0] for line in lines if " in " in line] == [
        "[1/3] Python packages",
        "[2/3] one 1.2.3",
        "[3/3] two 1.2.3",
    ]
    assert lines[0] == "[1/3] Python packages: installing requirements.lock into .venv … 2 left"


def test_a_tool_on_path_in_the_accepted_range_is_used_as_it_is(machine: Machine) -> None:
    telling(machine.path, "frob", "1.9.0")
    assert installed(machine, tool()).path == ()
    assert machine.builds() == 0


@pytest.mark.parametrize("version", ["1.1.9", "2.0.0", "1.3.0-rc.1", "of today"])
def test_a_tool_on_path_outside_of_the_accepted_range_is_left_alone_and_told(machine: Machine, version: str) -> None:
    program = telling(machine.path, "frob", version)
    before = program.read_bytes()
    assert installed(machine, tool()).path == (machine.store.bin(tool()),)
    assert program.read_bytes() == before
    assert f"frob 1.2.3: {program} is " in machine.output.getvalue()
    assert ">=1.2.0,<2.0.0 is needed, so it is installed for Slipway alone" in machine.output.getvalue()


def test_a_tool_that_lacks_one_of_its_programs_is_not_accepted(machine: Machine) -> None:
    pin = tool(commands=("frob", "frob-host"), go=(GoBuild("f", ".", "frob"), GoBuild("f", ".", "frob-host")))
    telling(machine.path, "frob", "1.9.0")
    assert installed(machine, pin).path == (machine.store.bin(pin),)
    assert f"{machine.path}/frob is there, frob-host is not" in machine.output.getvalue()


def test_a_program_that_is_found_beside_the_real_file_counts(machine: Machine) -> None:
    telling(machine.root / "opt", "frob", "1.9.0")
    telling(machine.root / "opt", "frob-host", "1.9.0")
    (machine.path / "frob").symlink_to(machine.root / "opt" / "frob")
    assert installed(machine, tool(commands=("frob", "frob-host"))).path == ()


def test_what_is_needed_along_with_a_build_comes_only_with_that_build(machine: Machine) -> None:
    database = tool("frob-db", when="frob is built")
    telling(machine.path, "frob", "1.9.0")
    installed(machine, tool(), database)
    assert machine.builds() == 0
    (machine.path / "frob").unlink()
    assert installed(machine, tool(), database).path == (machine.store.bin(tool()), machine.store.bin(database))


def test_go_itself_is_not_put_on_the_path_of_a_prepared_shell(machine: Machine) -> None:
    assert all("go-1.26" not in str(folder) for folder in installed(machine, tool()).path)


def test_the_second_run_finds_everything_and_starts_nothing(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    first = installed(machine, tool(), plugins=(plugin(),))

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("started a program")

    monkeypatch.setattr("subprocess.Popen", refuse)
    monkeypatch.setattr("socket.create_connection", refuse)
    assert machine.stamp.read(machine.environ) == first
    assert len(uv_calls(machine)) == 3


@pytest.mark.parametrize("lost", ["tool", "plugin", "python", "lock", "uv.lock", "pins", "module", "path"])
def test_the_stamp_does_not_count_once_something_has_changed(
    machine: Machine, lost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = installed(machine, tool(), plugins=(plugin(),))
    environ = machine.environ
    match lost:
        case "tool":
            (found.path[0] / "frob").unlink()
        case "plugin":
            (found.plugins / "resource-docker-v5.2.0" / "pulumi-resource-docker").unlink()
        case "python":
            found.python.unlink()
        case "lock":
            (machine.project / "requirements.lock").write_text("a==2\n")
        case "uv.lock":
            (machine.project / "uv.lock").unlink()
        case "pins":
            machine.stamp.pins.write_text("# another\n")
        case "module":
            (machine.store.modules / "frob" / "go.sum").write_text("another\n")
        case "path":
            environ["PATH"] = f"/opt/bin{os.pathsep}{environ['PATH']}"
    assert machine.stamp.read(environ) is None
    assert installed(machine, tool(), plugins=(plugin(),)).python.exists()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"key": 1, "files": []}', "\x00"])
def test_a_damaged_stamp_counts_as_none(machine: Machine, text: str) -> None:
    machine.stamp.file.parent.mkdir(parents=True)
    machine.stamp.file.write_text(text)
    assert machine.stamp.read(machine.environ) is None


def test_a_prepared_shell_counts_as_the_shell_that_it_was_made_from(machine: Machine) -> None:
    first = installed(machine, tool())
    prepared = os.pathsep.join([*map(str, first.path), str(machine.project / ".venv" / "bin"), machine.environ["PATH"]])
    assert machine.stamp.read({**machine.environ, "PATH": prepared}) == first


def test_the_folders_of_the_toolchain_itself_are_not_searched(tmp_path: Path) -> None:
    path = os.pathsep.join([str(tmp_path / "cache" / "tools" / "frob" / "bin"), "/usr/bin", ""])
    assert search_path(path, [tmp_path / "cache"]).split(os.pathsep)[0] == "/usr/bin"


def test_the_users_own_plugin_is_used_instead_of_a_build(machine: Machine) -> None:
    own = script(machine.root / "home/.pulumi/plugins/resource-docker-v5.2.0", "pulumi-resource-docker", "echo 5.2.0\n")
    found = installed(machine, plugins=(plugin(),))
    placed = found.plugins / "resource-docker-v5.2.0" / "pulumi-resource-docker"
    assert placed.read_bytes() == own.read_bytes()
    assert machine.builds() == 0


def test_a_plugin_that_pulumi_has_not_finished_installing_is_not_used(machine: Machine) -> None:
    own = script(machine.root / "home/.pulumi/plugins/resource-docker-v5.2.0", "pulumi-resource-docker", "exit 1\n")
    own.parent.with_name("resource-docker-v5.2.0.partial").touch()
    installed(machine, plugins=(plugin(),))
    assert machine.builds() == 1


def test_plugins_of_other_pins_go_to_another_folder(machine: Machine) -> None:
    first = installed(machine, plugins=(plugin(),)).plugins
    (machine.store.modules / "docker" / "go.sum").write_text("another\n")
    second = installed(machine, plugins=(plugin(),)).plugins
    assert first != second
    assert first.exists()


def test_the_python_packages_are_installed_from_the_lock_with_hashes_and_once(machine: Machine) -> None:
    for _ in range(2):
        installed(machine)
    assert [call.split()[:3] for call in uv_calls(machine)] == [
        ["venv", "--clear", "--python"],
        ["pip", "sync", "--require-hashes"],
        ["lock"],
    ]


def test_the_policy_pack_gets_an_environment_of_its_own(machine: Machine) -> None:
    pack = machine.project / "policies"
    pack.mkdir()
    (pack / "requirements.lock").write_text("b==1\n")
    for _ in range(2):
        installed(machine)
    assert [call.split()[0] for call in uv_calls(machine)] == ["venv", "pip", "lock", "venv", "pip"]
    assert (pack / ".venv" / "bin" / "python").exists()
    (pack / "requirements.lock").write_text("b==2\n")
    installed(machine)
    assert [call.split()[0] for call in uv_calls(machine)[5:]] == ["pip"]


def test_a_changed_lock_is_installed_into_the_same_environment(machine: Machine) -> None:
    installed(machine)
    (machine.project / "requirements.lock").write_text("a==2\n")
    installed(machine)
    assert [call.split()[0] for call in uv_calls(machine)[3:]] == ["pip", "lock"]


def test_python_packages_that_cannot_be_installed_tell_uvs_last_lines(machine: Machine) -> None:
    script(
        machine.path, "uv", '[ "$1" = --version ] && { echo 0.13.9; exit; }\necho "error: no such index" >&2\nexit 2\n'
    )
    with pytest.raises(
        ToolchainError, match=r"(?s)Python packages: `uv venv .*    error: no such index.*UV_DEFAULT_INDEX"
    ):
        installed(machine)


def test_a_folder_that_is_no_checkout_is_told(machine: Machine) -> None:
    (machine.project / "requirements.lock").unlink()
    with pytest.raises(ToolchainError, match=r"requirements\.lock is missing: run the command in a whole checkout"):
        installed(machine)


def test_a_cache_that_cannot_be_written_names_the_way_out(machine: Machine) -> None:
    machine.store.root.parent.mkdir()
    machine.store.root.write_text("a file where a folder should be")
    with pytest.raises(ToolchainError, match="set XDG_CACHE_HOME to a folder that you may write to"):
        installed(machine, tool())


def test_versions_are_asked_once_for_each_state_of_a_program(machine: Machine) -> None:
    calls = machine.root / "calls"
    script(machine.path, "frob", f'echo x >> "{calls}"\necho 1.9.0\n')
    for _ in range(2):
        found = Survey(str(machine.path), [], machine.root / "versions.json").look([tool()])
        assert found["frob"].version == "1.9.0"
    assert calls.read_text() == "x\n"
    telling(machine.path, "frob", "1.10.0")
    assert Survey(str(machine.path), [], machine.root / "versions.json").look([tool()])["frob"].version == "1.10.0"


def test_a_damaged_memory_of_versions_is_made_anew(machine: Machine) -> None:
    telling(machine.path, "frob", "1.9.0")
    memory = machine.root / "versions.json"
    memory.write_text("[")
    assert Survey(str(machine.path), [], memory).look([tool()])["frob"].accepted


def test_a_tool_that_hangs_when_asked_is_not_accepted(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toolchain.survey.ASK_WITHIN", 0.2)
    script(machine.path, "frob", "exec sleep 5\n")
    found = Survey(str(machine.path), [], machine.root / "versions.json").look([tool()])["frob"]
    assert (found.version, found.accepted) == ("", False)


def test_a_tool_that_was_too_slow_once_is_asked_again(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    busy, memory = machine.root / "busy", machine.root / "versions.json"
    script(machine.path, "frob", f'[ ! -e "{busy}" ] || exec sleep 5\necho 1.9.0\n')
    busy.touch()
    with monkeypatch.context() as impatient:
        impatient.setattr("toolchain.survey.ASK_WITHIN", 0.2)
        assert not Survey(str(machine.path), [], memory).look([tool()])["frob"].accepted
    busy.unlink()
    assert Survey(str(machine.path), [], memory).look([tool()])["frob"].accepted


def test_a_command_that_is_missing_fails_or_hangs_does_not_succeed(machine: Machine) -> None:
    path = str(machine.path)
    script(machine.path, "slow", "exec sleep 5\n")
    script(machine.path, "bad", "exit 1\n")
    script(machine.path, "good", "exit 0\n")
    assert [succeeds((name,), path, within=0.3) for name in ("slow", "bad", "good", "none")] == [
        False,
        False,
        True,
        False,
    ]


def test_an_unknown_tool_is_told_with_those_that_are_known(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(machine.root / "cache"))
    with pytest.raises(ToolchainError, match="trivvy: no such tool: the pins know uv, go, oras"):
        tools.ensure_tool(machine.project, "trivvy", report=Progress(machine.output))
