"""What the detector costs: little for what is common, and time in proportion for a megabyte of anything."""

from __future__ import annotations

import string
import time
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detection.commands import find_in_command
from detection.finding import Finding
from detection.values import find_in_value
from judging.rule import Rule, Subject
from rules import secrets
from tests.policy.compliant import CONTAINER, container
from tests.policy.corpus.entries import load

MEGABYTE = 1_000_000
SMALL = 5_000
MOST_SECONDS = 20.0
"""Of the processor's time for a megabyte that was made to be slow; a quarter of that on an idle machine."""
GROWTH = 4.0
"""How much longer than ten times as long ten times as much may take: clocks and caches are no ruler."""
COMMON_SECONDS = 0.0005
RULE_SECONDS = 0.002
OFTEN = 20
SLOW = [
    *("a", "aA1", "A1 ", "aB3$ ", "aB3$%x9Z", "YWJj", " ", "\n", "a\n", "a b ", "word=", "a=b&", "a;", "a: b\n"),
    *("'", '"', "\\", '\\"a\\":', "`", "$(", "${", "${a:-", "${a:-b}", "{{", "((", "<%", "#{", "%%", "$$A", "$2y$"),
    *("://", "a://", "a://b:", "a://b:c@", "@", ":", "x@tcp(", "x:11:y:z:", "//a:_auth", "jdbc:oracle:a:b/"),
    *("eyJ", "eyJ-", "eyJ.", "ghp_", "sk_live_", "AKIA", "xoxb-", "SG.aaaaaaaaaaaaaaaaaaa", "8Q~", "hf_", "oy2", "s."),
    *("-----BEGIN ", "-----BEGIN PRIVATE ", "-----BEGIN CERTIFICATE-----", "-----BEGIN PUBLIC KEY-----"),
    *("password=", "password: ", '"password":"', 'password="', "password a ", "login a ", "IDENTIFIED BY "),
    *("--password ", "--a=b ", "-a ", "-p ", "/p:", "authorization: bearer a ", "basic aaaaaaaa "),
    *("<<<", ">a ", "|", "&&", "docker exec ", "docker run -a ", "kubectl exec -- ", "curl -s ", "sqlplus a/b@"),
    *("https://a/", "https://hook/a?", "://a@b:", "%a{", "<a>", "<a>b</", "name: a\n", "name: a value", "value: "),
    *("password=a([", "password=a[(x)", "a=b;password=a.b", "a b;a=$a", "x,a@b:1,", "a://b@c:1,", "--a=b=c,"),
    *("env -a ", "a=b; "),
    *("a: |\n ", "a: |\n", "define('a',", "password=a(", "password=a.b", ";password=a", "a=$A", "/aA1", "/#a1"),
]  # fmt: skip
Search = Callable[[str], Finding | None]
SEARCHES: dict[str, Search] = {
    "value": lambda text: find_in_value("PLAIN", text),
    "value of a place": lambda text: find_in_value("DB_PASSWORD_FILE", text),
    "command": find_in_command,
    "words": lambda text: find_in_command(["app", text]),
}


def seconds(search: Search, text: str) -> float:
    began = time.process_time()
    search(text)
    return time.process_time() - began


def repeated(unit: str, length: int) -> str:
    return (unit * (length // len(unit) + 1))[:length]


@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)
def test_a_text_that_is_ten_times_as_long_takes_about_ten_times_as_long(search: Search) -> None:
    for unit in SLOW:
        small, large = (seconds(search, repeated(unit, length)) for length in (SMALL, 10 * SMALL))
        assert large <= 10 * GROWTH * max(small, 0.005), unit


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(list(SEARCHES)), st.text(string.printable, min_size=1, max_size=12))
def test_no_unit_however_often_repeated_holds_up_a_preview(kind: str, unit: str) -> None:
    text = repeated(unit, 10 * SMALL)
    assert seconds(SEARCHES[kind], text) <= MOST_SECONDS * len(text) / MEGABYTE


@pytest.mark.parametrize(
    "text",
    [
        repeated("-a ", MEGABYTE),
        repeated('"password":"${', MEGABYTE),
        repeated("Every harbour tells a story, and this one is long. ", MEGABYTE),
        repeated('{"name": "value", "list": [1, 2, 3]},\n', MEGABYTE),
        repeated("aB3dE5gH7jK9+/", MEGABYTE),
    ],
    ids=lambda it: it[:14],
)
def test_a_megabyte_is_judged_within_seconds(text: str) -> None:
    for kind, search in SEARCHES.items():
        assert seconds(search, text) <= MOST_SECONDS, kind


def test_a_secret_at_the_end_of_a_megabyte_is_found() -> None:
    text = repeated("Every harbour tells a story. ", MEGABYTE)
    assert find_in_value("PLAIN", f"{text}\npassword=hunter2")
    assert find_in_command(f"echo '{text}'; app --password hunter2")


def test_a_setting_of_the_corpus_takes_half_a_millisecond_at_most() -> None:
    entries = [entry for entry in load("development") if entry.kind not in ("command", "argument")]
    began = time.process_time()
    for entry in entries:
        find_in_value(entry.name, entry.text)
    assert (time.process_time() - began) / len(entries) <= COMMON_SECONDS


@pytest.mark.parametrize("rule", secrets.RULES, ids=lambda it: it.name)
def test_a_rule_takes_at_most_two_milliseconds_for_a_resource(rule: Rule) -> None:
    properties = container(
        envs=[*(f"NAME{number}=value" for number in range(50)), "DATABASE_URL=postgres://db:5432/app"],
        command=["app", "--config", "/etc/app.yaml"],
        labels=[{"label": f"example.com/{number}", "value": "1.2.3"} for number in range(20)],
    )
    subject = Subject(CONTAINER, "web", f"urn:pulumi:dev::shop::{CONTAINER}::web", properties, {"ignore": []})
    list(rule.check(subject))
    began = time.process_time()
    for _ in range(OFTEN):
        assert not list(rule.check(subject))
    assert (time.process_time() - began) / OFTEN <= RULE_SECONDS
