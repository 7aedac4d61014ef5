"""What must change the system: listed whole before anything is changed, done by root or with consent only."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.toolchain.fakes import BASE, Machine, new_machine, script, telling, tool
from toolchain import debian
from toolchain.debian import Need
from toolchain.errors import ToolchainError
from toolchain.install import Installation
from toolchain.pins import Pin, Pins, Wheel, load
from toolchain.progress import Progress
from toolchain.versions import Range

DOCKER = Pin(
    "docker-engine",
    "20.10",
    Range.parse(">=20.10"),
    ("x-dockerd",),
    ("--version",),
    unless=("x-docker", "version"),
    debian=("docker.io", "x-docker-cli?"),
)
REGISTRY = Pin(
    "docker-registry", "2.8", Range.parse(">=2.8,<4"), ("x-registry",), ("--version",), debian=("x-registry",)
)
# Installing writes the program into the one folder of the fake machine on PATH.
APT = """\
echo "apt-get $*" >> "$FAKE_APT"
[ -e "$FAKE_APT.broken" ] && { echo "E: Unable to locate package x-registry" >&2; exit 100; }
[ "$1" = install ] || exit 0
for name in x-dockerd:20.10.24 x-registry:${FAKE_REGISTRY:-2.8.2}; do
  printf '#!/bin/sh\\necho version %s\\n' "${name#*:}" > "$FAKE_BIN/${name%:*}"; chmod +x "$FAKE_BIN/${name%:*}"
done
"""


@pytest.fixture(name="machine")
def a_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr("toolchain.install.missing_platforms", lambda _: [])
    monkeypatch.setattr(debian, "_LISTS", tmp_path / "no-lists")
    machine = new_machine(tmp_path)
    script(machine.path, "apt-get", APT)
    script(machine.path, "apt-cache", "exit 1\n")
    for name, value in {**machine.environ, "FAKE_APT": str(tmp_path / "apt"), "FAKE_BIN": str(machine.path)}.items():
        monkeypatch.setenv(name, value)
    return machine


def user(monkeypatch: pytest.MonkeyPatch, uid: int) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: uid)


def apt_calls(machine: Machine) -> list[str]:
    calls = machine.root / "apt"
    return calls.read_text().splitlines() if calls.exists() else []


def test_without_root_everything_is_listed_with_the_commands_and_nothing_is_changed(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    user(monkeypatch, 1000)
    telling(machine.path, "x-registry", "2.7.0")
    before = sorted(machine.root.rglob("*"))
    with pytest.raises(ToolchainError) as error:
        machine.installation(DOCKER, REGISTRY, tool()).everything(consent=False)
    told = str(error.value)
    assert "docker-engine: x-dockerd is not on PATH" in told
    assert f"docker-registry: {machine.path}/x-registry is 2.7.0, >=2.8.0,<4.0.0 is needed" in told
    assert "  apt-get install -y --no-install-recommends docker.io x-registry\n" in told
    assert "Nothing was changed." in told
    changed = {path.name for path in set(machine.root.rglob("*")) - set(before)}
    assert changed <= {"cache", "slipway", "versions.json", "modules", "frob", "go.mod"}
    assert (machine.builds(), apt_calls(machine)) == (0, [])


def test_what_the_administrator_is_to_be_asked_for_is_told_without_installing_anything(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    user(monkeypatch, 1000)
    told = machine.installation(DOCKER, tool()).administrators_part()
    assert "docker-engine: x-dockerd is not on PATH" in told
    assert told.endswith("  apt-get install -y --no-install-recommends docker.io")
    assert machine.installation(tool()).administrators_part() == ""
    assert (machine.builds(), apt_calls(machine)) == (0, [])


def test_root_is_told_the_list_first_and_then_it_is_done(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    user(monkeypatch, 0)
    machine.installation(DOCKER, REGISTRY).everything(consent=False)
    assert apt_calls(machine) == [
        "apt-get update",
        "apt-get install -y --no-install-recommends docker.io x-registry",
    ]
    output = machine.output.getvalue()
    assert output.index("These changes of the system are needed, and made now:") < output.index("system packages:")
    assert "system packages: installed docker.io, x-registry in " in output


def test_a_minimal_machine_is_asked_for_git_and_openssl_too(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    user(monkeypatch, 1000)
    # In one folder of its own: what this machine brings itself is not to count.
    monkeypatch.setattr("toolchain.survey._ALSO", ())
    environ = {**machine.environ, "PATH": str(machine.path)}
    pins = load().tools
    wanted = Pins({**{pin.name: pin for pin in BASE}, **{name: pins[name] for name in ("git", "openssl")}}, {})
    with pytest.raises(ToolchainError) as error:
        Installation(machine.stamp, wanted, Progress(machine.output), environ).everything(consent=False)
    told = str(error.value)
    assert "git: git is not on PATH" in told and "openssl: openssl is not on PATH" in told
    assert "apt-get install -y --no-install-recommends git openssl\n" in told


def test_a_user_who_consents_installs_through_sudo(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    user(monkeypatch, 1000)
    script(machine.path, "sudo", 'echo "sudo $*" >> "$FAKE_APT"\nexec "$@"\n')
    machine.installation(DOCKER).everything(consent=True)
    assert apt_calls(machine)[0] == "sudo env DEBIAN_FRONTEND=noninteractive apt-get update"


def test_a_docker_engine_that_answers_elsewhere_is_good_enough(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    user(monkeypatch, 1000)
    script(machine.path, "x-docker", "exit 0\n")
    machine.installation(DOCKER).everything(consent=False)
    assert apt_calls(machine) == []


def test_a_docker_client_whose_engine_does_not_answer_is_not_enough(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    user(monkeypatch, 1000)
    script(machine.path, "x-docker", "exit 1\n")
    with pytest.raises(ToolchainError, match="docker-engine: x-dockerd is not on PATH"):
        machine.installation(DOCKER).everything(consent=False)


def test_packages_that_cannot_be_installed_tell_apts_last_lines(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    user(monkeypatch, 0)
    (machine.root / "apt.broken").touch()
    with pytest.raises(ToolchainError) as error:
        machine.installation(REGISTRY).everything(consent=False)
    assert "    E: Unable to locate package x-registry" in str(error.value)
    assert "system-packages.log" in str(error.value)


def test_a_package_that_is_still_too_old_when_installed_is_told(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    user(monkeypatch, 0)
    monkeypatch.setenv("FAKE_REGISTRY", "2.7.1")
    with pytest.raises(
        ToolchainError, match=r"x-registry is 2\.7\.1, .* even with x-registry installed: put an accepted"
    ):
        machine.installation(REGISTRY).everything(consent=False)


def test_a_machine_without_apt_is_told_what_to_install_by_its_own_means(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(debian, "has_apt", lambda: False)
    with pytest.raises(ToolchainError, match="with the system's own package manager"):
        machine.installation(REGISTRY).everything(consent=False)


def test_a_platform_that_the_kernel_cannot_run_is_on_the_list(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    user(monkeypatch, 1000)
    monkeypatch.setattr("toolchain.install.missing_platforms", lambda _: ["linux/arm64"])
    monkeypatch.setattr("toolchain.install.RULES", tmp_path)
    (tmp_path / "qemu-aarch64.conf").touch()
    with pytest.raises(ToolchainError) as error:
        machine.installation().everything(consent=False)
    assert "linux/arm64: this kernel cannot run it, and no emulator is registered" in str(error.value)
    assert "systemctl restart systemd-binfmt" in str(error.value)


def test_a_python_without_pip_is_on_the_list_when_a_wheel_is_needed(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    user(monkeypatch, 1000)
    monkeypatch.setattr("toolchain.install.has_pip", lambda: False)
    pin = Pin("frob", "1.2.3", commands=("frob",), wheel=Wheel("frob", "1.2.3", {}, ("*",)))
    with pytest.raises(ToolchainError, match="pip: this Python has none"):
        machine.installation(pin).everything(consent=False)


def test_a_package_with_a_question_mark_is_left_out_where_it_does_not_exist(machine: Machine) -> None:
    needs = [Need("docker", "missing", ("docker.io", "x-docker-cli?"))]
    assert debian.commands_for(needs)[1].endswith(" docker.io")
    script(machine.path, "apt-cache", "exit 0\n")
    assert debian.commands_for(needs)[1].endswith(" docker.io x-docker-cli")
