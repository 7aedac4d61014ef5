"""Secrets in commands: a text that a shell reads, or the words that a program gets."""

from __future__ import annotations

import shlex
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detection.commands import find_in_command
from detection.dockerfile import find_in_dockerfile
from detection.finding import Finding
from detection.shell import commands

SECRETS = [
    ("app --password hunter2", Finding("name", "a password", "--password")),
    ("app --db-password=hunter2", Finding("name", "a password", "--db-password")),
    ("app -password hunter2", Finding("name", "a password", "-password")),
    ("mysql -uroot -phunter2", Finding("shape", "a password", "mysql -p")),
    ("docker login -u ci -p hunter2", Finding("shape", "a password", "-p")),
    ("curl -u admin:hunter2 http://a", Finding("shape", "a password", "curl -u")),
    ("curl -H 'X-Api-Key: hunter2' http://a", Finding("name", "a key", "X-Api-Key")),
    ("PGPASSWORD=hunter2 psql -h db", Finding("name", "a password", "PGPASSWORD")),
    ("redis-cli -a hunter2 ping", Finding("shape", "a password", "redis-cli -a")),
    ("redis-cli CONFIG SET requirepass hunter2", Finding("name", "a password", "requirepass")),
    ("rabbitmqctl add_user app hunter2", Finding("shape", "a password", "rabbitmqctl add_user")),
    ("echo hunter2 | docker login -u ci --password-stdin", Finding("shape", "a password", "standard input of docker")),
    ("openssl rsa -passin pass:hunter2", Finding("name", "a password", "pass")),
    ("htpasswd -bc f ops hunter2", Finding("shape", "a password", "htpasswd")),
    ("smbclient -U 'me%hunter2' //a/b", Finding("shape", "a password", "smbclient -U")),
    ("composer config http-basic.example.com ci hunter2", Finding("shape", "a password", "http-basic")),
    ("kubectl create secret generic a --from-literal=password=hunter2", Finding("name", "a password", "password")),
    ("psql -c \"ALTER USER app PASSWORD 'hunter2'\"", Finding("shape", "a password in SQL")),
    ("sh -c \"mysql -phunter2 -e 'select 1'\"", Finding("shape", "a password", "mysql -p")),
    ("echo $(mysql -phunter2 -e 'select 1')", Finding("shape", "a password", "mysql -p")),
    ("useradd -p '$6$abcdefgh$" + "x1Y" * 20 + "' me", Finding("shape", "a password hash")),
    ("app --token ${TOKEN:-hunter2}", Finding("name", "a token")),
    ("app kJ8s9Dk2lPq0Zx7VbN3mQwErTyUi", Finding("entropy", "a random key")),
    (["redis-server", "--requirepass", "hunter2"], Finding("name", "a password", "--requirepass")),
    (["CMD-SHELL", "curl -u a:hunter2 http://b || exit 1"], Finding("shape", "a password", "curl -u")),
    *(
        (f"{it} -uroot -phunter2 shop", Finding("shape", "a password", "mysql -p"))
        for it in (
            "docker exec db mysql",
            "docker compose -p shop exec -T -e A=b db mysql",
            "podman exec --user app -it db mysql",
            "kubectl -n shop exec -it db-0 -- mysql",
            "docker run --rm --network shop mysql:8 mysql",
        )
    ),
    ("oc exec cache -- redis-cli -a hunter2 ping", Finding("shape", "a password", "redis-cli -a")),
    (["docker", "exec", "db", "mongosh", "-u", "a", "-p", "hunter2"], Finding("shape", "a password", "mongosh -p")),
    ("curl -fsSLu ops:hunter2 http://a", Finding("shape", "a password", "curl -u")),
    ("curl -ksuops:hunter2 http://a", Finding("shape", "a password", "curl -u")),
    (["--user=ops:hunter2"], Finding("shape", "a password", "--user")),
    ("sqlplus -s app/hunter2@db:1521/XE @a.sql", Finding("shape", "a password", "sqlplus")),
    ("expdp userid=app/hunter2 directory=d", Finding("shape", "a password", "expdp")),
    ("yes hunter2 | passwd ops", Finding("shape", "a password", "standard input of ")),
    ("python -c \"import os; os.environ['DB_PASSWORD']='hunter2'\"", Finding("name", "a password", "DB_PASSWORD")),
    ("echo hunter2 > /run/secrets/mail", Finding("name", "a secret", "a file of secrets")),
    ("printf hunter2 1>> /etc/app/db_password", Finding("name", "a password", "a file of secrets")),
    ("redis-cli config set masterauth hunter2", Finding("name", "a password", "masterauth")),
    ("redis-cli ACL SETUSER app on '>hunter2' '~*'", Finding("shape", "a password", "setuser")),
    ("restic --password-command 'echo hunter2' backup", Finding("name", "a password", "--password-command")),
    *(
        (command, Finding("name", "a password", name))
        for name, command in (
            ("MAIL_PASSWORD", "MAIL_PASSWORD=app.Tide2031 ./serve"),
            ("MAIL_PASSWORD", "sh -c 'export MAIL_PASSWORD=user.Tide2031; ./serve'"),
            ("MAIL_PASSWORD", ["podman", "run", "-e", "MAIL_PASSWORD=data.Tide2031", "quay"]),
            ("password", "kubectl create secret generic a --from-literal=password=app.Tide2031"),
            ("mail.password", "helm install a quay --set mail.user=me,mail.password=user.Tide2031"),
            ("mail.passwordStage", "helm install a quay --set mail.passwordStage=tide"),
            ("mail.password", ["helm", "--set", "mail.password=Tide(2031)"]),
            ("Password", "serve 'Server=quay;Password=user.Tide2031'"),
        )
    ),
    ("sudo -u oracle sqlplus app/tide42@quay", Finding("shape", "a password", "sqlplus")),
    ("if ! env A=b /u01/bin/exp app/tide42; then exit 1; fi", Finding("shape", "a password", "exp")),
    ("echo tide42 > /run/secrets/.mail_password", Finding("name", "a password", "a file of secrets")),
    (["app", "--pin", "pa ss", "--password", "hunter2"], Finding("name", "a password", "--password")),
]
HARMLESS = [
    "app --password-file /run/secrets/pw --token-ttl 1h --secret-name db --no-password me",
    "app --password",
    "app --password --verbose",
    "app --auth basic --key /certs/tls.key --client-id kJ8s9Dk2lPq0Zx7VbN3mQwErTyUi",
    "mysql -u root -p app",
    'mysql -uroot -p"$MYSQL_ROOT_PASSWORD"',
    "docker run -u 1000:1000 -p 8080:80 app",
    "docker compose -p shop exec -u root web sh",
    "docker service create --secret db_password app",
    "docker build --secret id=npm,src=.npmrc .",
    "docker run -p 8080:80 mongo",
    "docker run --name mongo -p 27017:27017 mongo",
    "docker run --user 1000:1000 -p 6379:6379 redis",
    "docker exec -u postgres db pg_dump -p 5433 shop",
    'kubectl exec db-0 -- mysql -uroot -p"$MYSQL_ROOT_PASSWORD"',
    "kubectl run redis --image=redis",
    "curl -fsSLu ops https://a",
    "curl -fsSLo a:b https://a",
    "sqlplus / as sysdba",
    "sqlplus app@db:1521/XE @/sql/a.sql",
    'sqlplus "app/$DB_PASSWORD@db"',
    "keytool -list -storepass:file /run/secrets/keystore",
    "keytool -list -storepass:env KEYSTORE_PASSWORD",
    "echo ready > /run/app/state",
    'echo "$DB_PASSWORD" > /run/secrets/db_password',
    "yes | apt-get install redis",
    "redis-cli config set maxmemory 100mb",
    "restic --password-command 'pass show backup' backup",
    "echo 'use --password to set the password'",
    ["--user=1000:1000"],
    ["--user", "nginx:nginx"],
    "ssh -p 2222 -l me host",
    'curl -u "$USER:$PASSWORD" -H "Authorization: Bearer ${TOKEN}" http://a',
    "PASSWORD= app",
    'PASSWORD="$(cat /run/secrets/pw)" exec app',
    'echo "$PASSWORD" | docker login --password-stdin -u ci',
    "kubectl get secret db-password",
    "npm run token:refresh",
    'python -c "import os; token=os.getenv(1); password=settings.password"',
    ["python", "-c", "password=settings.password"],
    ["sh", "-c", 'curl -d "{\\"password\\":\\"$pw\\"}" http://quay'],
    "echo 'quay:x:1001:1001::/:/bin/false' >> /etc/passwd",
    "printf 'quay:x:1001:' >> /rootfs/etc/group",
    "echo '*' > /run/secrets/.gitignore",
    "date && echo done > /run/secrets/.done",
    "helm install a quay --set auth.existingErlangSecret=quay-erlang",
    "git switch exp topic/quay",
    "grep -rq password=settings.mail src",
    "gcloud run deploy quay --set-secrets=MAIL_PASSWORD=mail-password:latest",
    "kubectl create secret generic a --from-file=token=secrets.d/token",
    "sudo cp -r exp build/exp",
    ["--user=app:group12"],
    ["--user=system:node:node07"],
    "sed -e 's/password=.*/password=xxx/' f",
    "git checkout 4f2a9c1d8b7e6f5a4b3c2d1e0f9a8b7c6d5e4f3a",
    "echo 'password authentication failed' >&2",
    ["redis-server", "--requirepass", "$(REDIS_PASSWORD)"],
    ["mysqladmin", "ping", "-p$$MYSQL_ROOT_PASSWORD"],
    ["app", "--password", "${unknown}", "hunter2"],
    [],
    "",
]


@pytest.mark.parametrize(("command", "expected"), SECRETS, ids=lambda it: str(it)[:60])
def test_a_secret_in_a_command_is_found_and_said_where(command: str | list[str], expected: Finding) -> None:
    assert find_in_command(command) == expected


@pytest.mark.parametrize("command", HARMLESS, ids=lambda it: str(it)[:60])
def test_a_harmless_command_is_left_alone(command: str | list[str]) -> None:
    assert find_in_command(command) is None


@given(st.lists(st.text("ab c'\"$`\\|;&<>()#*\n\t=-", min_size=1), min_size=1))
def test_quoted_words_are_read_as_a_shell_reads_them(words: list[str]) -> None:
    assert [command.words for command in commands(shlex.join(words))] == [tuple(words)]


def test_pipes_here_strings_and_redirections_are_read() -> None:
    read = [(it.words, it.fed) for it in commands('echo -n "a b" | c <<< d > e 2>&1; f && g')]
    assert read == [(("echo", "-n", "a b"), ""), (("c", "1"), "d"), (("f",), ""), (("g",), "")]


@given(st.text(), st.lists(st.text()))
def test_any_command_is_judged_without_an_error(text: str, words: list[str]) -> None:
    find_in_command(text)
    find_in_command(words)


@given(st.text("aA1 '\"$(){}`\\|;&<>=-\n:@/", max_size=200))
def test_any_punctuation_is_judged_without_an_error(text: str) -> None:
    find_in_command(text)
    find_in_command(["sh", "-c", text])


@given(st.text("abcdefghijkmnpqrstuvwxyz23456789", min_size=10, max_size=30))
def test_a_finding_never_has_the_value(value: str) -> None:
    for text in (f"app --password {value}", f"mysql -p{value}", f"curl -u a:{value} b", f"PASSWORD={value} app"):
        found = find_in_command(text)
        assert found and value not in f"{found.kind} {found.looks} {found.at}"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("FROM scratch\nRUN <<EOF\nset -e\nexport DB_PASSWORD=hunter2\nEOF\n", "RUN"),
        ("FROM scratch\nCOPY <<EOF /app/.env\nDB_PASSWORD=hunter2\nEOF\n", "COPY"),
        ("ADD https://user:hunter2@host.example/x.tar /", "ADD"),
        ("ONBUILD ENV DB_PASSWORD=hunter2", "ENV"),
        ("ENV LOG=info \\\n# a remark within\nDB_PASSWORD=hunter2", "ENV"),
        ('CMD ["app", "--password", "hunter2"]', "CMD"),
        ("RUN mysql -uroot -phunter2Xyz9Q <<EOF\nselect 1;\nEOF", "RUN"),
        ('RUN export DB_PASSWORD=hunter2Xyz9Q && echo ["a"]', "RUN"),
        ('HEALTHCHECK --interval=3s CMD ["app", "--password", "hunter2"]', "HEALTHCHECK"),
    ],
)
def test_a_secret_is_found_in_every_form_of_an_instruction(text: str, word: str) -> None:
    assert [found for found, _ in find_in_dockerfile(text)] == [word]


@pytest.mark.parametrize(
    "text",
    [
        "RUN <<EOF\nset -e\npip install app\nEOF\nCOPY . /app\n",
        "COPY <<EOF /app/settings\nlog=info\nEOF\nADD https://host.example/x.tar /\nONBUILD COPY . /app",
        'CMD ["app", "--password-file", "/run/secrets/db"]',
        'COPY <<EOF /run.sh\nexport PGPASSWORD="$(cat /run/secrets/pw)"\nEOF',
        "COPY <<EOF /etc/nsswitch.conf\npasswd: files\nEOF",
        f"RUN {'[' * 100_000}]",
    ],
)
def test_ordinary_instructions_hold_no_secret(text: str) -> None:
    assert not list(find_in_dockerfile(text))


@pytest.mark.parametrize("unit", ["RUN <<A\n", "RUN a <<", "RUN <<A\nA\n", "# a\n", "ONBUILD ", 'CMD ["a",'])
def test_a_long_dockerfile_takes_time_in_proportion_to_its_length(unit: str) -> None:
    took = []
    for length in (10_000, 100_000):
        began = time.process_time()
        list(find_in_dockerfile(unit * (length // len(unit))))
        took.append(time.process_time() - began)
    assert took[1] <= 40 * max(took[0], 0.02)


def test_a_dockerfile_is_read_by_its_instructions() -> None:
    text = "\n".join((
        "FROM scratch AS build",
        "# ARG TOKEN=hunter2 is but a remark",
        "ARG VERSION=1.2.3",
        "ARG NPM_TOKEN=hunter2",
        'ENV LOG=info \\\n    DB_PASSWORD="hunter2"',
        "ENV OLD_PASSWORD hunter2",
        "RUN --mount=type=secret,id=npm npm ci",
        "RUN curl -u ci:hunter2 http://a \\\n  && true",
        "RUN echo 'quay:x:1001:1001::/:/bin/false' >> /etc/passwd",
        'CMD ["app", "--port", "80"]',
    ))  # fmt: skip
    assert list(find_in_dockerfile(text)) == [
        ("ARG", Finding("name", "a token", "NPM_TOKEN")),
        ("ENV", Finding("name", "a password", "DB_PASSWORD")),
        ("ENV", Finding("name", "a password", "OLD_PASSWORD")),
        ("RUN", Finding("shape", "a password", "curl -u")),
    ]
