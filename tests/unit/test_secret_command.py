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
    # behind another program, an assignment or a word of the shell
    "timeout 5 mysqladmin ping -phunter2",
    "timeout -k5 10s mysqladmin ping -phunter2",
    "gosu mysql mysqladmin ping -phunter2",
    "sudo -u redis redis-cli -a hunter2 ping",
    "sudo -n mysqladmin ping -phunter2",
    "wait-for db:3306 -- mysqladmin ping -phunter2",
    "find / -maxdepth 1 -exec mysql -phunter2 ';'",
    "LANG=C /usr/bin/mysqladmin ping -phunter2",
    "while ! redis-cli -a hunter2 ping; do sleep 1; done",
    "app status | curl -fu ops:hunter2 -d @- http://localhost",
    "sh -c 'exec redis-cli -a hunter2 ping'",
    "docker exec -it mysql mysql -phunter2",
    "kubectl exec db -- redis-cli -a hunter2 ping",
    # headers, in one word or two
    "curl -fsSH 'Authorization: Bearer hunter2' http://localhost",
    "curl '-HX-Api-Token:hunter2' http://localhost",
    "wget -q --header 'X-Auth-Token: hunter2' http://localhost",
    # a program's text that has the password in it
    "psql 'host=db,password=hunter2,dbname=shop'",
    'python -c \'import redis; redis.Redis(host="db", password="hunter2").ping()\'',
    "app check --tokens hunter2",
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
    # a program that reads the password itself
    "python -c \"import redis; pw = open('/run/secrets/redis').read(); redis.Redis(password=pw).ping()\"",
    "python -c \"import redis; pw=open('/run/secrets/a').read(); redis.Redis(host='db', password=pw, db=1).ping()\"",
    "python -c \"import os, redis; redis.Redis(host='db', password=os.environ['PW']).ping()\"",
    'python -c "import settings, redis; redis.Redis(db=1, password=settings.redis_password).ping()"',
    # a text that is looked for is no header
    "curl -fs localhost/health | grep -q 'auth: ok'",
    "app status | grep 'token: valid'",
    "echo 'password: rejected'",
    # a host that is named like a program
    "wait-for -h mysql -p3306",
    "nc -z mysql -p3306",
    "knock mongo -p 27017",
    "timeout 5 nc -z mysql -p3306",
    "exec -- nc -z mysql -p3306",
    "env LANG=C wait-for -h mysql -p3306",
    "gosu mysql app -p3306",
    "probe --target redis-cli -a all",
    "docker run --name mongo -p 27017:27017 mongo",
    # what a script keeps of a test, and what is counted
    "pass=ok; test $pass = ok",
    "auth=failed; app status && auth=ok",
    "app check --tokens 5",
    "curl -H 'Accept: text/html' -H 'Host: auth.example' http://localhost",
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
