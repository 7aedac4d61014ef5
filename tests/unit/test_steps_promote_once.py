"""What the answer of a promotion is known by: another service, key or content of a key makes another question."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from steps import promote
from tests.registries import PRODUCTION, STAGING

KEYS = ("staging.pub", "production.pub", "maria.pub", "upstream.pub")
UPSTREAM = {"project": "slipway", "stack": "staging", "key": "upstream.pub", "problem": "never deployed"}
ARGUMENTS = {
    "--service": "web",
    "--project": "slipway",
    "--stack": "production",
    "--repository": str(PRODUCTION),
    "--upstreams": json.dumps([UPSTREAM]),
    "--public-key": "staging.pub",
    "--own-key": "production.pub",
    "--approvers": '{"maria": "maria.pub"}',
    "--fail-on": "HIGH,CRITICAL",
    "--reports": "reports",
    "--cache": "cache",
    "--database": "db.example/trivy-db:2",
}


class Asked:
    """Takes the place of `once_a_run`: it notes what it is asked, and asks nobody."""

    def __init__(self) -> None:
        self.question: Mapping[str, Any] = {}
        self.is_good: Callable[[Mapping[str, Any]], bool] = lambda _: False

    def __call__(
        self,
        question: Mapping[str, Any],
        ask: Callable[[], dict[str, Any]],
        is_good: Callable[[Mapping[str, Any]], bool],
    ) -> dict[str, Any]:
        self.question, self.is_good = question, is_good
        return {}


@pytest.fixture(name="asked")
def keys_and_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Asked:
    """A folder with every key, and what is asked."""
    monkeypatch.chdir(tmp_path)
    for key in KEYS:
        Path(key).write_text(f"key of {key}")
    asked = Asked()
    monkeypatch.setattr(promote, "once_a_run", asked)
    return asked


def question(asked: Asked, monkeypatch: pytest.MonkeyPatch, **changes: str) -> str:
    """What is asked with these arguments changed."""
    arguments = ARGUMENTS | {f"--{name.replace('_', '-')}": value for name, value in changes.items()}
    monkeypatch.setattr(sys, "argv", ["promote", *(part for pair in arguments.items() for part in pair)])
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    promote.main()
    return json.dumps(asked.question, sort_keys=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("service", "other"),
        ("stack", "qa"),
        ("repository", str(STAGING)),
        ("upstreams", json.dumps([UPSTREAM | {"stack": "qa"}])),
        ("public_key", "maria.pub"),
        ("fail_on", "CRITICAL"),
        ("version", "1.4.0"),
        ("soak", "24"),
    ],
)
def test_another_argument_makes_another_question(
    asked: Asked, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    assert question(asked, monkeypatch) == question(asked, monkeypatch)
    assert question(asked, monkeypatch, **{name: value}) != question(asked, monkeypatch)


@pytest.mark.parametrize("key", KEYS)
def test_another_key_under_the_same_name_makes_another_question(
    asked: Asked, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    before = question(asked, monkeypatch)
    Path(key).write_text("another key")
    assert question(asked, monkeypatch) != before


def test_a_problem_is_not_kept(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    question(asked, monkeypatch)
    assert asked.is_good({"problem": ""})
    assert not asked.is_good({"problem": "it is not signed"})
