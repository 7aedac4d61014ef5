"""The policy pack on the real engine: it lets a locked-down release run, and stops what is not, before it exists.

The program is somebody else's: a plain container of the docker provider, and nothing of Slipway.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.bare import NAME, REPOSITORY, STACK, Bare, Released, bare_project
from tests.e2e.conftest import Checkout, free_port
from tests.e2e.forgery import Forger
from tests.e2e.small import containers, refused


@pytest.fixture(scope="module")
def bare(released: Released) -> Iterator[Bare]:
    """The project with its stack; destroyed afterwards."""
    with bare_project(released, "bare") as project:
        yield project


BROKEN: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    (
        "privileges",
        {"privileged": True, "capabilities": {"adds": ["CAP_SYS_ADMIN"]}, "security_opts": ["seccomp=unconfined"]},
        (
            "container-is-not-privileged",
            "container-drops-all-capabilities",
            "container-adds-only-listed-capabilities",
            "container-gains-no-privileges",
            "container-is-confined-by-seccomp",
        ),
    ),
    ("user", {"user": "0:0"}, ("container-user-is-not-root",)),
    (
        "isolation",
        {
            "read_only": None,
            "pid_mode": "host",
            "network_mode": "host",
            "mounts": [{"type": "bind", "source": "/var/run/../run/docker.sock", "target": "/x", "read_only": True}],
            "volumes": [{"host_path": "/", "container_path": "/host", "read_only": True}],
        },
        (
            "container-root-is-read-only",
            "container-has-its-own-pid-namespace",
            "container-has-its-own-network-namespace",
            "container-mounts-no-engine-socket",
            "container-mounts-no-sensitive-path",
        ),
    ),
    (
        "limits",
        {"memory": None, "memory_swap": None, "cpus": None, "log_opts": None, "restart": "always"},
        (
            "container-memory-is-limited",
            "container-cpu-is-limited",
            "container-logs-are-bounded",
            "container-restart-is-bounded",
        ),
    ),
    (
        "network",
        {"network_mode": None, "ports": [{"internal": 8080, "external": 80}]},
        ("container-ports-name-an-address", "container-publishes-no-privileged-port"),
    ),
    ("secrets", {"envs": ["DB_PASSWORD=tide-and-salt-8841"]}, ("no-secret-in-environment",)),
]


@pytest.mark.parametrize(("changes", "rules"), [it[1:] for it in BROKEN], ids=[it[0] for it in BROKEN])
def test_each_family_of_hardening_stops_an_up_before_the_container_exists(
    bare: Bare, changes: dict[str, Any], rules: tuple[str, ...]
) -> None:
    output = bare.stopped(bare.inputs(**changes), *rules)
    assert "tide-and-salt" not in output


def test_a_preview_tells_it_already(bare: Bare) -> None:
    output = refused(bare.run("preview", bare.inputs(privileged=True)))
    assert "container-is-not-privileged" in output


def forger(released: Released) -> Forger:
    """Somebody with the registry's password."""
    return Forger(released.checkout.private, REPOSITORY)


def reference(released: Released, digest: str) -> str:
    """An artifact in the release's repository."""
    return f"{released.checkout.private.address}/{REPOSITORY}@{digest}"


UNPROVEN = ("image-is-signed", "image-has-provenance", "image-has-a-vulnerability-report", "image-has-an-sbom")


def test_a_label_proves_nothing(bare: Bare) -> None:
    digest = forger(bare.released).unproven(bare.released.record.digest, "label")
    labels = [{"label": "org.opencontainers.image.signed", "value": "true"}]
    bare.stopped(bare.inputs(image=reference(bare.released, digest), labels=labels), *UNPROVEN)


def test_a_signature_by_another_key_proves_nothing(bare: Bare, tmp_path: Path) -> None:
    somebody = forger(bare.released)
    digest = somebody.unproven(bare.released.record.digest, "another key")
    somebody.sign(digest, tmp_path, bare.checkout.environment)
    bare.stopped(bare.inputs(image=reference(bare.released, digest)), *UNPROVEN)


@pytest.mark.parametrize("edited", [False, True], ids=["of another digest", "that were edited"])
def test_statements_prove_nothing(bare: Bare, edited: bool) -> None:
    somebody, release = forger(bare.released), bare.released.record.digest
    digest = somebody.unproven(release, f"statements {edited}")
    ours, theirs = (bare.checkout.private.platforms(REPOSITORY, it) for it in (release, digest))
    pairs = [(release, digest), *((ours[platform], theirs[platform]) for platform in ours)]
    for proven, subject in pairs:
        statements = somebody.statements_of(proven)
        assert statements
        for statement in statements:
            somebody.attach(statement, subject, edited=edited)
    bare.stopped(bare.inputs(image=reference(bare.released, digest)), *UNPROVEN)


def test_a_tag_that_was_pushed_again_is_not_believed(bare: Bare) -> None:
    digest = forger(bare.released).unproven(bare.released.record.digest, "tag")
    bare.checkout.private.move_tag(REPOSITORY, "1.9.0", digest)
    named = bare.released.record.reference.replace("@", ":1.9.0@")
    try:
        output = bare.stopped(bare.inputs(image=named), "image-tag-names-its-digest")
    finally:
        forget_tag(bare.checkout, "1.9.0")
    assert digest in output


def forget_tag(checkout: Checkout, tag: str) -> None:
    """Take a tag away: this registry's API cannot, so its folder is removed."""
    data = checkout.root / ".slipway" / "services" / "registry"
    (folder,) = data.rglob(f"repositories/{REPOSITORY}/_manifests/tags/{tag}")
    shutil.rmtree(folder)


def test_a_registry_that_does_not_answer_proves_nothing(bare: Bare) -> None:
    nobody = f"localhost:{free_port()}"
    told = bare.told({"privateRegistries": [bare.checkout.private.address, nobody]})
    image = f"{nobody}/{REPOSITORY}@{bare.released.record.digest}"
    output = bare.stopped(bare.inputs(image=image), "image-is-signed", told=told)
    assert nobody in output
    assert "refused" in output


def test_a_pack_without_configuration_lets_no_image_pass(bare: Bare) -> None:
    told = bare.folder / "nothing.json"
    told.write_text("{}")
    bare.stopped(bare.inputs(), "image-is-signed", told=told)


def test_a_locked_down_release_runs_whoever_wrote_the_program(bare: Bare) -> None:
    ended = bare.up(bare.inputs())
    assert ended.returncode == 0, ended.stdout
    assert len(containers(bare.checkout, NAME)) == 1


def test_a_state_can_be_judged_by_itself(released: Released) -> None:
    judged = released.checkout.judged(STACK)
    ended = released.checkout.run("pulumi", "policy", "analyze", *judged, "--stack", STACK, check=False)
    assert ended.returncode == 0, ended.stdout
