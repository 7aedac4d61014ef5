"""`slipway prove` as a timer runs it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from commands.prove import prove
from steps.predicates import PROVED
from steps.tool import StepError
from tests.notary import a_notary
from tests.operations import STAGED, Project, a_project, bad, good
from tests.pulumi_cli import fake_pulumi

__all__ = ["a_notary", "a_project", "fake_pulumi"]


def test_prove_checks_and_signs_that_it_held(project: Project) -> None:
    project.runs()
    shown = good(project.cli(prove, "staging"))
    assert shown.startswith("web 1.4.0: held (digest, health): ")
    [predicate] = project.notary.attested(f"{STAGED}@{project.index}", PROVED)
    assert (predicate["kind"], predicate["stack"], predicate["commit"]) == ("held", "staging", "f" * 40)


def test_prove_looks_each_time_and_does_not_sign_the_same_at_once(project: Project) -> None:
    project.runs()
    for _ in range(2):
        assert "held (digest, health)" in good(project.cli(prove, "staging"))
    assert len(project.notary.attested(f"{STAGED}@{project.index}", PROVED)) == 1


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"State": {"Running": True, "Status": "running", "Health": {"Status": "unhealthy"}}},
            "the container is unhealthy",
        ),
        (
            {"State": {"Running": False, "Status": "exited", "ExitCode": 137}},
            "does not run: it is exited (exit code 137)",
        ),
        (
            {
                "State": {"Running": False, "Status": "exited", "ExitCode": 137, "OOMKilled": True},
                "HostConfig": {"Memory": 256 * 2**20},
            },
            "(exit code 137); a process in it was killed for lack of memory (run.memory is 256 MiB): raise it",
        ),
        ({"State": {"Running": True, "Restarting": True, "Status": "restarting"}}, "does not run: it is restarting"),
        ({"Image": "sha256:2"}, "was made from image sha256:2, which is not"),
    ],
)
def test_prove_says_what_does_not_hold_and_signs_nothing(project: Project, changes: dict[str, Any], told: str) -> None:
    project.runs(**changes)
    message = bad(project.cli(prove, "staging"), 1)
    assert "error: web 1.4.0 does not hold: " in message
    assert told in message
    assert project.notary.attested(f"{STAGED}@{project.index}", PROVED) == []


def test_prove_of_another_digest_under_the_same_name_does_not_hold(project: Project) -> None:
    container = project.runs()
    container["Config"]["Image"] = f"{STAGED}@sha256:{'d' * 64}"
    assert f"runs {STAGED}@sha256:{'d' * 64}, not {STAGED}@{project.index}" in bad(project.cli(prove, "staging"), 1)


def test_prove_of_a_container_of_somebody_else_does_not_hold(project: Project) -> None:
    project.runs()["Config"]["Labels"] = {"io.slipway.stack": "organization/slipway/dev"}
    assert "belongs to organization/slipway/dev" in bad(project.cli(prove, "staging"), 1)


def test_prove_of_a_container_that_is_gone_does_not_hold(project: Project) -> None:
    assert "there is no container cccccccccccc any more" in bad(project.cli(prove, "staging"), 1)


def test_prove_runs_the_smoke_tests_again(project: Project) -> None:
    project.runs()
    checks = [
        {"name": "fails", "command": ["sh", "-c", "echo no tide; exit 3"]},
        {"name": "passes", "command": ["true"]},
    ]
    project.staging.config["slipway:prove"] = {"checks": checks}
    message = bad(project.cli(prove, "staging"), 1)
    assert "fails: sh ended with exit code 3" in message and "no tide" in message
    project.staging.config["slipway:prove"] = {"checks": checks[1:]}
    assert "held (digest, health, passes)" in good(project.cli(prove, "staging"))


def test_prove_reads_no_secret_file_that_others_can_read(project: Project) -> None:
    project.runs()
    (project.folder / "staging.password").chmod(0o644)
    message = bad(project.cli(prove, "staging"), 2)
    assert "secret file staging.password: others can read the file (mode 0644): run `chmod 600 " in message


def test_prove_of_a_stack_that_proves_nothing_says_what_to_write(project: Project) -> None:
    project.runs()
    del project.staging.config["slipway:prove"]
    assert "write what has to pass under slipway:prove" in bad(project.cli(prove, "staging"), 2)


def test_prove_without_the_engine_could_not_find_out(project: Project) -> None:
    def down(*_: object) -> list[dict[str, Any]]:
        raise StepError("the Docker Engine at unix:///var/run/docker.sock does not answer: start it")

    for module in ("running", "prove"):
        project.monkeypatch.setattr(f"steps.{module}.inspect", down)
    result = project.cli(prove, "staging", "--json")
    assert "error: the Docker Engine at unix:///var/run/docker.sock does not answer" in bad(result, 2)
    assert json.loads(result.stdout)["services"] == [], "it is not known whether it holds"


def test_prove_with_a_wrong_password_of_the_key_could_not_find_out(project: Project) -> None:
    project.runs()
    (project.folder / "staging.password").write_text("wrong horse")
    assert "the password does not open it" in bad(project.cli(prove, "staging"), 2)


def test_prove_of_a_stack_that_runs_nothing_could_not_find_out(project: Project) -> None:
    assert "stack production runs nothing yet" in bad(project.cli(prove, "production"), 2)


def test_prove_without_the_registry_could_not_find_out(project: Project) -> None:
    project.runs()
    project.shelf.down = 'Error: Get "https://localhost:5443/v2/": dial tcp 127.0.0.1:5443: connect: connection refused'
    assert "registry localhost:5443 does not answer" in bad(project.cli(prove, "staging"), 2)


def test_prove_as_data_tells_both_outcomes(project: Project) -> None:
    project.runs()
    data = json.loads(good(project.cli(prove, "staging", "--json")))
    assert data["schema_version"] == 1
    assert data["services"][0]["held"] is True
    project.containers.clear()
    data = json.loads(project.cli(prove, "staging", "--json").stdout)
    assert data["services"][0]["held"] is False
