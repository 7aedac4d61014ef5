"""What counts as a secret by its look, what a message shows of it, and how long it takes to tell."""

import time

import pytest

from components.secret import holds_credential, holds_secret, redacted

LONG = 100_000
PARTS = (
    "a",
    "a.",
    "a:",
    "a:a",
    "a-",
    "://",
    "a://",
    "a://a:",
    "eyJ-",
    "eyJabcdefgh.",
    "@",
    " ",
    "?",
    "?a",
    "?a=",
    "https://a",
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://robot:tide-and-salt@registry.example/v2/", "https://…@registry.example/v2/"),
        ("robot:tide-and-salt@registry.example", "…@registry.example"),
        ("'robot:tide:and:salt@registry.example'", "'…@registry.example'"),
        ("a page at registry.example:5000/web", "a page at registry.example:5000/web"),
        ("?token=tide-and-salt&page=2", "…&page=2"),
        ("mail to salt@example.com", "mail to salt@example.com"),
    ],
)
def test_a_message_shows_no_credential(text: str, shown: str) -> None:
    assert redacted(text) == shown


@pytest.mark.parametrize("part", PARTS)
def test_a_long_text_is_read_in_a_moment(part: str) -> None:
    text = part * (LONG // len(part))
    start = time.perf_counter()
    holds_secret(text)
    holds_credential(text)
    redacted(text)
    assert time.perf_counter() - start < 2
