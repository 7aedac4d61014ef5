"""What counts as a secret by its look, what a message shows of it, and how long it takes to tell."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.secret import command_shows_credential, holds_credential, holds_secret, looks_secret, redacted
from components.secret_tokens import TOKEN

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
    "a://a@a:",
    "a://a:${",
    "-Da.",
    "password=${",
    "-----BEGIN A",
    "glpat-",
    "hvs.",
    "SG.aaaaaaaaaaaaaaaaaaa",
    "dt0a00.",
    "secret_",
    "1//0",
    "--password ",
    "curl -u ",
    "mysql -p ",
    "'a b' ",
    '"',
    "$(",
    "`",
    "a | ",
    "X-Token: ",
    "-H X-Token:",
    "http://",
    "http://a/",
    "a=b(",
    "a(b=c,",
    "import a,",
    "a=a.b",
    "${a}",
    "/a",
    "sm:/",
    "a1",
    "::",
    "1.1.1.1,",
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
        ("pushed with npm_" + "a1B2" * 9, "pushed with …"),
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
    command_shows_credential(["CMD-SHELL", text])
    assert time.perf_counter() - start < 2


@pytest.mark.parametrize("name", ["TOKEN_URL", "DB_PASSWORD", "DB_PASSWORD_FILE", "SECRET_TEXT", "AUTH_MODE", "AUTH_X"])
@pytest.mark.parametrize("part", PARTS)
def test_a_long_value_under_a_secrets_name_is_read_in_a_moment(part: str, name: str) -> None:
    text = part * (LONG // len(part))
    start = time.perf_counter()
    looks_secret(name, text)
    assert time.perf_counter() - start < 1


HEX = "4f2a9c1d" * 20
WORD = "kJ8s9Dk2lPq0Zx7VbN3mQwErTyUi" * 3


@pytest.mark.parametrize(
    "token",
    [
        "AIza" + WORD[:35],
        "GOCSPX-" + WORD[:28],
        "hvs." + WORD[:30],
        "npm_" + WORD[:36],
        "glsa_" + WORD[:41],
        "dop_v1_" + HEX[:64],
        f"SG.{WORD[:22]}.{WORD[:43]}",
        f"https://hooks.slack.com/services/T0000000/B0000000/{WORD[:24]}",
        "sk-lf-123e4567-e89b-12d3-a456-426614174000",
        f"DefaultEndpointsProtocol=https;AccountKey={WORD[:64]}==",
        "-----BEGIN PGP PRIVATE KEY BLOCK-----",
    ],
)
def test_a_vendors_token_is_known_by_its_look(token: str) -> None:
    assert holds_secret(token)
    assert holds_secret(f"go to {token} now")


@pytest.mark.parametrize(
    "text",
    ["npm_config_cache", "pat-eu1-harbour", "key-value-store", "sk-learn", "glsa_short", "api-gateway", "s.tide"],
)
def test_a_prefix_alone_is_no_token(text: str) -> None:
    assert not holds_secret(text)


UUID = "123e4567-e89b-12d3-a456-426614174000"


@pytest.mark.parametrize("token", [f"key-{HEX[:32]}", f"sdk-{UUID}", f"mob-{UUID}", f"api-{UUID}"])
def test_a_short_prefix_is_a_vendors_only_where_a_word_begins(token: str) -> None:
    assert holds_secret(token)
    assert holds_secret(f"value={token}")
    for before in ("cache-", "sort_", "https://cdn.example/", "/srv/", "web."):
        assert not holds_secret(f"{before}{token}")


@given(
    st.text("0123456789abcdef", min_size=1, max_size=64).map(lambda it: f"{it}-dirty")
    | st.text("0123456789abcdef", max_size=64)
    | st.text("0123456789.:TZ+-", max_size=64)
)
def test_a_commit_a_time_and_a_version_are_no_tokens_of_a_vendor(text: str) -> None:
    assert not TOKEN.search(text)


@given(st.from_regex(TOKEN))
def test_every_token_of_a_vendor_is_looked_for(text: str) -> None:
    assert holds_secret(text) >= bool(TOKEN.search(text))
