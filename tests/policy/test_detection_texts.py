"""Secrets in longer texts, and what a text only says about them: in prose, in a program, in a form."""

from __future__ import annotations

import pytest

from detection.values import find_in_value

SECRETS = [
    "<mirror><user>ci</user><password>tide-42</password></mirror>",
    '<entry key="smtp.password" value="tide-42"/>',
    '[{"name": "SMTP_PASSWORD", "value": "tide-42"}]',
    '[{"name":"SMTP_PASSWORD","value":"tide-42"}]',
    "env:\n  - name: SMTP_PASSWORD\n    value: tide-42\n",
    "password: |\n  tide-42\n",
    "smtp:\n  password: >-\n    tide-42\n",
    "<?php\ndefine('DB_PASSWORD', 'tide-42');\n",
    "import os\nos.environ['DB_PASSWORD'] = 'tide-42'\n",
    'config["api_token"] = "tide-42"\n',
    "# password = Tide-42\n",
    "Server=db;Password=tide(42)harbour;",
    "password = harbour.tide.salt\n",
    'title = "Password"\npassword = "tide-42"\n',
    "proxy_pass tide-42\nother a\n",
    "smtp:\n  port 25;\n  mail_pass tide42;\n",
    "password: tide42 5432\n",
    # where no program computes anything
    "Server=quay;Password=app.Tide2031;",
    "Server=quay; Password=user.Tide2031; Encrypt=true",
    "Password=config.Tide2031;",
    "Password=Tide(2031)!;",
    '["Server=quay;Password=Tide(42q"]',
    "jdbc:sqlserver://quay;user=sa;password=$alt2031",
    '{"password":"$alt2031"}',
    "password = '$alt2031'\n",
    '{"password":"Password!"}',
    "- name: secret\n  value: T1de!\n",
]
HARMLESS = [
    # of a program
    "password = load_secret('mail')\ntoken = vault.read(\"x\")\n",
    "connect(host, password=settings.mail_password, token=self.token)\n",
    "const token = await fetchToken();\nconst secret = req.body.secret;\n",
    'secret := os.Getenv("SECRET")\n',
    "password = getpass.getpass()\n",
    "mail_password = var.mail_password\n",
    "type Login { token: String! password: String }\n",
    "interface A { password: string; token?: string }\n",
    "CREATE TABLE a (\n  id serial,\n  secret text\n);\n",
    'read -r token < /run/token\npassword="$1"\nsecret="$token"\n',
    "import os; token = os.environ[str('T')]; password=settings.mail_password; run(token)\n",
    "const a = 1;\nconst token=config.token;\nlogin(token);\n",
    "connect(password=settings.password)\n# see --help and -x\n",
    "user=me;password=$password;\n",
    "fetch('/a', {credentials: 'same-origin'})\n",
    # of a server
    "location / {\n  proxy_pass harbour;\n  uwsgi_pass app;\n  fastcgi_pass php:9000;\n}\n",
    "[security]\n;admin_password = admin\n#secret = change\n",
    # of a form
    '{"password":"Passwort","repeat_password":"Repeat the password","token":"Token"}',
    '{"password":"Kennwort","secret":"Your secret?"}',
    # prose
    "New password: minimum 12",
    "Choose a password: at least 12 characters",
    "Bitte ein Passwort: Mindestens 10 Zeichen",
    "start it with --password to set the password",
    "%d{ISO8601} token=%X{token} %msg",
    # names of what is kept elsewhere
    "- name: secret\n  value: quay-mail\n",
    "env:\n  - name: SMTP_PASSWORD\n    valueFrom:\n      secretKeyRef:\n        name: mail\n",
    '{"name": "SMTP_PASSWORD_FILE", "value": "/run/secrets/smtp"}',
    "password: |\n  ${SMTP_PASSWORD}\n",
    "<password>${env.SMTP_PASSWORD}</password>",
]


@pytest.mark.parametrize("text", SECRETS)
def test_a_secret_in_a_text_is_found(text: str) -> None:
    assert find_in_value("settings.conf", text)


@pytest.mark.parametrize("text", HARMLESS)
def test_what_a_text_says_about_a_secret_is_left_alone(text: str) -> None:
    assert find_in_value("settings.conf", text) is None
