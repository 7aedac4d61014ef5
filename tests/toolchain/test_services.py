"""Services as real processes on free ports: started, reused, started anew, ended; nobody else's process is touched."""

import dataclasses
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from toolchain.environment import Project, prepared_environment
from toolchain.errors import ToolchainError
from toolchain.services import engine as docker
from toolchain.services import process
from toolchain.services.buildkit import SOCKET_PATH_BYTES, socket_path
from toolchain.services.certificates import ensure_certificates
from toolchain.services.emulation import missing_platforms, registration
from toolchain.services.fleet import running_services, stop_services
from toolchain.services.probe import port_holder, registry_answers
from toolchain.services.registries import private, production, quarantine
from toolchain.services.service import Service, ensure_running


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def quiet(_line: str) -> None:
    pass


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    # YAML and URLs would read this otherwise than a file system does.
    found = Project(tmp_path / "my #1: 100%25 of jürgen's 🌊", free_port(), free_port(), free_port())
    found.keys.mkdir(parents=True)
    (found.keys / "registry.password").write_text("a password of this test")
    yield found
    stop_services(found, quiet)


@pytest.fixture
def environment(project: Project) -> dict[str, str]:
    return prepared_environment(project)


def environment_of(record: process.ServiceRecord) -> list[bytes]:
    return Path(f"/proc/{record.pid}/environ").read_bytes().split(b"\0")


def sleeper(folder: Path, *, script: str = "import time; time.sleep(60)", deadline: float = 5.0) -> Service:
    return Service(
        name="sleeper",
        folder=folder,
        address="nowhere",
        argv=(sys.executable, "-c", script),
        package="none",
        ready=lambda: True,
        configuration="",
        deadline=deadline,
        grace=0.3,
    )


def test_quarantine_starts_answers_is_reused_and_ends(project: Project, environment: dict[str, str]) -> None:
    first = ensure_running(quarantine(project), environment, quiet)
    assert registry_answers(project.quarantine_port)
    assert b"GOGC=400" in environment_of(first)
    assert ensure_running(quarantine(project), environment, quiet) == first
    assert [record.pid for record in running_services(project)] == [first.pid]
    assert stop_services(project, quiet) == []
    assert not registry_answers(project.quarantine_port)
    assert port_holder(project.quarantine_port) is None


def test_variables_of_its_own_reach_a_service_and_a_change_starts_it_anew(project: Project) -> None:
    service = dataclasses.replace(sleeper(project.services / "quarantine"), variables={"A_VARIABLE": "of its own"})
    first = ensure_running(service, os.environ, quiet)
    assert b"A_VARIABLE=of its own" in environment_of(first)
    assert ensure_running(service, os.environ, quiet) == first
    second = ensure_running(dataclasses.replace(service, variables={}), os.environ, quiet)
    assert not first.alive()
    assert second.pid != first.pid


def test_a_changed_configuration_starts_a_service_anew(project: Project, environment: dict[str, str]) -> None:
    first = ensure_running(quarantine(project), environment, quiet)
    moved = dataclasses.replace(project, quarantine_port=free_port())
    second = ensure_running(quarantine(moved), environment, quiet)
    assert not first.alive()
    assert registry_answers(moved.quarantine_port)
    assert second.pid != first.pid


def test_the_private_registry_speaks_tls_by_its_own_authority_only(
    project: Project, environment: dict[str, str]
) -> None:
    service = private(project, environment)
    ensure_running(service, environment, quiet)
    assert registry_answers(project.registry_port, service.folder / "ca.crt")
    assert not registry_answers(project.registry_port, Path("/etc/ssl/certs/ca-certificates.crt"))
    hashed = (service.folder / "htpasswd").read_text()
    assert hashed.startswith("slipway:$2y$")
    assert "a password of this test" not in hashed


def test_productions_registry_has_an_authority_a_user_and_a_password_of_its_own(
    project: Project, environment: dict[str, str]
) -> None:
    (project.keys / "production-registry.password").write_text("another password of this test")
    service, other = production(project, environment), private(project, environment)
    ensure_running(service, environment, quiet)
    assert registry_answers(project.production_port, service.folder / "ca.crt")
    assert not registry_answers(project.production_port, other.folder / "ca.crt")
    assert (service.folder / "htpasswd").read_text().startswith("production:$2y$")
    assert service.port_variable == "SLIPWAY_PRODUCTION_PORT"
    assert [record.name for record in running_services(project)] == ["production"]


def test_certificates_are_kept_while_valid_and_their_keys_are_private(tmp_path: Path) -> None:
    assert ensure_certificates(tmp_path)
    before = (tmp_path / "server.crt").read_bytes()
    assert not ensure_certificates(tmp_path)
    assert (tmp_path / "server.crt").read_bytes() == before
    assert {(tmp_path / name).stat().st_mode & 0o777 for name in ("ca.key", "server.key")} == {0o600}


def test_a_certificate_that_expires_soon_is_made_anew(tmp_path: Path) -> None:
    ensure_certificates(tmp_path)
    signing = "openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 29 -out server.crt"
    subprocess.run(signing.split(), cwd=tmp_path, check=True, capture_output=True)
    assert ensure_certificates(tmp_path)


def test_certificates_whose_making_was_interrupted_are_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    ensure_certificates(tmp_path)
    (tmp_path / "ca.key").unlink()
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("toolchain.services.certificates._openssl", interrupted)
        ensure_certificates(tmp_path)
    assert ensure_certificates(tmp_path)
    assert all((tmp_path / name).stat().st_size for name in ("ca.key", "server.key", "server.crt"))


def test_a_taken_port_names_its_holder_and_the_way_out(project: Project, environment: dict[str, str]) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", project.quarantine_port))
        holder.listen()
        with pytest.raises(ToolchainError, match=rf"is taken by process {os.getpid()} .*SLIPWAY_QUARANTINE_PORT"):
            ensure_running(quarantine(project), environment, quiet)


@pytest.mark.parametrize(
    ("taken", "port", "free"),
    [({5380}, 5380, 5480), ({5380, 5480}, 5380, 5580), ({65500}, 65500, 65400), ({65500, 65400}, 65500, 65300)],
)
def test_a_port_that_is_proposed_is_free_and_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: set[int], port: int, free: int
) -> None:
    monkeypatch.setattr("toolchain.services.service.port_holder", lambda it: "another" if it in taken else None)
    service = dataclasses.replace(sleeper(tmp_path / "s"), port=port, port_variable="A_PORT")
    with pytest.raises(ToolchainError, match=f"set A_PORT to a free port, for example A_PORT={free}$"):
        ensure_running(service, os.environ, quiet)


def test_a_service_that_ends_at_once_shows_its_last_words(tmp_path: Path) -> None:
    script = "import sys; sys.exit('no space left')"
    service = dataclasses.replace(sleeper(tmp_path / "s", script=script), ready=lambda: False)
    with pytest.raises(ToolchainError, match=r"ended at once(.|\n)*no space left"):
        ensure_running(service, dict(os.environ), quiet)


def test_a_service_that_never_answers_is_ended_at_its_deadline(tmp_path: Path) -> None:
    service = dataclasses.replace(sleeper(tmp_path / "s", deadline=0.3), ready=lambda: False)
    with pytest.raises(ToolchainError, match="did not answer within 0 s"):
        ensure_running(service, dict(os.environ), quiet)
    record = process.read_record(service.folder)
    assert record is not None
    assert not record.alive()


def test_a_missing_program_is_named_with_its_package(project: Project) -> None:
    with pytest.raises(ToolchainError, match="docker-registry is not on PATH: apt-get install docker-registry"):
        ensure_running(quarantine(project), {"PATH": ""}, quiet)


def test_a_process_that_ignores_sigterm_is_killed_after_its_grace(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    script = f"import signal, time; signal.signal(15, signal.SIG_IGN); open({str(ready)!r}, 'w'); time.sleep(60)"
    service = dataclasses.replace(sleeper(tmp_path / "s", script=script), ready=ready.exists)
    record = ensure_running(service, dict(os.environ), quiet)
    assert process.stop(record, grace=0.3)
    assert not record.alive()


@pytest.mark.parametrize("change", [{"start_ticks": 1}, {"boot": "another boot"}])
def test_a_process_that_merely_has_the_same_id_is_never_ended(tmp_path: Path, change: dict[str, object]) -> None:
    record = ensure_running(sleeper(tmp_path / "s"), dict(os.environ), quiet)
    try:
        stranger = process.ServiceRecord(**{**dataclasses.asdict(record), **change})
        assert not process.stop(stranger, grace=0.1)
        assert record.alive()
    finally:
        process.stop(record, grace=1.0)


def test_a_socket_path_that_is_too_long_goes_to_a_short_private_folder(tmp_path: Path) -> None:
    assert socket_path(tmp_path, "s.sock") == tmp_path / "s.sock"
    short = socket_path(tmp_path / ("x" * 120), "buildkitd.sock")
    try:
        assert len(os.fsencode(short)) <= SOCKET_PATH_BYTES
        assert short.parent.stat().st_mode & 0o777 == 0o700
    finally:
        short.parent.rmdir()


def test_an_engine_that_is_named_but_silent_is_an_error_not_a_reason_to_start_one(project: Project) -> None:
    host = f"unix://{project.root}/none.sock"
    with pytest.raises(ToolchainError, match="no engine answers at DOCKER_HOST"):
        docker.ensure_engine(project, {"DOCKER_HOST": host}, quiet)
    assert running_services(project) == []


@pytest.mark.parametrize(("others", "ended"), [([], True), (["theirs"], False)])
def test_an_engine_of_ours_ends_only_when_nobody_elses_container_runs(
    project: Project, monkeypatch: pytest.MonkeyPatch, others: list[str], ended: bool
) -> None:
    # A sleeping process stands for the engine: the one of this machine is not this test's to end.
    record = ensure_running(sleeper(project.services / "docker"), dict(os.environ), quiet)
    monkeypatch.setattr(docker, "foreign_containers", lambda _project: others)
    said: list[str] = []
    try:
        assert docker.stop_engine(project, said.append) is ended
        assert record.alive() is not ended
        assert ("theirs" in "".join(said)) is not ended
    finally:
        process.stop(record, grace=1.0)


def test_emulation_counts_only_where_it_works_inside_of_containers(tmp_path: Path) -> None:
    header = "7f454c4602010100000000000000000002003e00" if os.uname().machine == "aarch64" else ""
    magic = header or "7f454c460201010000000000000000000200b700"
    foreign = "linux/amd64" if header else "linux/arm64"
    entry = tmp_path / "an-emulator"
    entry.write_text(f"enabled\ninterpreter /qemu\nflags: POCF\noffset 0\nmagic {magic}\n")
    assert missing_platforms(["linux/amd64", "linux/arm64"], tmp_path) == []
    entry.write_text(f"enabled\ninterpreter /qemu\nflags: OC\noffset 0\nmagic {magic}\n")
    assert missing_platforms(["linux/amd64", "linux/arm64"], tmp_path) == [foreign]


def test_an_emulator_is_registered_with_the_flag_that_containers_need() -> None:
    assert registration("# comment\n:q:M::magic:mask:/qemu:OC\n") == ":q:M::magic:mask:/qemu:OCF"
    assert registration(":q:M::magic:mask:/qemu:OPF\n") == ":q:M::magic:mask:/qemu:OPF"


def test_an_unknown_platform_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(ToolchainError, match=r"windows/amd64: no emulation is known .*linux/arm64"):
        missing_platforms(["windows/amd64"])
