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
        # a word after the noun says what stands there
        ("CSRF_TOKEN_HEADER", "X-Csrf-Token"),
        ("SESSION_TOKEN_NAME", "harbour"),
        ("LOGIN_AUTH_DOMAIN", "login.driftwood.example"),
        ("PASSWORD_COMPLEXITY", "high"),
        ("OAUTH_SCOPE", "read:tides write:tides"),
        ("JWT_TOKEN_AUDIENCE", "web,api"),
        ("SECRETS_STORE", "vault"),
        ("PASSWORD_HASHER", "argon2id"),
        ("SECRET_PROVIDER", "gcp-secret-manager"),
        ("PASSWORD_COMMAND", "pass show harbour"),
        ("REFRESH_TOKEN_LIFETIME", "P30D"),
        ("TOKENS_PER_HOUR", "1200000"),
        ("LOG_LEVEL_AUTH", "debug"),
        # it identifies something else
        ("OAUTH2_CLIENT_ID", "kJ8s9Dk2lPq0Zx7VbN3mQwErTyUi"),
        ("AUTH_TENANT_ID", "123e4567-e89b-12d3-a456-426614174000"),
        ("JWT_KEY_ID", "2024-tide"),
        # paths
        ("APPLICATION_CREDENTIALS", "/etc/harbour/key.json"),
        ("DB_PASSWORD", "/run/secrets/db_password"),
        ("AUTH_SOCK", "/run/agent.sock"),
        ("TOKEN_CA_BUNDLE", "/etc/ssl/ca.pem"),
        ("PWD", "/srv"),
        ("OLDPWD", "/"),
        ("SSH_ASKPASS", "/usr/bin/askpass"),
        # names of what is kept elsewhere
        ("EXISTING_SECRET", "harbour-login"),
        ("EXISTING_SMTP_SECRET", "harbour-login"),
        ("IMAGE_PULL_SECRETS", "harbour,quay-west"),
        ("REGISTRY_PULL_SECRET", "regcred"),
        ("DB_SECRET_NAME", "harbour-db"),
        ("VAULT_SECRETS_PATH", "kv/data/harbour"),
        ("EXISTING_SECRET_PASSWORD_KEY", "login-password"),
        *(
            ("DB_PASSWORD", it)
            for it in ("${DB_PASSWORD}", "$DB_PASSWORD", "$$DB_PASSWORD", "$(DB_PASSWORD)", "{{ password }}")
        ),
        *(("DB_PASSWORD", it) for it in ("<password>", "********", "[secret]", "%{env:DB_PASSWORD}", "op://a/b/c")),
        *(("API_TOKEN", it) for it in ("arn:aws:ssm:eu-west-1:1:parameter/a", "vault:kv/a#b", "projects/a/secrets/b")),
        *(("DATABASE_URL", f"postgres://app:{it}@db/app") for it in ("${PW}", "$(PW)", "$PW", "{{pw}}", "<pw>", "%s")),
        # the public half, a server of nginx, a way in
        ("SSH_KEY", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIpmYE97afMUlamuKHcpzY2l18oxO890zxlncRh me@host"),
        ("JWT_KEY", "-----BEGIN PUBLIC KEY-----\nMFkwEwYH\n-----END PUBLIC KEY-----"),
        ("PROXY_PASS", "http://web:8080"),
        ("SMTP_AUTH", "CRAM_MD5"),
        # who or what, beside a way in
        ("DB_AUTH_USER", "harbour"),
        ("AUTH_DATABASE", "admin"),
        ("AUTH_SERVICE", "auth-svc"),
        ("AUTH_USER_MODEL", "accounts.User"),
        # what keeps a secret, how often it changes
        ("SECRETS_MANAGER", "gcp"),
        ("PASSWORD_STORE", "keyring"),
        ("SECRET_ENGINE", "kv-v2"),
        ("PASSWORD_HASHERS", "django.contrib.auth.hashers.BCryptPasswordHasher"),
        ("API_KEY_ROTATION", "weekly"),
        ("AWS_SECRET_ID", "prod/harbour/db"),
        ("DB_PASSWORD_FILE", "./secrets/db.txt"),
        ("DB_PASSWORD_FILE", "~/db.pw"),
        ("initialClusterToken", "harbour-1"),
        ("BOS_TOKEN", "<s>"),
        ("adminPasswordKey", "password"),
        *(("BASIC_AUTH", it) for it in ("${USER}:${PASSWORD}", "admin:$(PASSWORD)")),
        *(
            ("DB_PASSWORD", it)
            for it in ("`cat /run/secrets/a`", "#{pw}", "((pw))", "__PW__", "%DB_PASSWORD%", "${PW:?unset}")
        ),
        *(("DB_PASSWORD", it) for it in ("ENC[AES256_GCM,data:xdEJ7h26]", "{cipher}b3f757e8", "!vault a/b", '""')),
        *(("SIGNING_KEY", it) for it in ("gcpkms://a/b", "k8s://harbour/key", "awskms:///alias/a")),
        ("AUTH", "workload-identity"),
        # what is put in, beside a user, a scheme or a joint
        *(("BASIC_AUTH", it) for it in ("robot_ci:${PW}", "${USER}:${PW}", "${USER}-${PW}", "Bearer ${TOKEN}")),
        *(("API_TOKEN", it) for it in ("{API_TOKEN}", "env:API_TOKEN", "sm://harbour/token", "ssm:/harbour/token")),
        *(("API_TOKEN", it) for it in ("file:./token.txt", "file:///run/secrets/token", "keyring:harbour/api")),
        *(("DB_PASSWORD", f"/{it}/db/pw") for it in ("run", "var", "vault", "secrets", "mnt", "home", "app", "certs")),
        # numbers that count, or number something
        *((name, "8191") for name in ("EMBEDDING_TOKENS", "TOKENS", "chunk-tokens", "TOKEN_ID", "DB_TOKEN_ID")),
        *((name, "200") for name in ("LOWPASS", "AUDIO_HIGH_PASS", "bandPass")),
        ("LOWPASS", "3.5 kHz"),
        # ways in and ways to hash
        ("LDAP_AUTH", "simple"),
        *(("PASSWORD_HASH", it) for it in ("bcrypt", "argon2id", "pbkdf2:sha256", "SHA-512")),
        *(("AUTH_WHITELIST", it) for it in ("10.0.0.0/8", "10.0.0.7, 192.168.0.0/16", "fd00::/8")),
        # public, though drawn
        ("JWT_TOKEN_AUDIENCE", "3n4b5urk1ft4fl3mg5e62d9ado"),
        ("AUTH_TAG", "9f86d081884c7d659a2feaa0c55ad0159f86d081"),
        ("AUTH_SERVER", "4f2a9c1d4f2a9c1d4f2a9c1d4f2a9c1d.eu.cloud.example"),
        ("TOKEN_SUBJECT", "harbour-master-of-the-northern-tide-2"),
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
        *((name, "hunter2") for name in ("MAIL_PASSWORT", "WIFI_PSK", "WALLET_MNEMONIC", "SMTP_CREDS", "CODE_PEPPER")),
        *((name, "hunter2") for name in ("FERNET_KEY", "HMAC_KEY", "UNSEAL_KEY", "DEPLOY_KEY", "ETH_PRIVKEY")),
        *((name, "hunter2") for name in ("SECRET_ID", "ACCESS_KEY_ID", "TOKEN_ID", "SEED_PHRASE", "db.password")),
        *(("DB_PASSWORD", it) for it in ("/nT4kZ8dQvclw", "/k2Qx/9ZrT+aB==", "$hunter2", "tide-$SALT-42")),
        *(("DB_PASSWORD", it) for it in ("${PW:-hunter2}", "hunter2${PW}", "vaulted-2", "file-hunter2")),
        ("MAIL_PASSWORD_SERVER", "hunter2"),
        ("AUTH_USER", "hunter2"),
        ("PASSWORD_STORE", "hunter2"),
        ("dbPassword", "hunter2"),
        ("Jwt__Key", "hunter2"),
        ("TOKEN_HEADER", "kJ8s9Dk2lPq0Zx7VbN3mQwErTyUi"),
        ("AUTH_HEADER", "Bearer hunter2"),
        ("PASSWORD_COMMAND", "echo hunter2"),
        ("SECRET_STORE", "hunter2"),
        ("EXISTING_SECRET", "kJ8s9Dk2lPq0Zx7VbN3mQwErTyUi"),
        ("DATABASE_URL", "postgres://app:tide$PW@db/app"),
        ("MAIL_URL", "smtp://me@harbour.example:hunter2@mail:587"),
        ("JAVA_OPTS", "-Xmx1g -Dharbour.password=hunter2"),
        ("SSH_KEY", "ssh-hunter2"),
        # nothing expands the environment of a container
        *(("DB_PASSWORD", it) for it in ("$ECRET2024", "$$ECRET", "{hunter2}", "%hunter2%", "$OTHER", "admin:$PW")),
        *(("DB_PASSWORD", it) for it in ("swordfish${SALT}", "${SALT}swordfish", "${A}tide${B}", "a:b:${PW}")),
        *(("DB_PASSWORD", it) for it in ("sm:hunter2", "vault:hunter2", "file:hunter2", "env:hunter2")),
        *(("DB_PASSWORD", it) for it in ("/summer/2024", "/tide/and/salt", "/run", "/runner/2024")),
        ("SESSION_SECRET_TEXT", "abcdefgh12345678abcdefgh12345678"),
        ("TOKEN_MESSAGE", "use 4f2a9c1d4f2a9c1d4f2a9c1d"),
        ("TOKEN_URL", "https://hooks.example/x/http://y/" + "a1b2" * 6),
        *((name, "8191") for name in ("API_TOKENS", "AUTH_TOKENS", "TOKEN", "SECRET_TOKEN")),
        *((name, "hunter2") for name in ("TOKENS", "EMBEDDING_TOKENS", "LOWPASS", "PASSWORD_HASH", "AUTH_WHITELIST")),
        ("DB_PASSWORD", "bcrypt"),
        ("DB_PASSWORD", "simple"),
        ("PASSWORD_WHITELIST", "10.0.0.7"),
        ("PASSWORD_HASH", "bcrypt-hunter2"),
        ("YELLOWPASS", "200"),
        ("TOKEN_ID", "123456789012"),
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
