"""What is missing before a stack may take a digest: proofs, soak, a word that it held, an approval."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steps.proofs import (
    BESIDES,
    DEPLOYED,
    HELD,
    INSTEAD,
    Approval,
    Proof,
    Rule,
    StackName,
    duration,
    missing,
    moment,
    proved_by,
    readable,
    spelled,
)

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
STAGING, CANARY = StackName("slipway", "staging"), StackName("slipway", "canary")
PRODUCTION = StackName("slipway", "production")
HOUR = timedelta(hours=1)
NOT_PROVED = "has not proved it: bring it up there until it is healthy and its smoke test passes"


def proof(ago: timedelta = HOUR, stack: StackName = STAGING, kind: str = DEPLOYED) -> Proof:
    """A stack's word, so long ago."""
    return Proof(stack, "5" * 40, NOW - ago, kind)


def approval(by: str = "maria", stack: StackName = PRODUCTION, ago: timedelta = HOUR) -> Approval:
    """A person's word, so long ago."""
    return Approval(stack, by, NOW - ago, "the fix for the outage")


def rule(*stacks: StackName, **changes: Any) -> Rule:
    """A rule about staging, or about these stacks."""
    return Rule(stacks or (STAGING,), **changes)


def lacks(given_rule: Rule, *said: Proof | Approval) -> list[str]:
    """What production lacks at noon."""
    proofs = [it for it in said if isinstance(it, Proof)]
    return missing(given_rule, proofs, [it for it in said if isinstance(it, Approval)], PRODUCTION, NOW)


def test_what_the_stack_has_proved_may_be_taken() -> None:
    assert lacks(rule(), proof()) == []


def test_what_nobody_has_proved_is_missing_a_proof_of_the_very_stack() -> None:
    assert lacks(rule()) == [f"slipway/staging {NOT_PROVED}"]


@pytest.mark.parametrize("other", [CANARY, StackName("other", "staging")])
def test_no_stack_speaks_for_another(other: StackName) -> None:
    assert lacks(rule(), proof(stack=other)) == [f"slipway/staging {NOT_PROVED}"]


def test_all_stacks_are_needed_and_each_that_is_missing_is_told() -> None:
    both = rule(STAGING, CANARY)
    assert lacks(both) == [f"slipway/staging {NOT_PROVED}", f"slipway/canary {NOT_PROVED}"]
    assert lacks(both, proof()) == [f"slipway/canary {NOT_PROVED}"]
    assert lacks(both, proof(), proof(stack=CANARY)) == []


def test_any_of_the_stacks_is_enough_where_the_rule_says_so() -> None:
    either = rule(STAGING, CANARY, every=False)
    assert lacks(either, proof(stack=CANARY)) == []
    told = f"one of these is enough: slipway/staging {NOT_PROVED}; or slipway/canary {NOT_PROVED}"
    assert lacks(either) == [told]


def test_a_soak_that_is_not_over_says_how_long_is_left_and_until_when() -> None:
    assert lacks(rule(soak=24 * HOUR), proof(2.5 * HOUR)) == [
        "the soak in slipway/staging is not over: it was proved there at 2026-11-25T09:30:00Z, "
        "21 h 30 min of 1 d are left, until 2026-11-26T09:30:00Z"
    ]
    assert lacks(rule(soak=24 * HOUR), proof(24 * HOUR)) == []


def test_a_soak_counts_from_the_first_proof_whatever_was_said_since() -> None:
    assert lacks(rule(soak=24 * HOUR), proof(HOUR, kind=HELD), proof(30 * HOUR), proof(2 * HOUR)) == []


def test_a_soak_of_one_stack_is_not_shortened_by_another() -> None:
    [told] = lacks(rule(soak=24 * HOUR), proof(HOUR), proof(48 * HOUR, stack=CANARY))
    assert told.startswith("the soak in slipway/staging is not over")


def test_any_stack_whose_soak_is_over_is_enough() -> None:
    assert lacks(rule(STAGING, CANARY, every=False, soak=24 * HOUR), proof(HOUR), proof(48 * HOUR, stack=CANARY)) == []


def test_a_release_has_to_be_looked_at_again_after_the_soak_where_the_rule_says_so() -> None:
    watched = rule(soak=2 * HOUR, held=True)
    told = "slipway/staging has not said since 2026-11-25T09:00:00Z that it held: run `slipway prove staging`"
    assert lacks(watched, proof(5 * HOUR)) == [told]
    assert lacks(watched, proof(5 * HOUR), proof(4 * HOUR, kind=HELD)) == [told]
    assert lacks(watched, proof(5 * HOUR), proof(HOUR)) == [told]
    assert lacks(watched, proof(5 * HOUR), proof(HOUR, kind=HELD)) == []


def test_a_proof_from_the_future_tells_of_a_wrong_clock() -> None:
    assert lacks(rule(), proof(-3 * HOUR)) == [
        "slipway/staging proved it at 2026-11-25T15:00:00Z, which is in the future: check the clocks of both machines"
    ]
    assert lacks(rule(), proof(-timedelta(seconds=30))) == []


def test_an_approval_is_needed_besides_the_proofs_and_by_somebody_who_may() -> None:
    asked = rule(approvers=["joe", "maria"], approval=BESIDES)
    told = "an approval by one of joe, maria is missing: `slipway approve production DIGEST --key KEY --reason TEXT`"
    assert lacks(asked, proof()) == [told]
    assert lacks(asked, proof(), approval("eve")) == [told]
    assert lacks(asked, proof(), approval("maria")) == []
    assert lacks(asked, approval("maria")) == [f"slipway/staging {NOT_PROVED}"]
    assert lacks(rule(approvers=["joe"], approval=BESIDES), proof()) == [
        "an approval by joe is missing: `slipway approve production DIGEST --key KEY --reason TEXT`"
    ]


def test_an_approval_for_another_stack_counts_for_nothing() -> None:
    asked = rule(approvers=["maria"], approval=BESIDES)
    for other in (STAGING, StackName("other", "production")):
        assert len(lacks(asked, proof(), approval(stack=other))) == 1


def test_an_approval_from_the_future_tells_of_a_wrong_clock() -> None:
    [told] = lacks(rule(approvers=["maria"], approval=BESIDES), proof(), approval(ago=-HOUR))
    assert told.startswith("maria approved it at 2026-11-25T13:00:00Z, which is in the future")


def test_an_approval_may_stand_in_for_proof_and_soak_as_for_a_hotfix() -> None:
    hotfix = rule(approvers=["maria"], approval=INSTEAD, soak=24 * HOUR)
    assert lacks(hotfix, approval()) == []
    assert lacks(hotfix, proof(HOUR), approval()) == []
    assert lacks(hotfix, proof(30 * HOUR)) == []
    assert lacks(hotfix) == [
        f"slipway/staging {NOT_PROVED}",
        "instead of that, an approval by maria is missing: `slipway approve production DIGEST --key KEY --reason TEXT`",
    ]


MOMENTS = st.integers(min_value=-100, max_value=5000).map(lambda minutes: timedelta(minutes=minutes))
PROOFS = st.builds(proof, MOMENTS, st.sampled_from([STAGING, CANARY]), st.sampled_from([DEPLOYED, HELD]))
RULES = st.builds(
    lambda every, hours, held: rule(STAGING, CANARY, every=every, soak=hours * HOUR, held=held),
    st.booleans(),
    st.integers(min_value=0, max_value=48),
    st.booleans(),
)


@given(RULES, st.lists(PROOFS, max_size=6))
def test_the_order_in_which_proofs_are_read_does_not_matter(given_rule: Rule, said: list[Proof]) -> None:
    assert lacks(given_rule, *said) == lacks(given_rule, *reversed(said))


@given(RULES, st.lists(PROOFS, max_size=6), PROOFS)
def test_nobody_can_be_missing_a_proof_because_another_stack_made_one(
    given_rule: Rule, said: list[Proof], extra: Proof
) -> None:
    before = lacks(given_rule, *said)
    stranger = Proof(StackName("other", extra.stack.name), extra.commit, extra.time, extra.kind)
    assert lacks(given_rule, *said, stranger) == before


@given(RULES, st.lists(PROOFS, max_size=6))
def test_any_is_never_stricter_than_all(given_rule: Rule, said: list[Proof]) -> None:
    strict = Rule(given_rule.stacks, True, given_rule.soak, given_rule.held)
    loose = Rule(given_rule.stacks, False, given_rule.soak, given_rule.held)
    if not lacks(strict, *said):
        assert not lacks(loose, *said)


GOOD = {
    "schemaVersion": 1,
    "project": "slipway",
    "stack": "staging",
    "commit": "5" * 40,
    "time": "2026-11-25T11:00:00Z",
    "kind": "deployed",
}


def test_a_predicate_becomes_a_proof() -> None:
    assert Proof.parse(GOOD) == proof()
    assert Approval.parse({**GOOD, "reason": "the fix for the outage"}, "maria") == approval(stack=STAGING)


@pytest.mark.parametrize(
    "change",
    [
        {"schemaVersion": 2},
        {"schemaVersion": None},
        {"kind": "imagined"},
        {"kind": None},
        {"time": "yesterday"},
        {"time": None},
        {"time": 7},
        {"time": "2026-11-25T11:00:00"},
    ],
)
def test_a_predicate_of_another_schema_counts_for_nothing(change: dict[str, Any]) -> None:
    assert readable(Proof.parse, [GOOD | change, GOOD]) == [proof()]


def test_the_first_proof_of_a_stack_comes_first() -> None:
    said = [proof(HOUR), proof(3 * HOUR, stack=CANARY), proof(2 * HOUR)]
    assert proved_by(STAGING, said) == [proof(2 * HOUR), proof(HOUR)]


@pytest.mark.parametrize("text", ["2026-11-25T11:00:00Z", "2026-11-25T12:00:00+01:00", "2026-11-25T11:00:00.000Z"])
def test_a_time_is_read_in_any_zone_and_spelled_in_utc(text: str) -> None:
    assert spelled(moment(text)) == "2026-11-25T11:00:00Z"


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (timedelta(seconds=1), "1 s"),
        (timedelta(milliseconds=3), "1 s"),
        (timedelta(minutes=90), "1 h 30 min"),
        (timedelta(days=2, minutes=3), "2 d 3 min"),
        (timedelta(days=1), "1 d"),
        (timedelta(hours=3, minutes=4, seconds=5), "3 h 4 min"),
    ],
)
def test_a_length_of_time_is_told_in_its_two_largest_units(span: timedelta, text: str) -> None:
    assert duration(span) == text
