"""The registry client: it believes nothing, and waits for nothing without end."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.policy.asked import TINY, certificate_and_key, read, refused, registry_server, soon
from tests.policy.registry_server import INDEX, Answer, Question, RegistryServer, serving
from verification.registry import Access, Registry, RegistryError
from verification.transport import Deadline

__all__ = ["certificate_and_key", "registry_server"]  # fixtures


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
        time.sleep(3)
        return 200, {}, b"{}"

    server.intercept = slow
    start = time.monotonic()
    with pytest.raises(RegistryError, match="did not answer in time"):
        Registry(server.address).manifest("shop/web", "1.4.0", Deadline(0.2))
    assert time.monotonic() - start < 2.5


def test_a_busy_registry_is_asked_again(server: RegistryServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("verification.registry._PAUSE", 0.01)
    server.manifest("shop/web", TINY, "1.4.0")
    server.intercept = lambda _: (503, {}, b"") if len(server.asked) < 3 else None
    assert read(server, "1.4.0") is not None
    server.asked.clear()
    server.intercept = lambda _: (429, {}, b"")
    assert "does not give shop/web 1.4.0 (status 429)" in refused(server)
    assert len(server.asked) == 3


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
