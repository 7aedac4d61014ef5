"""A rule as a policy: messages, levels, exceptions, advice, options, and what a remedy keeps secret."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from pulumi_policy import EnforcementLevel, Severity
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE

from judging import advice
from judging.configuration import Settings, keep, read_settings
from judging.grants import today
from judging.rule import NotApplicable, Problem, Rule, Source, Subject
from tests.policy.answers import Answer, answer, remediated, unknown
from tests.policy.compliant import CONTAINER
from tests.policy.kubernetes_pods import Properties

SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}
"""How the engine marks a secret."""
NEXT_WEEK, TODAY = str(today() + timedelta(days=7)), str(today())


def check(subject: Subject) -> Iterator[Problem]:
    """Colours matter."""
    for colour in subject.properties.get("colours", ()):
        if colour == "silent":
            raise NotApplicable("it has no colour")
        if colour not in subject.options["allowed"]:
            yield Problem(f"colours has {colour}", "write green", "part 1", advisory=colour == "yellow")


def paint(subject: Subject) -> dict[str, Any] | None:
    return {"colours": ["green"]} if subject.properties["colours"][0] != "green" else None


RULE = Rule(
    name="thing-is-green",
    statement="A thing is green",
    check=check,
    source=Source("Colours", "2", "1.1", "https://colours.example"),
    severity=Severity.HIGH,
    fix="Paint it.",
    options={"allowed": {"type": "array", "default": ["green"], "description": "colours that are fine"}},
    remedy=paint,
)
TEXT = "web (docker:Container), part 1: colours has red; write green [Colours 2, 1.1]"


def judged(*colours: Any, **configuration: Any) -> Answer:
    return answer(RULE, CONTAINER, {"colours": list(colours)}, configuration)


def exemption(**changes: str) -> dict[str, str]:
    entry = {"resource": "web", "reason": "it was so", "owner": "Ada", "expires": NEXT_WEEK}
    return {key: text for key, text in {**entry, **changes}.items() if text}


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    advice.take(f"urn:pulumi:dev::shop::{CONTAINER}::web")
    yield
    keep(Settings())


def advised() -> list[str]:
    return advice.take(f"urn:pulumi:dev::shop::{CONTAINER}::web")


def test_a_message_names_the_resource_what_was_seen_what_to_write_and_the_source() -> None:
    assert judged("red") == Answer([TEXT], [], [])


def test_each_problem_is_reported() -> None:
    assert len(judged("red", "blue", "green").violations) == 2


def test_an_advisory_problem_stops_nothing_and_is_left_for_the_policy_that_reports_advice() -> None:
    assert judged("yellow").nothing
    assert advised() == [f"thing-is-green: {TEXT.replace('red', 'yellow')}"]


def test_the_policy_advice_reports_at_its_own_level_and_forgets() -> None:
    from pulumi_policy import ResourceValidationArgs

    policy = advice.advice()
    advice.keep("urn:a", "mind the gap")
    said: list[str] = []
    args: Any = ResourceValidationArgs("t", {}, "urn:a", "a", None, None)  # type: ignore[arg-type]
    policy.validate(args, lambda text, _urn: said.append(text))
    policy.validate(args, lambda text, _urn: said.append(text))
    assert (policy.enforcement_level, said) == (EnforcementLevel.ADVISORY, ["mind the gap"])


def test_what_does_not_apply_is_said_to_the_engine_after_the_problems_that_were_found() -> None:
    assert judged("red", "silent") == Answer([TEXT], [], ["it has no colour"])


def test_an_unknown_value_is_an_advisory_of_the_sdk_after_the_problems_that_were_found() -> None:
    found = judged("red", UNKNOWN_STRING_VALUE)
    assert found == Answer([TEXT], [unknown(RULE, "colours.1")], [])


def test_an_option_takes_the_place_of_its_default() -> None:
    assert judged("red", allowed=["red"]).nothing


def test_an_option_that_nobody_declared_is_a_violation() -> None:
    assert judged("green", alowed=["red"]).violations == [
        "configuration of thing-is-green: alowed: unknown option: write some of allowed, exemptions"
    ]


def test_an_exemption_of_the_rule_turns_a_problem_into_advice_that_says_all_of_it() -> None:
    assert judged("red", exemptions=[exemption()]).nothing
    assert advised() == [
        f"thing-is-green: {TEXT} (excepted: resource 'web', reason 'it was so', owner 'Ada', expires {NEXT_WEEK})"
    ]


def test_an_exemption_that_has_expired_fails_as_if_it_were_not_there_and_says_so() -> None:
    assert judged("red", exemptions=[exemption(expires=TODAY)]).violations == [
        f"{TEXT} (its exception has expired: resource 'web', reason 'it was so', owner 'Ada', expires {TODAY})"
    ]


def test_an_exemption_that_holds_wins_over_one_that_has_expired() -> None:
    assert judged("red", exemptions=[exemption(expires=TODAY), exemption(), exemption(expires="2020-01-01")]).nothing


@pytest.mark.parametrize("resource", ["web", "w*", "*::web", f"urn:pulumi:dev::shop::{CONTAINER}::web"])
def test_an_exemption_matches_by_name_or_by_urn(resource: str) -> None:
    assert judged("red", exemptions=[exemption(resource=resource)]).nothing


@pytest.mark.parametrize("resource", ["other", "WEB", "we", "urn:pulumi:prod::*"])
def test_an_exemption_of_another_resource_excepts_nothing(resource: str) -> None:
    assert judged("red", exemptions=[exemption(resource=resource)]).violations == [TEXT]


@pytest.mark.parametrize(
    ("changes", "mistake"),
    [
        ({"reason": ""}, "exemptions[0].reason: is missing or empty (None): write a text"),
        ({"owner": "  "}, "exemptions[0].owner: is missing or empty ('  '): write a text"),
        (
            {"expires": "soon"},
            "exemptions[0].expires: is no day ('soon'): write YYYY-MM-DD, the first day without it",
        ),
        (
            {"expires": "20300101"},
            "exemptions[0].expires: is no day ('20300101'): write YYYY-MM-DD, the first day without it",
        ),
        ({"until": "x"}, "exemptions[0].until: unknown key ('x'): write resource, reason, owner, expires"),
    ],
)
def test_a_wrong_exemption_excepts_nothing_and_is_a_violation_itself(changes: dict[str, str], mistake: str) -> None:
    assert judged("red", exemptions=[exemption(**changes)]).violations == [
        f"configuration of thing-is-green: {mistake}",
        TEXT,
    ]


def test_the_file_of_exceptions_holds_for_the_rule_that_an_entry_names(tmp_path: Path) -> None:
    path = tmp_path / "exceptions.yaml"
    path.write_text(f"- {{rule: thing-is-green, resource: web, reason: why, owner: Ada, expires: {NEXT_WEEK}}}\n")
    settings, mistakes = read_settings({"exceptions": str(path)})
    keep(settings)
    assert not mistakes
    assert judged("red").nothing
    assert advised() == [
        f"thing-is-green: {TEXT} (excepted: resource 'web', reason 'why', owner 'Ada', expires {NEXT_WEEK})"
    ]


def test_the_policy_says_everything_about_its_rule() -> None:
    policy = RULE.policy()
    assert (policy.name, policy.description) == ("thing-is-green", "A thing is green")
    assert (policy.enforcement_level, policy.severity) == (EnforcementLevel.MANDATORY, Severity.HIGH)
    assert (policy.remediation_steps, policy.url) == ("Paint it.", "https://colours.example")
    assert policy.tags == ["test_rule"]
    assert policy.framework and policy.framework.__dict__ == {
        "name": "Colours",
        "version": "2",
        "reference": "1.1",
        "specification": "https://colours.example",
    }
    assert policy.config_schema and set(policy.config_schema.properties) == {"allowed", "exemptions"}
    assert RULE.reason == "Colours matter."


def secret(value: Any) -> Properties:
    return {**SECRET, "value": value}


def test_a_remedy_sets_what_it_names_and_keeps_the_rest_with_its_secrets() -> None:
    properties = {"colours": ["red"], "password": secret("hunter2"), "nested": {"key": secret("k")}, "list": [1, "a"]}
    assert remediated(RULE, CONTAINER, properties) == ({**properties, "colours": ["green"]}, "")


@pytest.mark.parametrize("colours", [secret(["red"]), [secret("red")]], ids=["the whole", "a part"])
def test_what_was_secret_is_secret_after_a_remedy(colours: Any) -> None:
    assert remediated(RULE, CONTAINER, {"colours": colours})[0] == {"colours": secret(["green"])}


def test_a_remedy_that_changes_nothing_hands_nothing_back() -> None:
    assert remediated(RULE, CONTAINER, {"colours": ["green"]}) == (None, "")


def test_a_remedy_that_reads_an_unknown_value_is_put_off() -> None:
    properties, complaint = remediated(RULE, CONTAINER, {"colours": [UNKNOWN_STRING_VALUE]})
    assert properties is None
    assert complaint.endswith("string value at .colours.0 can't be known during preview")


def test_a_remedy_keeps_unknown_values_of_other_properties() -> None:
    properties = {"colours": ["red"], "image": UNKNOWN_STRING_VALUE}
    assert remediated(RULE, CONTAINER, properties)[0] == {**properties, "colours": ["green"]}


def test_what_is_excepted_is_not_repaired() -> None:
    assert remediated(RULE, CONTAINER, {"colours": ["red"]}, {"exemptions": [exemption()]}) == (None, "")
    expired = {"exemptions": [exemption(expires=TODAY)]}
    assert remediated(RULE, CONTAINER, {"colours": ["red"]}, expired)[0] == {"colours": ["green"]}


@pytest.mark.parametrize(
    ("kind", "short"),
    [
        ("docker:index/container:Container", "docker:Container"),
        ("kubernetes:apps/v1:Deployment", "kubernetes:Deployment"),
        ("slipway:index:Release", "slipway:Release"),
        ("kubernetes:helm.sh/v3:Release", "kubernetes:Release"),
        ("pulumi:pulumi:Stack", "pulumi:Stack"),
    ],
)
def test_a_type_is_named_as_previews_name_it(kind: str, short: str) -> None:
    assert Subject(kind, "a", f"urn:pulumi:production::shop::{kind}::a", {}).short_type == short


def test_a_subject_knows_its_stack() -> None:
    assert Subject("t", "a", "urn:pulumi:production::shop::t::a", {}).stack == "production"


def test_days_are_those_of_utc() -> None:
    assert isinstance(today(), date)
