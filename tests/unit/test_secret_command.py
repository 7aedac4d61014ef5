"""What a command shows: a password behind an option, in a variable, in a header; what a shell puts in is none."""

from __future__ import annotations

import shlex

import pytest

from components.secret import command_shows_credential

SHOWN = [
    "mysqladmin ping -uroot -phunter2",
    "redis-cli -a hunter2 ping",
    "redis-cli -ahunter2 ping",
    "curl -f -u ops:hunter2 http://localhost/health",
    "curl -fsSu ops:hunter2 http://localhost/health",
    "curl --user=ops:hunter2 http://localhost/health",
    "mongosh -u ops -p hunter2 --eval 1",
    "ldapsearch -x -w hunter2",
    "app check --password=hunter2",
    "app check --db-password hunter2",
    "app check --api-key=hunter2",
    "vault status --token hunter2",
    "PGPASSWORD=hunter2 psql -c 'select 1'",
    "env REDISCLI_AUTH=hunter2 redis-cli ping",
    "curl -H 'Authorization: Bearer hunter2' http://localhost",
    "curl --header='X-Api-Token: hunter2' http://localhost",
    "test -f /ready && mysqladmin ping -phunter2 || exit 1",
    "docker exec db mysql -phunter2",
    "curl -d password=hunter2 http://localhost",
]
CLEAN = [
    "pg_isready -U app -d shop",
    "redis-cli ping",
    'redis-cli -a "$REDIS_PASSWORD" ping',
    "redis-cli -a $(cat /run/secrets/redis) ping",
    'mysqladmin ping -p"$(cat /run/secrets/db)"',
    "mysqladmin ping -p$(cat $(ls /run/secrets/db))",
    "mysql -u root -p shop",
    'curl -fu "$USER:$PASSWORD" http://localhost',
    "curl -u ops http://localhost",
    "curl -fsS http://localhost:8080/auth/health?page=2",
    "curl -H 'Accept: text/html' -H \"Authorization: Bearer $(cat /run/secrets/t)\" http://localhost",
    "wget -q --spider http://localhost/token",
    "app check --password-file /run/secrets/db --token-ttl 1h --secret-name db",
    "app check --password-stdin registry",
    "app check --no-password shop",
    "app check --auth basic --auth-type none",
    "PASSWORD=${DB_PASSWORD} app check",
    'PGPASSWORD="$(cat /run/secrets/db)" psql -c 1',
    "npm run token:refresh",
    "mkdir -p data && mosquitto_sub -p 1883 -t a",
    "test -s /run/secrets/token",
    "psql --password --host db",
    "docker service inspect --secret db_password web",
    "aws secretsmanager get-secret-value --secret-id prod/db",
    "python -c 'import os; token=os.getenv(\"T\"); ask(token)'",
    'test -n "$TOKEN" || { echo "TOKEN is missing"; exit 1; }',
    "app check --set auth.existingSecret=shop --set auth.secretKeys.adminPasswordKey=password",
]


@pytest.mark.parametrize("line", SHOWN)
def test_a_credential_in_a_command_is_seen(line: str) -> None:
    assert command_shows_credential(["CMD-SHELL", line])
    assert command_shows_credential(["sh", "-c", line])
    assert command_shows_credential(shlex.split(line))


@pytest.mark.parametrize("line", CLEAN)
def test_a_command_that_shows_none_is_accepted(line: str) -> None:
    assert not command_shows_credential(["CMD-SHELL", line])
    assert not command_shows_credential(["sh", "-c", line])


def test_a_line_with_an_open_quote_is_read_word_by_word() -> None:
    assert command_shows_credential(["CMD-SHELL", "echo ' ; mysqladmin -phunter2"])
    assert not command_shows_credential(["CMD-SHELL", "echo it's fine"])
