"""What a name says: which words before and after a secret's own word cancel it, and which only say whose it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detection.values import find_in_value

HEX = "4f2a9c1d" * 4
SECRETS = [
    # a word that counts or switches something else stands before a password
    *((name, "hunter2") for name in ("KAFKA_CLUSTER_PASSWORD", "BATCH_JOB_SECRET", "PULL_PASSWORD")),
    *((name, "hunter2") for name in ("EXISTING_DB_PASSWORD", "SPECIAL_TOKEN_SECRET", "PUBLIC_SITE_PASSWORD")),
    *((name, "hunter2") for name in ("INPUT_API_TOKEN", "TOTAL_SALES_TOKEN", "CONTEXT_TOKEN")),
    # a word that says what a common key is for stands further before another key
    *((name, HEX) for name in ("INDEX_API_KEY", "OBJECT_STORE_ACCESS_KEY", "ROW_ENCRYPTION_KEY", "HOST_SIGNING_KEY")),
    *((name, HEX) for name in ("SERVICEBUS_PRIMARY_KEY", "REPORTS_FUNCTION_KEY", "PRIMARY_KEY")),
    # whose it is
    *((name, "hunter2") for name in ("MAIL_PASSWORD_SERVER", "QUEUE_PASSWORD_PROJECT", "DB_PASS_RO")),
    *((name, "hunter2") for name in ("PASS_REDIS", "MAIL_PASS_ADMIN", "TOKEN_SECRET_REFRESH", "PASSWORD_STORE")),
    ("TLS_CREDENTIALS_SECRET", "hunter2"),
    *((f"MAIL_PASSWORD_{it}", "tide-42!") for it in ("STAGE", "ENVIRONMENT", "TENANT", "ORG", "WORKSPACE", "GROUP")),
    *((name, "t1de-and-salt") for name in ("API_TOKEN_STAGE", "JWT_SECRET_STAGE", "OAUTH_SECRET_ORG", "API_KEY_ORG")),
    *((name, "tide") for name in ("db.passwordStage", "QUEUE_PASSWORD_ENVIRONMENT")),
    # an object that exists is named as one
    *((name, "h4rbour!") for name in ("EXISTING_MAIL_SECRET", "auth.existingErlangSecret", "existingPassword")),
    ("CREDENTIALS_SECRET", f"stage-{HEX}"),
    *((name, "9f2-kk21") for name in ("CACHE_SESSION_KEY", "OBJECT_DATA_KEY", "SESSION_KEY")),
    ("SESSION_KEY", "sessions"),
    *(("QUEUE_AUTH", it) for it in ("default-password", "user-password", "password-7")),
    *((name, "same-origin") for name in ("JWT_SECRET", "MAIL_PASSWORD")),
    # spelled otherwise
    *((name, "Tide-and-2-salt") for name in ("SMTP_PSWD", "MDP_BASE", "mot-de-passe", "dbPassWord", "MY_PASS_PHRASE")),
    *((name, HEX) for name in ("WALLET_PRIVKEY", "JWTKEY", "COOKIEKEY", "HMACKEY")),
    *((name, "8f2k-91dq") for name in ("RECOVERY_CODE", "MFA_BACKUP_CODES", "PIN_CODE")),
    *((name, "004711") for name in ("PIN", "HSM_PIN", "user.pin")),
    ("REDIS_AUTH", "scram-tide"),
    ("EXISTING_SECRET_PASSWORD_KEY", HEX),
    ("DB_PASSWORD", "ssh-ed25519"),
    ("DB_PASSWORD", "pk.eyJtide"),
]  # fmt: skip
PUBLIC_BLOCK = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----"
HARMLESS = [
    *((name, "us") for name in ("EXISTING_SECRET", "REGISTRY_PULL_SECRETS", "WILDCARD_TLS_SECRET", "CLUSTER_TOKEN")),
    *((name, "us") for name in ("ALLOW_EMPTY_PASSWORD", "SHOW_LOGIN_PASSWORD", "EOS_TOKEN", "MAX_TOKEN")),
    *((name, HEX) for name in ("USER_CACHE_KEY", "PARTITION_KEY", "API_IDEMPOTENCY_KEY", "SITE_KEY", "ANON_API_KEY")),
    *((name, "id,name") for name in ("PRIMARY_KEY", "COMPOSITE_PRIMARY_KEY")),
    *((name, "vault-agent") for name in ("PASSWORD_STORE", "LDAP_PASSWORD_SOURCE", "PASS_BACKEND")),
    *((name, "harbour-web-login") for name in ("DB_CREDENTIALS_SECRET", "LICENSE_KEY_SECRET")),
    *((name, "login-password") for name in ("EXISTING_SECRET_PASSWORD_KEY", "auth.secretKeys.userPasswordKey")),
    *((name, "kv-v2") for name in ("SECRET_MOUNT", "SECRETS_PATH")),
    *((name, "17") for name in ("LED_PIN", "PIN")),
    *((name, "kJ8s9Dk2lPq0Zx7VbN3mQw") for name in ("SEGMENT_KSUID", "ORGANIZATION", "GRAFANA_WORKSPACE", "TENANT")),
    *((name, "production") for name in ("SECRETS_ENVIRONMENT", "API_TOKEN_STAGE")),
    *((name, "harbour") for name in ("OAUTH_SECRET_TENANT", "MAIL_PASSWORD_WORKSPACE", "API_TOKEN_PROJECT")),
    *((name, "quay-mail") for name in ("EXISTING_MAIL_SECRET", "auth.existingPasswordSecret", "existingErlangSecret")),
    ("existingSecretAdminPassword", "quay-admin"),
    *((name, "sessions") for name in ("CACHE_SESSION_KEY", "OBJECT_DATA_KEY")),
    ("S3_OBJECT_DATA_KEY", "reports/daily"),
    *(("QUEUE_AUTH", it) for it in ("password", "mysql_clear_password", "sha256_password", "username-password")),
    *((name, "same-origin") for name in ("CREDENTIALS", "FETCH_CREDENTIALS")),
    *((name, "1001") for name in ("APT_PIN", "GPIO_PIN")),
    ("com.example.sign/signature", "MEUCIQDx8f2k91dqkJ8s9Dk2lPq0Zx7VbN3mQwErTyUi"),
    ("WEATHER_APPID", "123e4567-e89b-12d3-a456-426614174000"),
    *(("SMTP_AUTH", it) for it in ("cram_md5", "SCRAM-SHA-512", "plain,login", "xoauth2")),
    *(("AUTH", it) for it in ("rbac", "sigv4", "workload-identity", "mysql_native_password", "oidc, ldap", "aws-iam")),
    ("UPSTREAM_FASTCGI_PASS", "php-fpm:9000"),
    *((name, f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA{'Ipm' * 15} me@host") for name in ("SSH_KEY", "ADMIN_SSH_KEYS")),
    *((name, PUBLIC_BLOCK) for name in ("JWT_KEY", "SIGNING_KEY", "WEBHOOK_TOKEN_KEY")),
    ("MAPS_TOKEN", "pk.eyJ1IjoiaGFyYm91ciIsImEiOiJjbHg0azJ3In0.q8ZrT2vXw9KpLm3NsB5yGd"),
    ("DD_CLIENT_TOKEN", "pub" + HEX),
]  # fmt: skip
COUNTING = ["MAX", "INPUT", "OUTPUT", "BATCH", "CONTEXT", "TOTAL", "CLUSTER", "PULL", "EXISTING", "NUMBER"]
COMMON = ["ORDER", "CACHE", "MESSAGE", "MAP", "INDEX", "GROUP", "EXPORT", "HOST", "TRANSLATION", "PRIMARY", "FUNCTION"]


@pytest.mark.parametrize(("name", "value"), SECRETS)
def test_a_secret_is_found_by_its_name(name: str, value: str) -> None:
    found = find_in_value(name, value)
    assert found and found.kind == "name"


@pytest.mark.parametrize(("name", "value"), HARMLESS)
def test_what_is_only_about_a_secret_is_left_alone(name: str, value: str) -> None:
    assert find_in_value(name, value) is None


@given(st.sampled_from(COUNTING), st.sampled_from(["DB", "APP", "LOGIN"]), st.sampled_from(["PASSWORD", "PASSPHRASE"]))
def test_no_word_further_before_a_password_cancels_it(first: str, second: str, noun: str) -> None:
    assert find_in_value(f"{first}_{second}_{noun}", "hunter2")


@given(st.sampled_from(COMMON), st.sampled_from(["API", "ACCESS", "ENCRYPTION", "SIGNING", "SECRET"]))
def test_only_the_word_before_a_key_says_that_it_opens_nothing(first: str, second: str) -> None:
    assert find_in_value(f"{first}_{second}_KEY", "hunter2")
