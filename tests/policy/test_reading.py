"""A resource is read once for all rules, and each of them says what it would say of a reading of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from pulumi.runtime.proto import analyzer_pb2
from pulumi_policy import (
    EnforcementLevel,
    Policy,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationPolicy,
)
from pulumi_policy.policy import _PolicyAnalyzerServicer

from judging.advice import take
from judging.configuration import Settings, keep
from judging.manifests import inside
from judging.reading import SharingPolicy, once_a_resource, shared
from judging.rule import Problem, Rule, Subject
from judging.servicer import Servicer
from pack import POLICIES
from rules.privileges import RULES
from tests.policy.compliant import CONTAINER, container
from tests.policy.kubernetes_pods import UNKNOWN, Properties, applied, as_deployment, changed, compliant

SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "value": "hunter2"}
URN = "urn:pulumi:dev::shop::a:type::web"


@pytest.fixture(autouse=True)
def no_settings() -> None:
    """The defaults, which let no image pass, and ask no registry."""
    keep(Settings())


def question(kind: str, properties: Properties) -> analyzer_pb2.AnalyzeRequest:
    """What the engine asks about a resource with a provider of its own."""
    asked = analyzer_pb2.AnalyzeRequest(type=kind, name="web", urn=URN)
    asked.properties.update(properties)
    asked.provider.type = "pulumi:providers:docker"
    asked.provider.properties.update({"host": "unix:///var/run/docker.sock"})
    asked.options.protect = True
    return asked


def answered(servicer: type[Any], asked: analyzer_pb2.AnalyzeRequest, policies: list[Policy]) -> bytes:
    """What one of the servicers answers."""
    take(URN)
    serving = servicer("slipway", "1.0.0", policies, EnforcementLevel.MANDATORY)
    answer: analyzer_pb2.AnalyzeResponse = serving.Analyze(asked, None)
    said: bytes = answer.SerializeToString(deterministic=True)
    return said


POD = changed(compliant(), {"spec.hostNetwork": True, "spec.containers[0].securityContext": {"privileged": True}})


@pytest.mark.parametrize(
    ("kind", "properties"),
    [
        (CONTAINER, container()),
        (CONTAINER, container(privileged=True, user="root", envs=["PASSWORD=hunter2hunter2"], memory=UNKNOWN)),
        (CONTAINER, container(envs=SECRET, image=UNKNOWN)),
        as_deployment(POD)[:2],
        as_deployment(changed(POD, {"spec.initContainers": UNKNOWN}))[:2],
        ("command:local:Command", {"create": "docker run --privileged nginx", "environment": {"A": UNKNOWN}}),
        ("command:local:Command", applied(POD["spec"]["containers"][0])),
        ("slipway:index:Release", {"image": {"quarantine": UNKNOWN}, "objects": [POD]}),
        ("random:index:RandomId", {}),
    ],
)
def test_every_rule_says_what_it_says_of_a_reading_of_its_own(kind: str, properties: Properties) -> None:
    asked = question(kind, properties)
    before = asked.SerializeToString(deterministic=True)
    assert answered(Servicer, asked, POLICIES) == answered(_PolicyAnalyzerServicer, asked, POLICIES)
    assert asked.SerializeToString(deterministic=True) == before


def seen_by(policies: int) -> tuple[list[Mapping[str, Any]], list[Policy]]:
    """Policies that keep the properties that they were asked about."""
    seen: list[Mapping[str, Any]] = []

    def rule(number: int) -> Policy:
        def look(subject: Subject) -> Iterator[Problem]:
            """It looks."""
            seen.append(subject.properties)
            return iter(())

        like = RULES[0]
        return Rule(f"looks-{number}", "It looks", look, like.source, like.severity, "Nothing.").policy()

    return seen, [rule(number) for number in range(policies)]


def test_all_rules_judge_one_reading() -> None:
    seen, policies = seen_by(3)
    for _ in range(2):
        answered(Servicer, question(CONTAINER, container()), policies)
    assert len(seen) == 6
    assert [them is seen[0] for them in seen] == [True] * 3 + [False] * 3


def test_a_policy_of_another_kind_is_given_what_the_sdk_reads_for_it() -> None:
    seen, policies = seen_by(1)
    given: list[Mapping[str, Any]] = []

    def other(args: ResourceValidationArgs, _: object) -> None:
        assert args.provider
        given.extend((args.props, args.provider.props))

    asked = question(CONTAINER, container(privileged=True))
    answered(Servicer, asked, [*policies, ResourceValidationPolicy("other", "It looks", other)])
    assert given[0].keys() == seen[0].keys() == container(privileged=True).keys()
    assert given[0]["privileged"] is True
    assert given[1]["host"] == "unix:///var/run/docker.sock"


def test_every_policy_of_the_pack_shares() -> None:
    assert {type(it) for it in POLICIES} == {SharingPolicy, StackValidationPolicy}


def test_another_resource_than_the_one_that_is_judged_is_judged_by_its_own_properties() -> None:
    seen, policies = seen_by(1)
    args = ResourceValidationArgs(CONTAINER, container(user="7"), "another", "web", None, None)  # type: ignore[arg-type]
    with shared(URN, container(user="8")):
        policies[0].validate(args, lambda *_: None)  # type: ignore[attr-defined]
    assert seen[0]["user"] == "7"


def test_a_policy_that_is_asked_by_itself_judges_what_it_is_given() -> None:
    seen, policies = seen_by(1)
    answered(Servicer, question(CONTAINER, container()), policies)
    answered(_PolicyAnalyzerServicer, question(CONTAINER, container(privileged=True)), policies)
    assert seen[-1]["privileged"] is True


def test_a_reading_ends_with_its_request() -> None:
    def broken(*_: object) -> None:
        raise RuntimeError

    seen, policies = seen_by(1)
    failing = SharingPolicy("fails", "It fails", broken)  # a mistake in a policy leaves the SDK as it is
    with pytest.raises(RuntimeError):
        answered(Servicer, question(CONTAINER, container()), [failing])
    answered(_PolicyAnalyzerServicer, question(CONTAINER, container(user="7")), policies)
    assert seen[0]["user"] == "7"


def test_what_was_found_in_one_resource_is_not_found_in_the_next() -> None:
    looked: list[str] = []

    @once_a_resource
    def look(subject: Any) -> int:
        looked.append(subject.type)
        if subject.type == "broken":
            raise RuntimeError
        return len(looked)

    one, other = {"a": 1}, {"a": 1}
    subjects = [Subject(kind, "web", URN, them) for kind, them in (("x", one), ("y", one), ("y", other))]
    assert [look(subject) for subject in (*subjects, subjects[2], subjects[0])] == [1, 2, 3, 3, 4]
    for _ in range(2):
        with pytest.raises(RuntimeError):
            look(Subject("broken", "web", URN, one))
    assert looked[-2:] == ["broken"] * 2


def test_the_objects_in_a_resource_are_looked_for_once() -> None:
    properties = {"objects": [as_deployment(POD)[1]]}
    subject, again = (Subject("slipway:index:Release", "web", URN, properties) for _ in range(2))
    assert inside(subject) is inside(again)
