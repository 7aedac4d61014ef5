"""Where no secret may stand: each rule by mutations of a compliant resource, with the exact message."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pulumi_policy import EnforcementLevel

from detection.vocabulary import NOTHING
from judging.advice import take
from rules import secrets
from tests.policy.answers import Answer, answer
from tests.policy.compliant import CONTAINER, SERVICE, container, service
from tests.policy.kubernetes_pods import Properties, applied, as_cron_job, as_deployment, as_pod, changed, compliant

BY_NAME = {rule.name: rule for rule in secrets.RULES if rule.name.startswith("no-secret-")}
ENVIRONMENT, LABELS, COMMANDS, BUILD = (
    "no-secret-in-environment",
    "no-secret-in-labels",
    "no-secret-in-arguments-or-commands",
    "no-secret-in-build-arguments",
)
LOCAL, REMOTE = "command:local:Command", "command:remote:Command"
BUILDX, IMAGE = "docker-build:index:Image", "docker:index/image:Image"
REMOTE_IMAGE, REGISTRY_IMAGE = "docker:index/remoteImage:RemoteImage", "docker:index/registryImage:RegistryImage"
NETWORK, CONFIG_MAP, DEPLOYMENT = (
    "docker:index/network:Network",
    "kubernetes:core/v1:ConfigMap",
    "kubernetes:apps/v1:Deployment",
)
GITHUB = "ghp_" + "aB3dE5gH7jK9mN1pQ2rS" * 2
RANDOM = "kJ8s9Dk2lPq0Zx7VbN3mQwErTyUi"
WRITE = {
    ENVIRONMENT: "keep it in a file that only this program reads, and hand over the file's path",
    LABELS: "take it out: a label says what something is",
    COMMANDS: "let the program read it from a file or from standard input",
    BUILD: "hand it over as a secret of the build, and replace it: images that were built have it",
}
IN_KUBERNETES = "keep it in a Secret, and mount that as files"


@dataclass(frozen=True)
class Case:
    """A resource, and what the rule says about it after `web (TYPE)` and before what to write instead."""

    rule: str
    kind: str
    properties: Properties
    said: str = ""
    configuration: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.rule}-{self.kind}-{self.said or self.properties}"[:120]

    @property
    def answer(self) -> Answer:
        return answer(BY_NAME[self.rule], self.kind, self.properties, self.configuration)

    @property
    def message(self) -> str:
        short = f"{self.kind.partition(':')[0]}:{self.kind.rpartition(':')[2]}"
        kubernetes = self.rule == ENVIRONMENT and self.kind.startswith("kubernetes:")
        write = IN_KUBERNETES if kubernetes else WRITE[self.rule]
        return f"web ({short}){self.said}; {write} [{BY_NAME[self.rule].source}]"


def docker(rule: str, said: str, **changes: Any) -> Case:
    return Case(rule, CONTAINER, container(**changes), said and f": {said}")


def swarm(rule: str, said: str, changes: dict[str, Any]) -> Case:
    return Case(rule, SERVICE, service(**changes), f": {said}")


def pod(rule: str, said: str, changes: dict[str, Any]) -> Case:
    return Case(rule, DEPLOYMENT, as_deployment(changed(compliant(), changes))[1], f', container "web": {said}')


def other(rule: str, kind: str, said: str, **properties: Any) -> Case:
    return Case(rule, kind, properties, said and f": {said}")


FIRST = "spec.template.spec.containers[0]."
BROKEN = [
    docker(ENVIRONMENT, "envs[0] (DB_PASSWORD) holds what by its name is a password", envs=["DB_PASSWORD=hunter2"]),
    docker(ENVIRONMENT, "envs[1] (CI) holds what by its shape is a GitHub token", envs=["A=b", f"CI={GITHUB}"]),
    docker(ENVIRONMENT, "envs[0] (X) holds what by its randomness is a random key", envs=[f"X={RANDOM}"]),
    docker(
        ENVIRONMENT,
        "envs[0] (URL) holds what by its shape is an address with credentials",
        envs=["URL=postgres://app:hunter2@db/app"],
    ),
    docker(
        ENVIRONMENT,
        "envs[0] (OPTS) holds what by its name is a password (at --password)",
        envs=["OPTS=--port 1 --password hunter2"],
    ),
    swarm(
        ENVIRONMENT,
        "taskSpec.containerSpec.env.API_TOKEN (API_TOKEN) holds what by its name is a token",
        {"containerSpec.env": {"API_TOKEN": "hunter2", "A": "b"}},
    ),
    pod(
        ENVIRONMENT,
        f"{FIRST}env[0].value (JWT_SECRET) holds what by its name is a secret",
        {"spec.containers[0].env": [{"name": "JWT_SECRET", "value": "hunter2"}]},
    ),
    other(
        ENVIRONMENT,
        CONFIG_MAP,
        'data["app.properties"] (app.properties) holds what by its name is a password (at db.password)',
        metadata={"name": "web"},
        data={"app.properties": "db.user=app\ndb.password=hunter2\n"},
    ),
    other(
        ENVIRONMENT,
        LOCAL,
        "environment.PGPASSWORD (PGPASSWORD) holds what by its name is a password",
        create="psql -h db",
        environment={"PGPASSWORD": "hunter2"},
    ),
    other(
        ENVIRONMENT,
        REMOTE,
        "environment.TOKEN (TOKEN) holds what by its name is a token",
        create="deploy",
        environment={"TOKEN": "hunter2"},
    ),
    docker(
        LABELS,
        'labels[0] (homepage.widget.key) holds what by its name is a key',
        labels=[{"label": "homepage.widget.key", "value": "0123456789abcdef0123456789abcdef"}],
    ),
    swarm(
        LABELS,
        "taskSpec.containerSpec.labels[0] (token) holds what by its name is a token",
        {"containerSpec.labels": [{"label": "token", "value": "hunter2"}]},
    ),
    pod(
        LABELS,
        'spec.template.metadata.annotations["example.com/note"] (example.com/note) '
        "holds what by its shape is a GitHub token",
        {'metadata.annotations."example.com/note"': GITHUB},
    ),
    other(
        LABELS,
        NETWORK,
        "labels[0] (db-password) holds what by its name is a password",
        labels=[{"label": "db-password", "value": "hunter2"}],
    ),
    other(LABELS, BUILDX, "labels.note (note) holds what by its shape is a GitHub token", labels={"note": GITHUB}),
    other(
        LABELS,
        REMOTE_IMAGE,
        "build.labels.note (note) holds what by its shape is a GitHub token",
        name="web",
        build={"context": ".", "labels": {"note": GITHUB}},
    ),
    other(
        LABELS,
        CONFIG_MAP,
        "metadata.annotations.password (password) holds what by its name is a password",
        metadata={"annotations": {"password": "hunter2"}},
    ),
    docker(COMMANDS, "command shows what by its name is a password (at --password)", command=["a", "--password", "b"]),
    docker(
        COMMANDS,
        "entrypoints with command shows what by its shape is a password (at mysql -p)",
        entrypoints=["mysql"],
        command=["-uroot", "-phunter2"],
    ),
    docker(
        COMMANDS,
        "healthcheck.tests shows what by its shape is a password (at redis-cli -a)",
        **{"healthcheck.tests": ["CMD-SHELL", "redis-cli -a hunter2 ping | grep PONG"]},
    ),
    swarm(
        COMMANDS,
        "taskSpec.containerSpec.args shows what by its name is a password (at --requirepass)",
        {"containerSpec.args": ["redis-server", "--requirepass", "hunter2"]},
    ),
    pod(
        COMMANDS,
        f"{FIRST}command with args shows what by its name is a token (at --token)",
        {"spec.containers[0].command": ["app"], "spec.containers[0].args": ["--token=hunter2"]},
    ),
    pod(
        COMMANDS,
        f"{FIRST}readinessProbe.exec.command shows what by its shape is a password (at curl -u)",
        {"spec.containers[0].readinessProbe": {"exec": {"command": ["curl", "-u", "a:hunter2", "http://b"]}}},
    ),
    other(COMMANDS, LOCAL, "create shows what by its shape is a password (at curl -u)", create="curl -u a:hunter2 b"),
    other(
        COMMANDS,
        REMOTE,
        "update shows what by its name is a password (at PGPASSWORD)",
        create="true",
        update="PGPASSWORD=hunter2 psql",
        connection={"host": "h", "password": "where it belongs"},
    ),
    other(COMMANDS, LOCAL, "delete shows what by its name is a token (at --token)", create="a", delete="b --token c"),
    other(
        COMMANDS,
        LOCAL,
        "interpreter shows what by its name is a password (at --password)",
        create="true",
        interpreter=["wrap", "--password", "hunter2"],
    ),
    other(
        COMMANDS,
        LOCAL,
        "triggers[1] holds what by its shape is a GitHub token",
        create="true",
        triggers=["1.2.3", GITHUB],
    ),
    other(
        COMMANDS,
        LOCAL,
        "triggers[0].password (password) holds what by its name is a password",
        create="true",
        triggers=[{"password": "hunter2"}],
    ),
    other(
        BUILD,
        BUILDX,
        "buildArgs.NPM_TOKEN (NPM_TOKEN) holds what by its name is a token",
        buildArgs={"NPM_TOKEN": "hunter2", "VERSION": "1.2.3"},
        secrets={"npm": "where it belongs"},
    ),
    other(
        BUILD,
        IMAGE,
        "build.args.INDEX (INDEX) holds what by its shape is an address with credentials",
        imageName="a",
        build={"args": {"INDEX": "https://ci:hunter2@pypi.example/simple"}},
    ),
    other(
        BUILD,
        REMOTE_IMAGE,
        "build.buildArgs.PASSWORD (PASSWORD) holds what by its name is a password",
        build={"buildArgs": {"PASSWORD": "hunter2"}},
    ),
    other(
        BUILD,
        REGISTRY_IMAGE,
        "build.buildArg.PASSWORD (PASSWORD) holds what by its name is a password",
        build={"buildArg": {"PASSWORD": "hunter2"}},
    ),
    other(
        BUILD,
        BUILDX,
        "dockerfile.inline has what by its name is a password (at DB_PASSWORD) in ENV",
        dockerfile={"inline": "FROM scratch\nENV DB_PASSWORD=hunter2\n"},
    ),
]  # fmt: skip
FINE = [
    *(docker(rule, "") for rule in BY_NAME),
    docker(ENVIRONMENT, "", envs=["DB_PASSWORD_FILE=/run/secrets/db", "PASSWORD_MIN_LENGTH=12", "TOKEN_TTL=3600"]),
    docker(ENVIRONMENT, "", envs=["DB_PASSWORD", "DB_PASSWORD=", "PATH=/usr/bin:/bin"]),
    docker(ENVIRONMENT, "", envs=...),
    docker(LABELS, "", labels=[{"label": "org.opencontainers.image.revision", "value": "4f2a9c1d" * 5}]),
    docker(COMMANDS, "", command=["app", "--password-file", "/run/secrets/db"]),
    Case(ENVIRONMENT, *as_pod(changed(compliant(), {
        "spec.containers[0].env": [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}],
    }))[:2]),
    Case(COMMANDS, *as_cron_job(changed(compliant(), {"spec.containers[0].args": ["--token=$(TOKEN)"]}))[:2]),
    other(COMMANDS, LOCAL, "", create="login", stdin="hunter2 --password hunter2", triggers=["4f2a9c1d" * 5, 7, True]),
    other(ENVIRONMENT, LOCAL, "", create="login", stdin=GITHUB),
    other(COMMANDS, REMOTE, "", create="a", connection={"password": "hunter2", "privateKey": "-----BEGIN PRIVATE KEY"}),
    other(BUILD, BUILDX, "", secrets={"npm": GITHUB}, registries=[{"password": "hunter2"}], buildArgs={"VERSION": "1"}),
    other(BUILD, BUILDX, "", dockerfile={"inline": "FROM scratch\nRUN --mount=type=secret,id=npm npm ci\n"}),
    other(BUILD, BUILDX, "", dockerfile={"location": "Dockerfile"}),
    other(BUILD, LOCAL, "", create="docker build --build-arg TOKEN=hunter2 ."),
    Case(ENVIRONMENT, CONTAINER, container(envs=["SECRET_GARDEN=open"]), "", {"ignore": ["SECRET_*"]}),
    Case(LABELS, CONTAINER, container(labels=[{"label": "token", "value": "ring"}]), "", {"ignore": ["token"]}),
    Case(COMMANDS, CONTAINER, container(command=["--password", "shown"]), "", {"ignore": ["--password"]}),
    Case(BUILD, BUILDX, {"buildArgs": {"TOKEN": "ring"}}, "", {"ignore": ["TOKEN"]}),
    *(other(rule, "random:index/randomPassword:RandomPassword", "", length=16, result="hunter2") for rule in BY_NAME),
]  # fmt: skip


@pytest.mark.parametrize("case", BROKEN, ids=str)
def test_a_secret_is_a_violation_that_says_where_and_what_to_write(case: Case) -> None:
    assert case.answer == Answer([case.message], [], [])


@pytest.mark.parametrize("case", FINE, ids=str)
def test_what_holds_no_secret_and_what_is_made_for_one_is_fine(case: Case) -> None:
    assert case.answer.nothing


def test_a_secret_in_the_place_of_a_name_is_not_shown() -> None:
    for case in (docker(ENVIRONMENT, "", envs=[f"{GITHUB}=on", f"{GITHUB}={GITHUB}"]),):
        assert case.answer.violations
        assert GITHUB not in str(case.answer)


def test_every_container_of_a_pod_is_judged() -> None:
    bad = [{"name": "PASSWORD", "value": "hunter2"}]
    changes = {"spec.containers[0].env": bad, "spec.initContainers[0].env": bad}
    found = Case(ENVIRONMENT, *as_pod(changed(compliant(), changes))[:2]).answer.violations
    assert len(found) == 2


def test_the_labels_of_a_pod_itself_are_told_once() -> None:
    found = Case(LABELS, *as_pod(changed(compliant(), {"metadata.labels": {"token": "hunter2"}}))[:2]).answer
    assert len(found.violations) == 1


def test_a_manifest_that_a_command_applies_is_judged() -> None:
    command = applied({"env": [{"name": "DB_PASSWORD", "value": "hunter2"}]})
    found = other(ENVIRONMENT, LOCAL, "", **command).answer.violations
    assert len(found) == 1
    assert "DB_PASSWORD" in found[0] and "hunter2" not in found[0]


@given(st.text("abcdefghijkmnpqrstuvwxyz23456789", min_size=8, max_size=24))
def test_no_message_ever_has_the_value(value: str) -> None:
    answers = (
        docker(ENVIRONMENT, "", envs=[f"DB_PASSWORD={value}"]).answer,
        docker(LABELS, "", labels=[{"label": "token", "value": value}]).answer,
        docker(COMMANDS, "", command=["mysql", f"-p{value}"]).answer,
        other(BUILD, BUILDX, "", buildArgs={"TOKEN": value}).answer,
    )
    assume(value not in NOTHING)
    for found in answers:
        assert found.violations
        assert value not in str(found).replace("web (docker", "")


def test_an_exemption_turns_a_secret_into_an_advisory() -> None:
    exemption = {"resource": "web", "reason": "a test's own", "owner": "quay", "expires": "2999-01-01"}
    case = Case(ENVIRONMENT, CONTAINER, container(envs=["PASSWORD=x1y2"]), "", {"exemptions": [exemption]})
    assert case.answer.nothing
    (kept,) = take(f"urn:pulumi:dev::shop::{CONTAINER}::web")
    assert kept.startswith(
        "no-secret-in-environment: web (docker:Container): envs[0] (PASSWORD) holds what by its name"
    )
    assert "x1y2" not in kept


@pytest.mark.parametrize("rule", BY_NAME.values(), ids=lambda it: it.name)
def test_a_rule_says_everything_about_itself(rule: Any) -> None:
    policy = rule.policy()
    assert policy.enforcement_level is EnforcementLevel.MANDATORY
    assert policy.tags == ["secrets"]
    assert set(policy.config_schema.properties) == {"ignore", "exemptions"}
    assert policy.description and policy.severity and policy.framework and policy.remediation_steps
    assert rule.reason


def test_every_rule_has_a_case_of_both_sorts() -> None:
    assert {case.rule for case in BROKEN} == {case.rule for case in FINE} == set(BY_NAME)
