"""The graph of a stack with Slipway's components: what runs was released, once, and nothing lies about unreleased."""

from __future__ import annotations

from typing import Any

import pytest
from pulumi.runtime.proto import analyzer_pb2
from pulumi_policy.policy import EnforcementLevel, Policy

from judging.images import REMOTE_IMAGE
from judging.servicer import Servicer
from judging.stack_rule import StackRule, stack_advice
from rules.graph import RULES
from tests.policy.answers import unknown as said_of_unknown
from tests.policy.compliant import CONTAINER, SERVICE, container, service
from tests.policy.kubernetes_pods import DIGEST, UNKNOWN, Properties, as_deployment, changed, compliant

RELEASED, ONE_DIGEST, NO_ORPHAN = RULES
OTHER = "sha256:" + "2e" * 32
WEB = "registry.example/shop/web"
RELEASE, PROMOTION = "slipway:index:Release", "slipway:index:Promotion"
Resource = tuple[str, str, Properties]
"""Name, type and outputs."""


def release(digest: str = DIGEST, name: str = "web", kind: str = RELEASE) -> Resource:
    """A component that hands on a release."""
    return name, kind, {"reference": f"{WEB}@{digest}", "record": {"digest": digest, "schema_version": 1}}


def candidate(digest: str = DIGEST) -> Resource:
    """A component that builds."""
    return "web-image", "slipway:index:Image", {"reference": f"quarantine.example/web@{digest}", "digest": digest}


def run(image: str = f"{WEB}@{DIGEST}", name: str = "web-container") -> Resource:
    """A container of an image."""
    return name, CONTAINER, container(image=image)


def judged(rule: StackRule, *resources: Resource, **configuration: Any) -> analyzer_pb2.AnalyzeResponse:
    """What the SDK answers to the engine when a rule judges a stack."""
    policies: list[Policy] = [rule.policy(), stack_advice()]
    servicer: Any = Servicer("slipway", "1.0.0", policies, EnforcementLevel.MANDATORY)
    if configuration:
        request = analyzer_pb2.ConfigureAnalyzerRequest()
        request.policyConfig[rule.name].enforcementLevel = analyzer_pb2.MANDATORY
        request.policyConfig[rule.name].properties.update(configuration)
        servicer.Configure(request, None)
    question = analyzer_pb2.AnalyzeStackRequest()
    for name, kind, properties in resources:
        resource = question.resources.add(type=kind, name=name, urn=f"urn:pulumi:dev::shop::{kind}::{name}")
        resource.properties.update(properties)
    answer: analyzer_pb2.AnalyzeResponse = servicer.AnalyzeStack(question, None)
    return answer


def violations(rule: StackRule, *resources: Resource, **configuration: Any) -> list[str]:
    """What is wrong with the stack, without the rule's description."""
    answer = judged(rule, *resources, **configuration)
    return [it.message.partition("\n")[2] for it in answer.diagnostics if it.enforcementLevel == analyzer_pb2.MANDATORY]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_stack_whose_workloads_run_its_release_is_fine(rule: StackRule) -> None:
    deployment, properties, _ = as_deployment(changed(compliant(), {"spec.initContainers": ...}))
    pod = changed(properties, {"spec.template.spec.containers[0].image": f"{WEB}:1.4.0@{DIGEST}"})
    resources = (
        release(),
        candidate(),
        run(),
        ("web-service", SERVICE, service(**{"containerSpec.image": f"{WEB}@{DIGEST}"})),
        ("web-deployment", deployment, pod),
        ("web-network", "docker:index/network:Network", {"name": "web"}),
    )
    answer = judged(rule, *resources)
    assert not answer.diagnostics
    assert not answer.not_applicable


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_program_without_our_components_is_judged_by_the_other_rules_alone(rule: StackRule) -> None:
    answer = judged(rule, run(), run(f"{WEB}@{OTHER}", "second"))
    assert not answer.diagnostics
    assert [it.reason for it in answer.not_applicable] == ["the stack uses none of Slipway's components"]


def test_a_promotion_is_as_good_as_a_release() -> None:
    assert not violations(RELEASED, release(kind=PROMOTION), run())
    without_record = ("web", PROMOTION, {"reference": f"{WEB}@{DIGEST}"})
    assert not violations(RELEASED, without_record, run())


def test_a_workload_whose_digest_was_not_released_is_a_violation() -> None:
    answer = judged(RELEASED, release(), run(), run(f"{WEB}@{OTHER}", "second"))
    (said,) = answer.diagnostics
    assert said.urn == f"urn:pulumi:dev::shop::{CONTAINER}::second"
    assert said.message.partition("\n")[2] == (
        f"second (docker:Container): runs {WEB}@{OTHER}, which no Release and no Promotion of this stack carries; run "
        "the reference that a Release or a Promotion hands on [Slipway, gates are edges]"
    )


def test_a_workload_without_a_release_in_the_stack_is_a_violation() -> None:
    assert len(violations(RELEASED, candidate(), run())) == 1


def test_a_workload_without_a_digest_is_a_violation() -> None:
    (said,) = violations(RELEASED, release(), run("registry.example/shop/web:latest"))
    assert "runs registry.example/shop/web:latest, which is pinned by no digest" in said


def test_an_image_id_in_the_state_is_what_its_pull_says() -> None:
    identifier = "sha256:" + "3d" * 32
    pull = ("web-pull", REMOTE_IMAGE, {"name": f"{WEB}@{DIGEST}", "imageId": identifier})
    assert not violations(RELEASED, release(), pull, run(identifier))
    assert len(violations(RELEASED, release(), run(identifier))) == 1
    other = ("web-pull", REMOTE_IMAGE, {"name": f"{WEB}@{OTHER}", "imageId": identifier})
    assert len(violations(RELEASED, release(), other, run(identifier))) == 1


def test_two_digests_of_one_service_are_a_violation() -> None:
    both = (release(), release(OTHER, "web-next"), run(), run(f"{WEB}:1.5.0@{OTHER}", "second"))
    assert not violations(RELEASED, *both)
    assert violations(ONE_DIGEST, *both) == [
        f"second (docker:Container): runs {WEB}@{OTHER}, while web-container runs {DIGEST} of the same repository; "
        "run one digest of a service in a stack [Slipway, digest is identity]"
    ]


def test_two_services_may_run_two_digests() -> None:
    assert not violations(ONE_DIGEST, release(), run(), run(f"registry.example/shop/api@{OTHER}", "api"))


def test_a_candidate_that_nobody_releases_is_a_violation() -> None:
    assert violations(NO_ORPHAN, release(), candidate(OTHER)) == [
        f"web-image (slipway:Image): built the candidate {OTHER}, which no Release of this stack carries; "
        "release it with a Release, or remove the Image [Slipway, gates are edges]"
    ]
    assert not violations(NO_ORPHAN, release(), candidate())


def test_what_is_unknown_is_said_to_be_unknown_and_accuses_nobody() -> None:
    unknown = ("web", RELEASE, {"reference": UNKNOWN, "record": UNKNOWN})
    for rule, resources, path in (
        (RELEASED, (unknown, run()), "record"),
        (RELEASED, (release(), run(UNKNOWN)), "image"),
        (ONE_DIGEST, (release(), run(UNKNOWN)), "image"),
        (NO_ORPHAN, (unknown, candidate()), "record"),
        (NO_ORPHAN, (release(), ("web-image", "slipway:index:Image", {"digest": UNKNOWN})), "digest"),
    ):
        (said,) = judged(rule, *resources).diagnostics
        assert said.enforcementLevel == analyzer_pb2.ADVISORY
        assert said.message.startswith(f"can't run policy '{rule.name}'")
        assert said.message == said_of_unknown(rule, path)


def test_what_is_unknown_hides_no_violation() -> None:
    said = judged(RELEASED, release(), run(UNKNOWN), run(f"{WEB}@{OTHER}", "second")).diagnostics
    assert [it.enforcementLevel for it in said] == [analyzer_pb2.MANDATORY, analyzer_pb2.ADVISORY]


def test_an_exception_turns_a_violation_into_advice_about_the_stack() -> None:
    entry = {"resource": "second", "reason": "a probe", "owner": "shop", "expires": "2999-01-01"}
    (said,) = judged(RELEASED, release(), run(f"{WEB}@{OTHER}", "second"), exemptions=[entry]).diagnostics
    assert (said.policyName, said.enforcementLevel) == ("stack-advice", analyzer_pb2.ADVISORY)
    assert "workload-runs-a-release: second (docker:Container): runs" in said.message
    assert "(excepted: resource 'second', reason 'a probe', owner 'shop', expires 2999-01-01)" in said.message


def test_a_setting_that_is_unknown_is_a_violation() -> None:
    assert violations(RELEASED, release(), run(), level="low") == [
        "configuration of workload-runs-a-release: level: unknown option: write some of exemptions"
    ]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_rule_says_why_and_what_to_do(rule: StackRule) -> None:
    policy = rule.policy()
    assert policy.description == rule.statement
    assert policy.enforcement_level is EnforcementLevel.MANDATORY
    assert policy.severity
    assert policy.remediation_steps
    assert policy.tags == ["graph"]
    assert len(rule.reason) > 40
