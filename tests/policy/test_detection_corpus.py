"""The detector against the labelled corpus: what it finds, and what it wrongly takes for a secret.

Both halves must pass by themselves. The detector was tuned on the development half alone, so the other half tells how
it does on what it has not seen. The figures are printed: `pytest -s tests/policy/test_detection_corpus.py`.
"""

from __future__ import annotations

import pytest

from detection.commands import find_in_command
from detection.finding import Finding
from detection.values import find_in_value
from tests.policy.corpus.entries import HALVES, Entry, Half, half_of, load, stored

LEAST_RECALL = 0.95
MOST_FALSE_ALARMS = 0.01
SHORTEST_CONTAINED = 6


def found_in(entry: Entry) -> Finding | None:
    if entry.kind in ("command", "argument"):
        return find_in_command(entry.value)
    return find_in_value(entry.name, entry.text)


@pytest.mark.parametrize("half", HALVES)
def test_the_detector_finds_secrets_and_hardly_raises_a_false_alarm(half: Half) -> None:
    secrets = [entry for entry in load(half) if entry.label == "secret"]
    harmless = [entry for entry in load(half) if entry.label == "harmless"]
    missed = [entry for entry in secrets if found_in(entry) is None]
    alarms = [entry for entry in harmless if found_in(entry)]
    recall, rate = 1 - len(missed) / len(secrets), len(alarms) / len(harmless)
    print(
        f"\n{half}: {recall:.1%} of {len(secrets)} secrets found, {rate:.2%} of {len(harmless)} harmless ones alarmed"
    )
    report = "\n".join(map(str, (*missed, *alarms)))
    assert recall >= LEAST_RECALL, report
    assert rate <= MOST_FALSE_ALARMS, report


@pytest.mark.parametrize("half", HALVES)
def test_the_halves_are_split_by_a_hash_of_each_entry(half: Half) -> None:
    lines = stored(half)
    assert len(set(lines)) == len(lines)
    assert {half_of(line) for line in lines} == {half}


def test_the_corpus_is_large_enough_to_say_something() -> None:
    labels = [entry.label for half in HALVES for entry in load(half)]
    assert labels.count("secret") >= 600
    assert labels.count("harmless") >= 2000


def test_every_kind_and_family_stands_in_both_halves() -> None:
    first, second = ({(entry.label, entry.kind, entry.family) for entry in load(half)} for half in HALVES)
    assert first == second


def test_an_entry_is_the_same_on_every_machine() -> None:
    assert load("development") == load("development")
    tokens = [entry.text for entry in load("development") if entry.text.startswith("ghp_")]
    assert tokens and all(len(token) == len("ghp_") + 36 for token in tokens)


@pytest.mark.parametrize("half", HALVES)
def test_no_finding_tells_the_secret(half: Half) -> None:
    for entry in load(half):
        if entry.label != "secret" or not (found := found_in(entry)) or not isinstance(entry.value, str):
            continue
        said = f"{found.kind} {found.looks} {found.at}"
        if len(entry.text) >= SHORTEST_CONTAINED:
            assert entry.text not in said
        if found.at and entry.kind not in ("command", "argument"):
            rest = entry.text.replace(found.at, "", 1)
            assert not any(
                word in said for word in rest.split() if len(word) > SHORTEST_CONTAINED and not word.isalpha()
            )
