"""Logins at a registry: asked for where they are wanted, from where they are kept, and handed to nobody else."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from tests.policy.asked import TINY, configured_login, read, refused, registry_server, soon
from tests.policy.registry_server import Answer, Question, RegistryServer, serving
from verification.registry import Access, Registry

LOGIN = "Basic " + base64.b64encode(b"robot:hunter2").decode()
__all__ = ["configured_login", "registry_server"]  # fixtures


def asks_for_password(question: Question) -> Answer | None:
    """A registry for one user."""
    if question.headers.get("authorization") == LOGIN:
        return None
    return 401, {"WWW-Authenticate": 'Basic realm="registry"'}, b""


def test_a_login_of_the_configuration_is_used_once_it_is_asked_for(server: RegistryServer, access: Access) -> None:
    server.manifest("shop/web", TINY, "1.4.0")
    server.intercept = asks_for_password
    registry = Registry(server.address, access)
    assert registry.manifest("shop/web", "1.4.0", soon())
    assert [question.headers.get("authorization") for question in server.asked] == [None, LOGIN]
    registry.manifest("shop/web", "1.4.0", soon())
    assert len(server.asked) == 3


def test_a_login_that_is_not_enough_is_named_without_its_password(server: RegistryServer, access: Access) -> None:
    server.intercept = lambda _: (401, {"WWW-Authenticate": 'Basic realm="registry"'}, b"")
    said = refused(server, access=access)
    assert "does not show shop/web 1.4.0 to the user robot (status 401)" in said
    assert "hunter2" not in said
    assert "to a reader without a login (status 401)" in refused(server)


def test_a_password_file_that_cannot_be_read_is_named(server: RegistryServer, tmp_path: Path) -> None:
    server.intercept = asks_for_password
    missing = Access(username="robot", password_file=tmp_path / "nowhere")
    assert f"{tmp_path}/nowhere cannot be read (FileNotFoundError)" in refused(server, access=missing)


class TokenService:
    """A token service, and a registry that wants its tokens."""

    def __init__(self, server: RegistryServer) -> None:
        self.server = server
        self.asked: list[Question] = []
        server.intercept = self.intercept

    def intercept(self, question: Question) -> Answer | None:
        """Give tokens, and ask for them."""
        if question.path.startswith("/token"):
            self.asked.append(question)
            name = "access_token" if question.method == "POST" else "token"
            return 200, {}, json.dumps({name: "t0k3n", "expires_in": 60}).encode()
        if question.headers.get("authorization") == "Bearer t0k3n":
            return None
        realm = f'Bearer realm="http://{self.server.address}/token",service="registry",scope="repository:x:push"'
        return 401, {"WWW-Authenticate": realm}, b""


def test_a_token_for_reading_this_repository_alone_is_asked_for(server: RegistryServer, access: Access) -> None:
    server.manifest("shop/web", TINY, "1.4.0")
    service = TokenService(server)
    registry = Registry(server.address, access)
    for _ in range(2):
        assert registry.manifest("shop/web", "1.4.0", soon())
    (asked,) = service.asked
    assert asked.path == "/token?service=registry&scope=repository%3Ashop%2Fweb%3Apull"
    assert asked.headers["authorization"] == LOGIN


def test_a_token_is_given_to_a_reader_without_a_login_too(server: RegistryServer) -> None:
    server.manifest("shop/web", TINY, "1.4.0")
    service = TokenService(server)
    assert read(server, "1.4.0")
    assert "authorization" not in service.asked[0].headers


def test_a_token_that_has_expired_is_asked_for_again(server: RegistryServer) -> None:
    server.manifest("shop/web", TINY, "1.4.0")
    service = TokenService(server)
    registry = Registry(server.address)
    registry._authorizations["shop/web"] = "Bearer old"
    assert registry.manifest("shop/web", "1.4.0", soon())
    assert len(service.asked) == 1


def test_an_identity_token_is_exchanged(server: RegistryServer, tmp_path: Path) -> None:
    store(tmp_path, auths={server.address: {"auth": "", "identitytoken": "refresh-me"}})
    server.manifest("shop/web", TINY, "1.4.0")
    service = TokenService(server)
    assert read(server, "1.4.0")
    (asked,) = service.asked
    assert asked.method == "POST"
    assert b"grant_type=refresh_token" in asked.body
    assert b"refresh_token=refresh-me" in asked.body


@pytest.mark.parametrize("token", [b"{}", b'{"token": 3}', b'{"token": "a\\r\\nHost: evil"}', b"no JSON"])
def test_a_token_service_that_gives_none_is_named(server: RegistryServer, token: bytes) -> None:
    service = TokenService(server)
    server.intercept = lambda it: (200, {}, token) if it.path.startswith("/token") else service.intercept(it)
    assert f"{server.address}: " in refused(server)


@pytest.mark.parametrize("realm", ["", "http://evil.example/token", "file:///etc/passwd", "ftp://evil.example"])
def test_a_login_goes_to_a_token_service_over_tls_alone(server: RegistryServer, access: Access, realm: str) -> None:
    server.intercept = lambda _: (401, {"WWW-Authenticate": f'Bearer realm="{realm}"'}, b"")
    assert "only TLS is trusted there" in refused(server, access=access)


def store(folder: Path, **content: object) -> None:
    """Write the Docker credential store."""
    (folder / "config.json").write_text(json.dumps(content))


def test_the_docker_credential_store_is_asked(server: RegistryServer, tmp_path: Path) -> None:
    login = {"auth": base64.b64encode(b"robot:hunter2").decode()}
    server.manifest("shop/web", TINY, "1.4.0")
    server.intercept = asks_for_password
    for key in (server.address, f"http://{server.address}/v1/", f"localhost:{server.port}"):
        store(tmp_path, auths={"other.example": {"auth": "bm8="}, key: login})
        assert read(server, "1.4.0"), key


@pytest.mark.parametrize("setting", ["credsStore", "credHelpers"])
def test_a_credential_helper_is_asked(
    server: RegistryServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    helper = tmp_path / "docker-credential-vault"
    helper.write_text('#!/bin/sh\ncat >"$0.asked"\necho \'{"Username": "robot", "Secret": "hunter2"}\'\n')
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    store(tmp_path, **{setting: "vault" if setting == "credsStore" else {server.address: "vault"}})
    server.manifest("shop/web", TINY, "1.4.0")
    server.intercept = asks_for_password
    assert read(server, "1.4.0")
    assert (tmp_path / "docker-credential-vault.asked").read_text() == server.address


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 'credentials not found in native keychain'; exit 1", "to a reader without a login"),
        ("echo the password is hunter2; exit 1", "docker-credential-vault failed for {} (exit code 1)"),
        ("echo hunter2", "docker-credential-vault gave no login for {} in the helpers' format"),
    ],
)
def test_a_helper_that_gives_no_login_is_named_without_its_words(
    server: RegistryServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, said: str
) -> None:
    helper = tmp_path / "docker-credential-vault"
    helper.write_text(f"#!/bin/sh\n{script}\n")
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    store(tmp_path, credsStore="vault")
    server.intercept = asks_for_password
    message = refused(server)
    assert said.format(server.address) in message
    assert "hunter2" not in message


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"credsStore": "nowhere"}', "docker-credential-nowhere cannot be asked for {}"),
        ('{"credsStore": "../../bin/sh"}', "is no name of a credential helper"),
        ("{", "config.json cannot be read (JSONDecodeError): repair it with `docker login`"),
        ('{"auths": {"%s": {"auth": "?"}}}', "holds a damaged login: log in again with `docker login`"),
    ],
)
def test_a_damaged_store_is_named(server: RegistryServer, tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "config.json").write_text(content.replace("%s", server.address))
    server.intercept = asks_for_password
    assert said.format(server.address) in refused(server)


def test_a_redirect_is_followed_without_the_login(server: RegistryServer, access: Access) -> None:
    blob = server.blob("shop/web", b"report")["digest"]
    with serving() as elsewhere:
        elsewhere.intercept = lambda _: (200, {}, b"report")

        def redirect(question: Question) -> Answer | None:
            target = f"http://{elsewhere.address}/bucket/1"
            return asks_for_password(question) or (307, {"Location": target}, b"moved")

        server.intercept = redirect
        assert Registry(server.address, access).blob("shop/web", blob, 100, soon()) == b"report"
        assert "authorization" in server.asked[-1].headers
        assert "authorization" not in elsewhere.asked[0].headers
