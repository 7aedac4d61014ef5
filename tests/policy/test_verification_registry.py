"""The registry client: it believes nothing, waits for nothing without end, and hands no login to anyone else."""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.policy.registry_server import INDEX, MANIFEST, Answer, Question, RegistryServer, serving
from verification.registry import Access, Manifest, Registry, RegistryError
from verification.transport import Deadline

LOGIN = "Basic " + base64.b64encode(b"robot:hunter2").decode()
TINY = {"schemaVersion": 2, "mediaType": MANIFEST, "config": {}, "layers": []}


@pytest.fixture(name="server")
def registry_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[RegistryServer]:
    """A registry, and no login stored on this machine."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with serving() as server:
        yield server


@pytest.fixture(name="access")
def configured_login(tmp_path: Path) -> Access:
    """A login in the pack's configuration."""
    path = tmp_path / "password"
    path.write_text("hunter2\n")
    return Access(username="robot", password_file=path)


def soon() -> Deadline:
    """Enough time for a test."""
    return Deadline(5)


def read(server: RegistryServer, reference: str, access: Access | None = None) -> Manifest | None:
    """Read a manifest of the repository that all tests use."""
    return Registry(server.address, access).manifest("shop/web", reference, soon())


def refused(server: RegistryServer, reference: str = "1.4.0", access: Access | None = None) -> str:
    """Why a manifest cannot be read."""
    with pytest.raises(RegistryError) as error:
        read(server, reference, access)
    return str(error.value)


def test_a_manifest_is_read_by_tag_and_by_digest(server: RegistryServer) -> None:
    digest = server.manifest("shop/web", TINY, "1.4.0")["digest"]
    for reference in ("1.4.0", digest):
        found = read(server, reference)
        assert found is not None
        assert found.digest == digest
        assert not found.is_index


def test_what_is_not_there_is_none(server: RegistryServer) -> None:
    assert read(server, "1.4.0") is None


def test_connections_are_kept(server: RegistryServer) -> None:
    server.manifest("shop/web", TINY, "1.4.0")
    registry = Registry(server.address)
    for _ in range(5):
        registry.manifest("shop/web", "1.4.0", soon())
    idle = registry._transport._idle[f"http://{server.address}"]
    assert len(idle) == 1


def test_a_connection_that_the_registry_has_closed_is_opened_again(server: RegistryServer) -> None:
    server.manifest("shop/web", TINY, "1.4.0")
    registry = Registry(server.address)
    registry.manifest("shop/web", "1.4.0", soon())
    (kept,) = registry._transport._idle[f"http://{server.address}"]
    assert kept.sock is not None
    kept.sock.shutdown(socket.SHUT_RDWR)
    assert registry.manifest("shop/web", "1.4.0", soon()) is not None


def test_other_bytes_than_those_asked_for_are_refused(server: RegistryServer) -> None:
    manifest = server.manifest("shop/web", TINY)["digest"]
    server.replace(f"/v2/shop/web/manifests/{manifest}", b'{"schemaVersion": 2}')
    assert f"answers shop/web@{manifest} with other bytes (sha256:" in refused(server, manifest)
    blob = server.blob("shop/web", b"report")["digest"]
    server.replace(f"/v2/shop/web/blobs/{blob}", b"edited")
    with pytest.raises(RegistryError, match="with other bytes"):
        Registry(server.address).blob("shop/web", blob, 100, soon())


def test_more_bytes_than_allowed_are_not_read(server: RegistryServer) -> None:
    blob = server.blob("shop/web", b"x" * 1000)["digest"]
    with pytest.raises(RegistryError, match="answers with 1000 bytes, more than the 999 allowed"):
        Registry(server.address).blob("shop/web", blob, 999, soon())
    chunk = b"3e8\r\n" + b"x" * 1000 + b"\r\n0\r\n\r\n"
    server.intercept = lambda _: (200, {"Transfer-Encoding": "chunked"}, chunk)
    with pytest.raises(RegistryError, match="answers with more than the 999 bytes allowed"):
        Registry(server.address).blob("shop/web", blob, 999, soon())


def test_an_answer_that_breaks_off_is_no_answer(server: RegistryServer) -> None:
    server.intercept = lambda _: (200, {"Content-Length": "100", "Connection": "close"}, b"{}")
    assert "does not answer" in refused(server)


@pytest.mark.parametrize("body", [b"", b"no JSON", b"[]", b"\xff", b"[" * 100_000])
def test_what_is_no_manifest_is_refused(server: RegistryServer, body: bytes) -> None:
    server.intercept = lambda _: (200, {}, body)
    assert "is no JSON" in refused(server)


def test_a_document_that_is_index_and_manifest_in_one_is_refused(server: RegistryServer) -> None:
    server.manifest("shop/web", {**TINY, "manifests": []}, "1.4.0")
    assert "is an index and a manifest in one: it is ambiguous" in refused(server)


@pytest.mark.parametrize("entry", [None, {}, {"digest": 3}, {"digest": "sha512:1f"}, {"digest": "../../etc/passwd"}])
def test_a_descriptor_without_a_usable_digest_is_refused(server: RegistryServer, entry: object) -> None:
    server.manifest("shop/web", {"mediaType": INDEX, "manifests": [entry]}, "1.4.0")
    found = read(server, "1.4.0")
    assert found is not None
    with pytest.raises(RegistryError, match="names no sha256 digest where it must"):
        found.entries("manifests")


def test_a_registry_that_is_not_there_is_named() -> None:
    with serving() as server:
        address = server.address
    with pytest.raises(RegistryError, match=f"registry {address} does not answer \\(Connection refused\\)"):
        Registry(address).manifest("shop/web", "1.4.0", soon())


def test_a_registry_that_does_not_end_is_not_waited_for_without_end(server: RegistryServer) -> None:
    def slow(_: Question) -> Answer:
        time.sleep(1)
        return 200, {}, b"{}"

    server.intercept = slow
    start = time.monotonic()
    with pytest.raises(RegistryError, match="did not answer in time"):
        Registry(server.address).manifest("shop/web", "1.4.0", Deadline(0.2))
    assert time.monotonic() - start < 0.9


def test_a_busy_registry_is_asked_again(server: RegistryServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("verification.registry._PAUSE", 0.01)
    server.manifest("shop/web", TINY, "1.4.0")
    server.intercept = lambda _: (503, {}, b"") if len(server.asked) < 3 else None
    assert read(server, "1.4.0") is not None
    server.asked.clear()
    server.intercept = lambda _: (429, {}, b"")
    assert "does not give shop/web 1.4.0 (status 429)" in refused(server)
    assert len(server.asked) == 3


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


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("http://evil.example/x", "evil.example is not asked over http: only TLS is trusted there"),
        ("http://127.0.0.1:80@evil.example/x", "evil.example is not asked over http"),
        ("file:///etc/passwd", "only TLS is trusted there"),
        ("/again", "redirects without end"),
    ],
)
def test_a_redirect_to_anywhere_else_is_refused(server: RegistryServer, target: str, said: str) -> None:
    server.intercept = lambda _: (302, {"Location": target}, b"")
    assert said in refused(server)


def test_a_redirect_from_tls_stays_with_tls_and_away_from_this_machine() -> None:
    from verification.transport import TransportError, _refuse_weaker

    _refuse_weaker("https://registry.example/v2/", "https://storage.example/1")
    for target in ("http://registry.example/1", "http://127.0.0.1:2375/containers/json", "https://localhost/1"):
        with pytest.raises(TransportError, match=r"registry\.example redirects to .*, which is refused"):
            _refuse_weaker("https://registry.example/v2/", target)


@pytest.mark.parametrize("has_api", [True, False])
def test_what_refers_to_a_digest_is_found_with_and_without_the_api(server: RegistryServer, has_api: bool) -> None:
    server.has_referrers_api = has_api
    digest = server.manifest("shop/web", TINY)["digest"]
    other = server.manifest("shop/web", {**TINY, "artifactType": "application/x"})
    registry = Registry(server.address)
    assert registry.referrers("shop/web", digest, soon()) == []
    server.refer("shop/web", digest, {**other, "artifactType": "application/x", "annotations": {"a": "b"}})
    (found,) = registry.referrers("shop/web", digest, soon())
    assert (found.digest, found.artifact_type, found.annotations) == (other["digest"], "application/x", {"a": "b"})


def test_a_registry_without_the_api_is_asked_for_it_once(server: RegistryServer) -> None:
    digest = server.manifest("shop/web", TINY)["digest"]
    registry = Registry(server.address)
    for _ in range(3):
        registry.referrers("shop/web", digest, soon())
    assert sum("/referrers/" in path for path in server.paths) == 1


def test_all_pages_of_referrers_are_read(server: RegistryServer) -> None:
    digests = [f"sha256:{number:064x}" for number in range(3)]

    def page(question: Question) -> Answer | None:
        if "/referrers/" not in question.path:
            return None
        number = int(question.path.partition("page=")[2] or 0)
        body = json.dumps({"manifests": [{"digest": digests[number]}]}).encode()
        following = {"Link": f'<{question.path.partition("?")[0]}?page={number + 1}>; rel="next"'} if number < 2 else {}
        return 200, following, body

    server.intercept = page
    found = Registry(server.address).referrers("shop/web", digests[0], soon())
    assert [it.digest for it in found] == digests


def test_pages_without_end_or_of_another_host_are_refused(server: RegistryServer) -> None:
    target = "/v2/shop/web/referrers/x"
    server.intercept = lambda _: (200, {"Link": f'<{target}>; rel="next"'}, b'{"manifests": []}')
    with pytest.raises(RegistryError, match=r"lists what refers to .* without end"):
        Registry(server.address).referrers("shop/web", "sha256:" + "1f" * 32, soon())
    target = "https://evil.example/v2/"
    with pytest.raises(RegistryError, match=r"refers to evil\.example for a list: it is not followed"):
        Registry(server.address).referrers("shop/web", "sha256:" + "1f" * 32, soon())


@pytest.fixture(name="certificate", scope="module")
def certificate_and_key(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for loopback that signs itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    files = folder / "ca.crt", folder / "ca.key"
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=registry", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*made, *names, "-out", files[0], "-keyout", files[1]], check=True, capture_output=True)
    return files


def test_a_registry_with_an_authority_of_its_own_is_asked_over_tls(certificate: tuple[Path, Path]) -> None:
    with serving(certificate) as server:
        server.manifest("shop/web", TINY, "1.4.0")
        assert read(server, "1.4.0", Access(certificate_authority=certificate[0]))


def test_a_certificate_by_nobody_who_is_trusted_is_refused(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    other = tmp_path / "other.crt"
    made = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-subj",
        "/CN=x",
    ]
    subprocess.run([*made, "-out", other, "-keyout", tmp_path / "other.key"], check=True, capture_output=True)
    with serving(certificate) as server:
        said = refused(server, access=Access(certificate_authority=other))
    assert "its certificate is not trusted: self-signed certificate" in said


def test_an_authority_that_is_no_certificate_is_named(certificate: tuple[Path, Path]) -> None:
    with serving(certificate) as server:
        assert "does not answer (no TLS: " in refused(server, access=Access(certificate_authority=certificate[1]))


def test_a_proxy_of_the_environment_is_used_for_tls(server: RegistryServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://{server.address}")
    monkeypatch.setenv("NO_PROXY", "direct.example")
    with pytest.raises(RegistryError, match="Tunnel connection failed: 501"):
        Registry("registry.example").manifest("shop/web", "1.4.0", soon())
    with pytest.raises(RegistryError) as direct:
        Registry("direct.example").manifest("shop/web", "1.4.0", soon())
    assert "Tunnel" not in str(direct.value)
