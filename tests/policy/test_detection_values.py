"""Secrets in settings: by name, by shape, by entropy, and what only looks like one."""

from __future__ import annotations

import base64
import string
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detection.finding import Finding
from detection.values import find_in_value
from toolchain.keys import new_password

RANDOM = "kJ8s9Dk2lPq0Zx7VbN3mQwErTyUi"
HEX = "4f2a9c1d" * 20
UUID = "123e4567-e89b-12d3-a456-426614174000"
TOKENS = [
    ("a New Relic key", HEX[:36] + "NRAL"),
    ("a New Relic key", f"eu01xx{HEX[:30]}NRAL"),
    ("a Sourcegraph token", "sgp_" + HEX[:40]),
    ("a Sourcegraph token", f"sgp_local_{HEX[:40]}"),
    ("a MailerSend key", "mlsn." + HEX[:64]),
    ("a Langfuse key", "sk-lf-" + UUID),
    ("an ElevenLabs key", "sk_" + HEX[:48]),
    ("a Fireworks key", "fw_" + RANDOM[:24]),
    ("a password of Aiven", "AVNS_" + RANDOM[:19]),
    ("a HubSpot token", "pat-na1-" + UUID),
    ("a Flutterwave key", f"FLWSECK_TEST-{HEX[:32]}-X"),
    ("a Braintree token", f"access_token$sandbox${HEX[:16]}${HEX[:32]}"),
    ("a Cloudflare key", f"v1.0-{HEX[:24]}-{HEX[:146]}"),
    ("a Razorpay key", "rzp_live_" + RANDOM[:14]),
    ("a LaunchDarkly token", "api-" + UUID),
    ("a token", "xai-" + RANDOM * 2),
    ("a token", f"pcsk_{RANDOM[:5]}_{RANDOM * 2}"),
    ("a token", "jina_" + RANDOM * 2),
]
SECRETS = [
    ("DB_PASSWORD", "hunter2", Finding("name", "a password")),
    ("dbPassword", "hunter2", Finding("name", "a password")),
    ("db.password.prod", "hunter2", Finding("name", "a password")),
    ("MYSQLPASSWORD", "hunter2", Finding("name", "a password")),
    ("PASSWORD", "1234", Finding("name", "a password")),
    ("PASSPHRASE", "correct horse battery staple", Finding("name", "a passphrase")),
    ("JWT_SECRET_KEY", "dev", Finding("name", "a key")),
    ("APP_TOKEN", "123e4567-e89b-12d3-a456-426614174000", Finding("name", "a token")),
    ("WEATHER_KEY", "0123456789abcdef0123456789abcdef", Finding("name", "a key")),
    ("REDIS_AUTH", "hunter2", Finding("name", "credentials")),
    ("DB_PASSWORD_FILE", "hunter2!", Finding("name", "a password")),
    ("AWS_SECRET_ACCESS_KEY", "/wJalrXUtnFEMI/K7MDENG+bPxRfiCYzEXAMPLEKEY", Finding("name", "a key")),
    ("DB_PASSWORD", "${DB_PASSWORD:-hunter2}", Finding("name", "a password")),
    ("URL", "${URL:-postgres://app:hunter2@db/app}", Finding("shape", "an address with credentials")),
    ("URL", "postgres://app:hunter2@db/app", Finding("shape", "an address with credentials")),
    ("REPO", f"https://{RANDOM}@git.example/app", Finding("shape", "an address with credentials")),
    ("DSN", "Server=db;User Id=sa;Password=hunter2;", Finding("name", "a password", "Password")),
    ("CONFIG", '{"db":{"pass":"hunter2"}}', Finding("name", "a password", "pass")),
    ("CONFIG", "db:\n  user: app\n  password: hunter2\n", Finding("name", "a password", "password")),
    ("JAVA_OPTS", "-Xmx1g -DtrustStorePassword=hunter2", Finding("name", "a password", "trustStorePassword")),
    ("ARGS", "--port 80 --password hunter2", Finding("name", "a password", "--password")),
    ("HEADERS", "Authorization: Bearer hunter2", Finding("shape", "credentials", "header Authorization (Bearer)")),
    ("PLAIN", RANDOM, Finding("entropy", "a random key")),
    ("PLAIN", f"a,b,{RANDOM}", Finding("entropy", "a random key")),
    ("PLAIN", base64.b64encode(b'{"password":"hunter2"}').decode(), Finding("name", "a password", "password")),
    ("AUTH_HEADER", "token 07ec0a320625dd30a55ed9c7d1041cc63edb4941", Finding("shape", "credentials")),
    ("HDR", f"Bearer {RANDOM}{RANDOM}", Finding("shape", "credentials")),
    *(("CI", f"sq{it}_" + "4f2a9c1d" * 5, Finding("shape", "a SonarQube token")) for it in "upa"),
    ("CONN", "oracle:system/Oracle123@//db:1521/XE", Finding("shape", "credentials of Oracle")),
    ("checksum/secret", "hunter2", Finding("name", "a secret")),
    ("checksum/secret", RANDOM, Finding("name", "a secret")),
    ("secret/checksum-token", "4f2a9c1d" * 8, Finding("name", "a token")),
    ("PLAIN", f"/nix/store/8v0k519lm3wjr4nqz7xd2c6ybfh1pgsa-a/{RANDOM}", Finding("entropy", "a random key")),
    ("PLAIN", f"web-{RANDOM}-xw4fr", Finding("entropy", "a random key")),
    *(("PASSWORD", it, Finding("name", "a password")) for it in ("/k2Qx9ZrT", "/Zr8/kT2vQxW9+bLm4A==", "/tide#4salt")),
    *(("PASSWORD", it, Finding("name", "a password")) for it in ("S4lt&$TIDE", "p1er-$A%quay", "$T9ide,k")),
    *(("PLAIN", it, Finding("shape", looks)) for looks, it in TOKENS),
    *(
        ("PLAIN", base64.b64encode(it.encode()).decode(), Finding("entropy", "a random key"))
        for it in ("Zr8kT2vQxW9bLm4AhYcD:pN5sJ7wE3uG6fK1oR0iB", f'{{"k":"{RANDOM}","n":"harbour"}}')
    ),
    ("MAIL", "smtps://tide@harbour.example:hunter2@mail.example:465", Finding("shape", "an address with credentials")),
    ("MQ", "amqp://a@q1:5672,a:tide42@q2:5672", Finding("shape", "an address with credentials")),
    ("MQ", "amqp://a:tide42@q1:5672,a@q2:5672", Finding("shape", "an address with credentials")),
    ("FLAGS_KEY", "api-" + UUID, Finding("name", "a key")),
    ("HEADERS", "Authorization: api-" + UUID, Finding("name", "credentials", "Authorization")),
    ("MAIL_CREDENTIALS", "user=app,password=tide42", Finding("name", "credentials")),
    ("MAIL", "to smtp://me@harbour.example:hunter2@mail", Finding("shape", "an address with credentials")),
    ("DEPLOY_HOOK", f"https://ci.example/start/{RANDOM}", Finding("entropy", "an address that is a key itself")),
    ("NOTIFY", f"https://chat.example/hooks/{'4f2a9c1d' * 4}", Finding("entropy", "an address that is a key itself")),
    ("REPORTS", f"https://a.example/api/f?code={RANDOM * 2}==", Finding("shape", "a key of Azure Functions")),
]  # fmt: skip
WORDS = ["tide", "harbour", "pier", "quay", "boat", "storm", "lantern", "gull", "salt", "rope", "wave", "fog"]
HARMLESS = [
    *(("DB_PASSWORD", it) for it in ("", " ", '""', "none", "true", "<your password>", "********", "REDACTED")),
    *(("DB_PASSWORD", it) for it in ("${DB_PASSWORD}", "$DB_PASSWORD", "$(cat /run/secrets/db)", "{{ password }}")),
    *(("DB_PASSWORD", it) for it in ("vault://kv/db", "arn:aws:secretsmanager:eu-west-1:1:secret:db", "op://a/b/c")),
    *(("DB_PASSWORD", it) for it in ("/run/secrets/db", "file:///run/secrets/db", "https://vault.example/db")),
    *(("DB_PASSWORD_FILE", it) for it in ("/run/secrets/db", "secrets/db.txt", "./db", "~/db", r"C:\secrets\db")),
    *((name, "12") for name in ("PASSWORD_MIN_LENGTH", "MAX_TOKENS", "TOKEN_TTL", "SECRET_ROTATION_DAYS")),
    *((name, "name") for name in ("SECRET_NAME", "AUTH_METHOD", "EXISTING_SECRET", "TOKEN_HEADER", "PASSWORD_MODE")),
    *((name, "us") for name in ("KEYBOARD_LAYOUT", "COMPASS", "AUTHOR", "MONKEY", "BYPASS", "PASSENGER_MODE")),
    ("GIT_COMMIT", "4f2a9c1d8b7e6f5a4b3c2d1e0f9a8b7c6d5e4f3a"),
    ("DATA", "4f2a9c1d8b7e6f5a4b3c2d1e0f9a8b7c6d5e4f3a"),
    ("IMAGE", "registry.example:5000/app:1.2@sha256:" + "1f" * 32),
    ("REQUEST", "123e4567-e89b-12d3-a456-426614174000"),
    ("CLASS", "org.springframework.security.authentication.dao.DaoAuthenticationProvider"),
    ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    ("LOCALE", "en_US.UTF-8"),
    ("NOTE", "Never share your password or API token with anyone"),
    ("GREETING", base64.b64encode(b"Welcome to the harbour").decode()),
    ("PUBLIC_KEY", RANDOM),
    ("CLIENT_ID", RANDOM),
    ("PUB", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIpmYE97afMUlamuKHcpzY2l18oxO890zxlncRh+FTzZ0 me"),
    ("CERT", f"-----BEGIN CERTIFICATE-----\n{RANDOM}\n-----END CERTIFICATE-----"),
    ("URL", "postgres://app:${DB_PASSWORD}@db/app"),
    ("DSN", "Server=db;Integrated Security=true;"),
    ("DSN", "https://0123456789abcdef0123456789abcdef@errors.example/7"),
    ("GITHUB", "ghp_" + "x" * 36),
    *((f"checksum/{it}", "4f2a9c1d" * 8) for it in ("secret", "secrets", "auth", "passwords", "api-key")),
    *((name, "4f2a9c1d" * 8) for name in ("checksum/db-password", "checksum/token", "checksum.secret")),
    ("AUTH_HEADER", "token"),
    ("NOTE", "token organizations-of-the-harbour-and-the-pier"),
    ("IMAGE", "oracle:23/free@sha256:" + "1f" * 32),
    ("JAVA_HOME", "/nix/store/8v0k519lm3wjr4nqz7xd2c6ybfh1pgsa-openjdk-21.0.4"),
    ("PATH", ":".join(f"/nix/store/{it}v0k519lm3wjr4nqz7xd2c6ybfh1pgsa-a-1.2/bin" for it in "49d")),
    ("LEADER", "web-mnsrsnd82t-xw4fr"),
    ("LEADER", "checkout-worker-7d9f8c6b5d-x2kqz"),
    ("TWILIO_ACCOUNT_SID", "ACff5d25ced4482050373d68e11da4900f"),
    ("SPKI_PIN", "sha256/tAnAqvZqadOnxd+cQbmmYRlkw5x3vtLE2W1C/d2Snx0="),
    ("DD_CLIENT", "pub811f568ec52a8e627ef2ebd2cf9b980f"),
    ("MAPBOX", "pk.eyJ1IjoiaGFyYm91ciIsImEiOiJjbHg0azJ3In0.q8ZrT2vXw9KpLm3NsB5yGd"),
    ("ULID", "01ARZ3NDEKTSV4RRFFQ69G5FAV"),
    *(("DB_PASSWORD", it) for it in ("/Users/Shared/db", "/Secrets", "/data/dbPassword", "$DB_HOST/password1")),
    *(("DB_PASSWORD", it) for it in ("$TIER-password", "db-$TIER", "[secret]", "%{env:DB_PASSWORD}", "%(password)s")),
    ("DEPLOYMENT", f"orders-api-{UUID}"),
    ("URL", "postgres://app:%s@db/app"),
    ("URL", "ssh://git@harbour.example:22/app.git and ops@harbour.example"),
    ("PRE_COMMIT_HOOK", "https://git.example/raw/4f2a9c1d8b7e6f5a4b3c2d1e0f9a8b7c6d5e4f3a/check.sh"),
    ("WEBHOOK_URL", "https://ci.example/hooks/harbour-and-pier/123e4567-e89b-12d3-a456-426614174000"),
    ("TOKEN_URL", f"https://login.example/oauth2/aus4k2n9x1b7t3q8w5d6/v1/token?state={RANDOM}"),
    ("SETTINGS", base64.b64encode(b'{"listen":"0.0.0.0:8080","log":"/var/log/harbour.log"}').decode()),
    ("MQ", "amqp://a@q1:5672,a@q2:5672,a@q3:5672/quay"),
    ("SERVICE", "xai-harbour-explainer-staging-eu-central-2"),
    ("MODEL", "jina_reranker_v2_multilingual_onnx_quantized"),
    *((name, "api-" + UUID) for name in ("STAGE", "GATEWAY_STAGE_NAME", "DEPLOYMENT", "API_ID")),
    ("MAIL_CREDENTIALS", "user=app,password=$MAIL_PASSWORD"),
    ("SUPABASE", f"sb_publishable_{RANDOM}"),
    ("ONION", "jyyoorv5r3fndk6sqzoopaj5ninyjqv6fgcxqhqnsz3ucovbl2sf4rxc.onion"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "expected"), SECRETS)
def test_a_secret_is_found_and_said_how(name: str, value: str, expected: Finding) -> None:
    assert find_in_value(name, value) == expected


@pytest.mark.parametrize(("name", "value"), HARMLESS)
def test_what_only_looks_like_a_secret_is_left_alone(name: str, value: str) -> None:
    assert find_in_value(name, value) is None


@given(st.text(string.ascii_letters + string.digits, min_size=32, max_size=64))
def test_what_a_machine_drew_is_found_under_a_plain_name(value: str) -> None:
    drawn = len(set(value)) > 20 and any(it.isdigit() for it in value) and value.upper() != value != value.lower()
    if drawn and sum(a.isdigit() != b.isdigit() for a, b in pairwise(value)) > len(value) / 4:
        assert find_in_value("PLAIN", value)


@given(st.lists(st.sampled_from(WORDS), max_size=12))
def test_words_are_no_secret_however_they_are_joined(words: list[str]) -> None:
    for joint in (" ", "-", "_", ".", "/", ","):
        assert find_in_value("PLAIN", joint.join(words)) is None
    assert find_in_value("PLAIN", "".join(map(str.capitalize, words))) is None


@given(st.text(), st.text())
def test_any_text_is_judged_without_an_error_and_always_alike(name: str, value: str) -> None:
    assert find_in_value(name, value) == find_in_value(name, value)


@given(st.text("=:'\"${}()<>%#@/\\ \n\0aA1-_.", max_size=300))
def test_any_punctuation_is_judged_without_an_error(value: str) -> None:
    find_in_value("DB_PASSWORD", value)
    find_in_value("PLAIN", value)


@given(st.text(string.ascii_letters + string.digits, min_size=12, max_size=60))
def test_a_finding_never_has_the_value(value: str) -> None:
    for text in (value, f"password={value}", f"postgres://a:{value}@b/c", f"Authorization: Bearer {value}"):
        found = find_in_value("DB_PASSWORD", text)
        assert found and value not in f"{found.kind} {found.looks} {found.at}"


@given(st.sampled_from(["PASSWORD", "API_TOKEN", "CLIENT_SECRET", "ENCRYPTION_KEY"]), st.data())
def test_a_path_is_no_secret_and_where_a_path_belongs_a_word_is_one(name: str, data: st.DataObject) -> None:
    parts = data.draw(st.lists(st.sampled_from(["run", "secrets", "etc", "app", "db-password", "v1"]), min_size=1))
    assert find_in_value(name, "/" + "/".join(parts)) is None
    assert find_in_value(f"{name}_FILE", "/" + "/".join(parts)) is None
    assert find_in_value(f"{name}_FILE", "hunter2!")


def test_a_password_that_the_toolchain_makes_is_found_wherever_it_stands() -> None:
    found = [find_in_value("PLAIN", new_password()) for _ in range(200)]
    # By chance one in some two thousand looks like a name.
    assert sum(it == Finding("entropy", "a random key") for it in found) > 195
