"""The prepared environment and the keys of a checkout."""

import re
import shlex
import subprocess
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from toolchain.environment import (
    Project,
    create_folders,
    forbid_logs,
    link_plugins,
    prepared_environment,
    shell_exports,
)
from toolchain.errors import ToolchainError
from toolchain.keys import ensure_keys

COSIGN = """#!/bin/sh
# Stands for cosign: the password must come through stdin, never by argument or environment.
[ -z "${COSIGN_PASSWORD:-}" ] || exit 9
password=$(cat)
[ -n "$password" ] || exit 8
case "$*" in *"$password"*) exit 7 ;; esac
for last; do :; done
echo private >"$last.key"
echo public >"$last.pub"
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    found = Project(tmp_path / "a checkout's folder")
    found.root.mkdir()
    create_folders(found)
    return found


@pytest.fixture
def environment(tmp_path: Path, project: Project) -> dict[str, str]:
    folder = tmp_path / "tools"
    folder.mkdir()
    (folder / "cosign").write_text(COSIGN)
    (folder / "cosign").chmod(0o755)
    environ = {"PATH": "/usr/bin:/bin", "COSIGN_PASSWORD": "of another key", "PULUMI_CONFIG_PASSPHRASE": "of another"}
    return prepared_environment(project, [folder], environ)


def test_tools_come_before_the_virtual_environment_and_that_before_the_old_path(project: Project) -> None:
    environment = prepared_environment(project, [Path("/tools/bin")], {"PATH": "/usr/bin:/tools/bin"})
    assert environment["PATH"] == f"/tools/bin:{project.root}/.venv/bin:{project.root}/bin:/usr/bin:/usr/sbin:/sbin"


def test_preparing_twice_changes_nothing(project: Project) -> None:
    once = prepared_environment(project, [Path("/tools/bin")], {"PATH": "/usr/bin"})
    assert prepared_environment(project, [Path("/tools/bin")], once) == once


def test_a_passphrase_of_the_users_does_not_win_over_the_checkouts(environment: dict[str, str]) -> None:
    assert "PULUMI_CONFIG_PASSPHRASE" not in environment
    assert environment["PULUMI_CONFIG_PASSPHRASE_FILE"].endswith("/.slipway/keys/pulumi.passphrase")


def test_pulumi_finds_no_folder_for_its_debug_logs(project: Project) -> None:
    logs = project.pulumi_home / "logs"
    logs.mkdir(parents=True)
    (logs / "pulumi-20261125T074358-1.log").write_text("a secret")
    for _ in range(2):
        forbid_logs(project)
        assert logs.is_file()
    assert "0015-debug-logs" in logs.read_text()


def test_a_shell_reads_the_exports_back_whatever_the_path_holds(project: Project, environment: dict[str, str]) -> None:
    script = shell_exports(project, environment) + 'printf %s "$PULUMI_BACKEND_URL${PULUMI_CONFIG_PASSPHRASE-}"'
    outside = {"PULUMI_CONFIG_PASSPHRASE": "x"}
    assert subprocess.check_output(["sh", "-c", script], env=outside, text=True) == environment["PULUMI_BACKEND_URL"]
    assert all(shlex.split(line) for line in shell_exports(project, environment).splitlines())


@pytest.mark.parametrize("text", ["0", "65536", "http", "-1"])
def test_a_port_that_is_none_is_refused_with_its_name(tmp_path: Path, text: str) -> None:
    with pytest.raises(ToolchainError, match=rf"SLIPWAY_REGISTRY_PORT: not a TCP port \({text}\)"):
        Project.at(tmp_path, {"SLIPWAY_REGISTRY_PORT": text})


@pytest.mark.parametrize(
    ("variable", "port", "told"),
    [
        ("SLIPWAY_QUARANTINE_PORT", "5443", "SLIPWAY_QUARANTINE_PORT and SLIPWAY_REGISTRY_PORT are both 5443"),
        ("SLIPWAY_PRODUCTION_PORT", "5380", "SLIPWAY_QUARANTINE_PORT and SLIPWAY_PRODUCTION_PORT are both 5380"),
        ("SLIPWAY_REGISTRY_PORT", "5444", "SLIPWAY_REGISTRY_PORT and SLIPWAY_PRODUCTION_PORT are both 5444"),
    ],
)
def test_one_port_for_two_registries_is_refused(tmp_path: Path, variable: str, port: str, told: str) -> None:
    with pytest.raises(ToolchainError, match=told):
        Project.at(tmp_path, {variable: port})


@pytest.mark.parametrize("name", ["a#b", "50%off", "what?", "jürgen", "a b"])
def test_pulumi_finds_the_backend_of_a_checkout_whatever_its_folder_is_called(tmp_path: Path, name: str) -> None:
    project = Project(tmp_path / name)
    address = urlsplit(prepared_environment(project, [], {})["PULUMI_BACKEND_URL"])
    assert (unquote(address.path), address.query, address.fragment) == (str(project.backend), "metadata=skip", "")


def test_the_plugins_of_the_cache_are_linked_and_a_folder_in_the_way_is_kept(project: Project, tmp_path: Path) -> None:
    link_plugins(project, tmp_path / "one")
    link_plugins(project, tmp_path / "two")
    assert (project.pulumi_home / "plugins").resolve() == tmp_path / "two"
    (project.pulumi_home / "plugins").unlink()
    (project.pulumi_home / "plugins").mkdir()
    with pytest.raises(ToolchainError, match="move it away"):
        link_plugins(project, tmp_path / "two")


def test_keys_are_made_once_readable_by_the_owner_only(project: Project, environment: dict[str, str]) -> None:
    made = ensure_keys(project, environment, project.root)
    before = {path.name: path.read_bytes() for path in project.keys.iterdir()}
    assert sorted(made) == sorted(before)
    assert {path.stat().st_mode & 0o777 for path in project.keys.iterdir()} == {0o600}
    assert project.keys.stat().st_mode & 0o777 == 0o700
    assert ensure_keys(project, environment, project.root) == []
    assert {path.name: path.read_bytes() for path in project.keys.iterdir()} == before


def test_no_password_needs_quoting_or_passes_for_an_option(project: Project, environment: dict[str, str]) -> None:
    made = ensure_keys(project, environment, project.root, with_production=True)
    texts = [(project.keys / name).read_text() for name in made if not name.endswith((".key", ".pub", ".crt"))]
    assert texts and all(re.fullmatch(r"[0-9A-Za-z]{43}", text) for text in texts)


def test_the_administrators_certificates_are_joined_and_followed(project: Project, environment: dict[str, str]) -> None:
    (project.root / "b.crt").write_text("B")
    (project.root / "a.crt").write_text("A\n")
    ensure_keys(project, environment, project.root)
    assert (project.keys / "ca.crt").read_text() == "A\nB\n"
    (project.root / "a.crt").unlink()
    assert ensure_keys(project, environment, project.root) == ["ca.crt"]
    assert (project.keys / "ca.crt").read_text() == "B\n"


@pytest.mark.parametrize(("encoding", "kept"), [("utf-8", "# Jürgen's\n"), ("latin-1", "# J\ufffdrgen's\n")])
def test_certificates_with_a_comment_that_is_no_ascii_are_joined_once(
    project: Project, environment: dict[str, str], encoding: str, kept: str
) -> None:
    (project.root / "a.crt").write_text("# Jürgen's", encoding=encoding)
    ensure_keys(project, environment, project.root)
    assert (project.keys / "ca.crt").read_text(encoding="utf-8") == kept
    assert ensure_keys(project, environment, project.root) == []


def test_no_new_passphrase_is_made_for_states_that_another_one_opens(
    project: Project, environment: dict[str, str]
) -> None:
    state = project.backend / ".pulumi" / "stacks" / "slipway" / "dev.json"
    state.parent.mkdir(parents=True)
    state.write_text("{}")
    with pytest.raises(ToolchainError, match=r"pulumi\.passphrase is gone, and the secrets in the states"):
        ensure_keys(project, environment, project.root)
    assert not list(project.keys.glob("*"))
    state.rename(state.with_name("dev.json.bak"))  # as `pulumi stack rm` leaves it
    assert "pulumi.passphrase" in ensure_keys(project, environment, project.root)
    state.write_text("{}")
    (project.keys / "pulumi.passphrase").write_text("the old one")
    assert "pulumi.passphrase" not in ensure_keys(project, environment, project.root)


def test_half_a_key_pair_is_never_overwritten(project: Project, environment: dict[str, str]) -> None:
    (project.keys / "cosign.key").write_text("mine")
    with pytest.raises(ToolchainError, match=r"only cosign\.key of the cosign key pair"):
        ensure_keys(project, environment, project.root)
    assert (project.keys / "cosign.key").read_text() == "mine"


def test_production_gets_keys_of_its_own_only_where_it_is_asked_for(
    project: Project, environment: dict[str, str]
) -> None:
    ensure_keys(project, environment, project.root)
    assert not list(project.keys.glob("production*"))
    made = ensure_keys(project, environment, project.root, with_production=True)
    assert made == ["production.password", "production-registry.password", "production.key", "production.pub"]
    assert (project.keys / "production.password").read_text() != (project.keys / "cosign.password").read_text()
    assert {path.stat().st_mode & 0o777 for path in project.keys.glob("production*")} == {0o600}
