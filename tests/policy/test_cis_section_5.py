"""Section 5 of the CIS Docker Benchmark 1.6, control by control: what keeps it passes, what breaks it is reported."""

from __future__ import annotations

from typing import Any

import pytest

from judging.rule import Rule
from rules import artifact, commands
from tests.policy.answers import answer
from tests.policy.cis_section_5 import CONTROLS, Changes, Control
from tests.policy.compliant import COMMAND
from tests.policy.hardening import RULES, resource

BY_NAME: dict[str, Rule] = {rule.name: rule for rule in (*RULES, *artifact.RULES, *commands.RULES)}
CASES = [(control, *case) for control in CONTROLS for case in control.cases]


def named(value: Any) -> str:
    return value.number if isinstance(value, Control) else str(value)


def test_every_control_of_the_section_has_a_verdict() -> None:
    assert [control.number for control in CONTROLS] == [f"5.{number}" for number in range(1, 33)]
    assert [control.number for control in CONTROLS if not (control.rules or control.verdict)] == []


def _both_ways(control: Control) -> bool:
    return {breaks for _, _, breaks in control.cases} == {True, False}


def test_every_control_with_a_rule_has_cases_both_ways() -> None:
    assert [it.number for it in CONTROLS if it.rules and not _both_ways(it)] == []


@pytest.mark.parametrize("control", [it for it in CONTROLS if it.rules and it.number not in ("5.28",)], ids=named)
def test_the_rules_of_a_control_cite_it(control: Control) -> None:
    sources = [str(BY_NAME[name].source) for name in control.rules]
    assert any(source.endswith(control.number) for source in sources), sources


@pytest.mark.parametrize(("control", "kind", "changes", "breaks"), CASES, ids=named)
def test_what_breaks_a_control_is_reported_and_what_keeps_it_is_not(
    control: Control, kind: str, changes: Changes, breaks: bool
) -> None:
    found = [
        answer(BY_NAME[name], kind, changes if kind == COMMAND else resource(kind, changes)) for name in control.rules
    ]
    reported = [text for it in found for text in (*it.violations, *it.advice)]
    assert bool(reported) is breaks, reported
