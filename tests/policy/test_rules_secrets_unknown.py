"""The rules about secrets during a preview, when a part of a resource is not known yet."""

from __future__ import annotations

import pytest

from tests.policy.answers import Answer, unknown
from tests.policy.compliant import CONTAINER, container
from tests.policy.kubernetes_pods import UNKNOWN
from tests.policy.test_rules_secrets import (
    BUILD,
    BUILDX,
    BY_NAME,
    COMMANDS,
    ENVIRONMENT,
    LABELS,
    LOCAL,
    Case,
    docker,
    other,
)

UNKNOWNS = [
    (Case(ENVIRONMENT, CONTAINER, container(envs=[UNKNOWN])), "envs.0"),
    (Case(ENVIRONMENT, CONTAINER, container(envs=UNKNOWN)), "envs"),
    (Case(ENVIRONMENT, LOCAL, {"create": "a", "environment": {"B": UNKNOWN}}), "environment.B"),
    (Case(LABELS, CONTAINER, container(labels=[{"label": "a", "value": UNKNOWN}])), "labels.0.value"),
    (Case(COMMANDS, CONTAINER, container(command=["a", UNKNOWN])), "command.1"),
    (Case(COMMANDS, LOCAL, {"create": UNKNOWN}), "create"),
    (Case(COMMANDS, LOCAL, {"create": "a", "triggers": [UNKNOWN]}), "triggers.0"),
    (Case(BUILD, BUILDX, {"buildArgs": {"A": UNKNOWN}}), "buildArgs.A"),
    (Case(BUILD, BUILDX, {"dockerfile": {"inline": UNKNOWN}}), "dockerfile.inline"),
]


@pytest.mark.parametrize(("case", "path"), UNKNOWNS, ids=lambda it: str(it)[:80])
def test_an_unknown_value_is_an_advisory_with_its_path(case: Case, path: str) -> None:
    assert case.answer == Answer([], [unknown(BY_NAME[case.rule], path)], [])


@pytest.mark.parametrize(
    "case",
    [
        docker(ENVIRONMENT, "", envs=[UNKNOWN, "DB_PASSWORD=hunter2"]),
        docker(LABELS, "", labels=[{"label": "a", "value": UNKNOWN}, {"label": "token", "value": "hunter2"}]),
        docker(COMMANDS, "", entrypoints=UNKNOWN, command=["app", "--password", "hunter2"]),
        other(COMMANDS, LOCAL, "", create=UNKNOWN, update="app --password hunter2"),
        other(BUILD, BUILDX, "", buildArgs={"A": UNKNOWN, "TOKEN": "hunter2"}),
    ],
    ids=str,
)
def test_a_known_secret_is_found_beside_an_unknown_value(case: Case) -> None:
    assert len(case.answer.violations) == 1
    assert len(case.answer.advice) == 1


def test_the_word_after_an_unknown_one_is_not_taken_for_its_value() -> None:
    case = docker(COMMANDS, "", command=["app", "--password", UNKNOWN, "harbour"])
    assert case.answer == Answer([], [unknown(BY_NAME[COMMANDS], "command.2")], [])


def test_another_unknown_property_keeps_no_rule_from_judging() -> None:
    for rule in BY_NAME.values():
        assert docker(rule.name, "", ports=UNKNOWN, user=UNKNOWN).answer.nothing, rule.name
        if rule.name != ENVIRONMENT:
            assert docker(rule.name, "", image=UNKNOWN).answer.nothing, rule.name


def test_an_unknown_image_hides_no_secret_that_the_resource_itself_sets() -> None:
    found = docker(ENVIRONMENT, "", image=UNKNOWN, envs=["DB_PASSWORD=hunter2"]).answer
    assert len(found.violations) == 1
    assert found.advice == [unknown(BY_NAME[ENVIRONMENT], "image")]


def test_every_rule_has_an_unknown_case() -> None:
    assert {case.rule for case, _ in UNKNOWNS} == set(BY_NAME)
