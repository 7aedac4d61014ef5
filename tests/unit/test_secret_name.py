"""What is a secret by its name, and what is only about one: no ordinary variable is refused without a way out."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.secret import looks_secret

NOUNS = ["PASSWORD", "PASSWD", "PASSPHRASE", "PASS", "SECRET", "TOKEN", "API_KEY", "ACCESS_KEY", "PRIVATE_KEY"]
NOUNS += ["CREDENTIALS", "PWD", "PW", "PAT", "JWT_KEY"]
PREFIXES = ["", "DB_", "SMTP-", "MY_APP_"]
SUFFIXES = ["", "1", "2", "_PROD", "_2", "_V2", "_OLD", "_VALUE", "-staging"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAX_TOKENS", "4096"),
        ("MAX_OUTPUT_TOKENS", "128000"),
        ("TOKEN_TTL", "3600"),
        ("TOKEN_TTL", "2592000"),
        ("TOKEN_TTL", "1h30m"),
        ("AUTH_TIMEOUT", "10 s"),
        ("AUTH_PORT", "8080"),
        ("AUTH_RATE", "0.5"),
        ("PASSWORD_MIN_LENGTH", "12"),
        ("BYPASS_CACHE", "1"),
        ("CACHE_BYPASS", "static"),
        ("COMPASS", "x"),
        ("COMPASS_HEADING", "north"),
        ("OVERPASS_SERVER", "maps"),
        ("NOAUTH", "reader"),
        ("AUTH_MODE", "oidc"),
        ("AUTH_METHODS", "oidc,LDAP"),
        ("AUTH", "none"),
        ("POSTGRES_HOST_AUTH_METHOD", "scram-sha-256"),
        ("TOKEN_TYPE", "Bearer"),
        ("DISABLE_AUTH", "false"),
        ("USE_TOKEN", "yes"),
        ("DB_PASSWORD", ""),
        ("AUTH_URL", "https://login.driftwood.example/authorize"),
        ("OAUTH_ISSUER", "https://login.example/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0"),
        ("AUTH_LDAP_SERVER", "ldaps://directory.example:636"),
        ("LED_PIN", "17"),
        ("DB_PASSWORD_FILE", "/run/secrets/db_password"),
        ("BOARD_PIN", "17"),
    ],
)
def test_what_is_only_about_a_secret_is_none(name: str, value: str) -> None:
    assert not looks_secret(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DB_PASSWORD", "1234"),
        ("DB_PASSWORD_PROD", "1234"),
        ("DB_PASSWORD_REDIS", "1234"),
        ("PIN", "1234"),
        ("HSM_PIN", "004711"),
        ("API_TOKENS", "4096"),
        ("MAX_TOKENS", "abcdef"),
        ("SECRET_KEY", "1234"),
        ("TOKEN_TTL", "hunter2"),
        ("TOKEN_TTL", "123456789012"),
        ("PASSWORD_MIN_LENGTH", "hunter2"),
        ("AUTH", "hunter2"),
        ("REDIS_AUTH", "password"),
        ("AUTH_MODE", "hunter2"),
        ("AUTH_MODE", "oidc,hunter2"),
        ("AUTH_TOKEN", "oidc"),
        ("DB_PASSWORD", "basic"),
        ("DB_PASSWORD", "https://driftwood.example"),
        ("AUTH_URL", "https://ci:hunter2@login.example"),
        ("AUTH_URL", "https://hunter2@login.example"),
        ("AUTH_URL", "https://login.example/?key=hunter2"),
        ("TOKEN_URL", "https://hooks.example/services/" + "a1B2" * 6),
        ("BYPASS_TOKEN", "hunter2"),
        ("COMPASS_PASSWORD", "hunter2"),
        ("PGPASS", "hunter2"),
        ("DBPASS", "hunter2"),
        ("DERBYPASS", "hunter2"),
        ("OAUTH", "hunter2"),
        ("USER_AUTH", "hunter2"),
        ("SECRET_PW", "hunter2"),
        ("DB_PASSWORD_FILE", "hunter2"),
        ("PKCS11_TOKEN_PIN", "s3cr3t-pin"),
        ("PASSWORD_PIN", "hunter2"),
        ("MY_JSONWEBTOKEN", "abc"),
        ("DYNOAUTH", "s3cret"),
    ],
)
def test_what_can_be_a_secret_stays_one(name: str, value: str) -> None:
    assert looks_secret(name, value)


@given(
    st.sampled_from(PREFIXES),
    st.sampled_from(NOUNS),
    st.sampled_from(SUFFIXES),
    st.one_of(st.text(string.digits, min_size=2, max_size=12), st.text(string.ascii_letters + "!-#", min_size=9)),
    st.booleans(),
)
def test_a_name_that_ends_in_the_secrets_own_word_has_one_in_any_value(
    prefix: str, noun: str, suffix: str, value: str, lower: bool
) -> None:
    name = f"{prefix}{noun}{suffix}"
    assert looks_secret(name.lower() if lower else name, value)


@given(
    st.sampled_from(PREFIXES),
    st.sampled_from(["TOKEN", "AUTH", "SECRET", "PASSWORD", "API_KEY"]),
    st.sampled_from(["TTL", "MAX_LENGTH", "TIMEOUT", "ROTATION_DAYS", "RETRIES"]),
    st.one_of(
        st.integers(0, 9999).map(str),
        st.builds("{}{}".format, st.integers(1, 9999), st.sampled_from(["s", "ms", "m", "h", "d"])),
        st.sampled_from(["true", "False", "YES", "no", "on", "off", "0", "1"]),
    ),
)
def test_a_measure_of_a_secret_is_none(prefix: str, noun: str, measure: str, value: str) -> None:
    assert not looks_secret(f"{prefix}{noun}_{measure}", value)
