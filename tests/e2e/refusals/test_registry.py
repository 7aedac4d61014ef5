"""Faults of registries and of the signing key: what is refused says why, and nothing is published."""

import base64
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Checkout, commit
from tests.e2e.small import (
    attempt,
    container_of,
    containers,
    digest_in_state,
    refused,
    repositories,
    resources,
    small_stack,
)

TAKEN = "1.4.0"


class Plain(BaseHTTPRequestHandler):
    """A server that speaks no TLS, and keeps to itself what it is asked."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def published(checkout: Checkout) -> str:
    """A stack that released version 1.4.0 of the small service and runs nothing."""

    def change(settings: dict[str, Any]) -> None:
        settings["channel"] = "release"
        del settings["services"]["web"]["run"]

    stack = small_stack(checkout, "published", change)
    checkout.up(stack, "--skip-preview")
    return stack


@pytest.fixture
def broken(checkout: Checkout, published: str, request: pytest.FixtureRequest) -> Callable[..., str]:
    """Makes a stack that builds the very image of the published one, with one setting broken."""

    def make(change: Callable[[dict[str, Any]], None]) -> str:
        return small_stack(checkout, request.node.name.removeprefix("test_").replace("_", "-")[:40], change)

    return make


def assert_not_published(checkout: Checkout, stack: str) -> None:
    """The private registry has never heard of the stack's repository, and nothing runs."""
    assert f"{stack}/web" not in repositories(checkout.private)
    assert containers(checkout, container_of(stack)) == []


def secret_file(folder: Path, text: str) -> dict[str, str]:
    """A secret by file."""
    path = folder / "secret"
    path.write_text(text)
    path.chmod(0o600)
    return {"file": str(path)}


def test_registries_that_do_not_answer_are_all_named_before_anything_is_made(
    checkout: Checkout, broken: Callable[..., str]
) -> None:
    def change(settings: dict[str, Any]) -> None:
        settings["quarantine"]["address"] = "localhost:1"
        settings["registry"]["address"] = "localhost:2"

    stack = broken(change)
    output = refused(
        attempt(checkout, stack),
        "nothing was changed",
        "slipway:quarantine.address: localhost:1 does not answer",
        "slipway:registry.address: localhost:2 does not answer",
        "start it (`make up` does)",
    )
    assert "slipway:docker" not in output
    assert resources(checkout, stack) == set()


def test_wrong_credentials_of_the_private_registry_are_named(
    checkout: Checkout, broken: Callable[..., str], tmp_path: Path
) -> None:
    wrong = secret_file(tmp_path, "not-the-password")
    stack = broken(lambda settings: settings["registry"].update(password=wrong))
    output = refused(
        attempt(checkout, stack),
        "web-publication-oras",
        f"registry {checkout.private.address} refuses the credentials for {stack}/web",
        "check registry.username and the secret that registry.password names",
    )
    assert "not-the-password" not in output
    assert_not_published(checkout, stack)


def test_an_unknown_authority_of_the_private_registry_is_named(checkout: Checkout, broken: Callable[..., str]) -> None:
    stack = broken(lambda settings: settings["registry"].pop("certificate_authority"))
    refused(
        attempt(checkout, stack),
        "web-publication-oras",
        f"registry {checkout.private.address}",
        "registry.certificate_authority",
    )
    assert_not_published(checkout, stack)


def test_a_wrong_password_of_the_signing_key_is_named(
    checkout: Checkout, broken: Callable[..., str], tmp_path: Path
) -> None:
    wrong = secret_file(tmp_path, "not-the-password")
    stack = broken(lambda settings: settings["sign"].update(password=wrong))
    output = refused(
        attempt(checkout, stack),
        "web-signature-cosign",
        "signing key .slipway/keys/cosign.key: the password does not open it",
        "check the secret that `sign.password` names",
    )
    assert "not-the-password" not in output
    assert_not_signed(checkout, stack)
    assert_not_published(checkout, stack)


def test_a_file_that_is_no_key_is_named(checkout: Checkout, broken: Callable[..., str], tmp_path: Path) -> None:
    no_key = tmp_path / "no.key"
    no_key.write_text("no key\n")
    stack = broken(lambda settings: settings["sign"].update(key=str(no_key)))
    refused(attempt(checkout, stack), "web-signature-cosign", f"signing key {no_key}", "check `sign.key`")
    assert_not_signed(checkout, stack)
    assert_not_published(checkout, stack)


def test_a_public_key_of_another_pair_stops_before_publication(
    checkout: Checkout, broken: Callable[..., str], tmp_path: Path
) -> None:
    checkout.run("cosign", "generate-key-pair", cwd=tmp_path, env={"COSIGN_PASSWORD": "another"})
    other = tmp_path / "cosign.pub"
    stack = broken(lambda settings: settings["sign"].update(public_key=str(other)))
    refused(
        attempt(checkout, stack),
        "web-verification-cosign",
        f"does not verify with {other}",
        "Nothing was published. Check that sign.key and sign.public_key are one pair.",
    )
    assert_not_published(checkout, stack)


def assert_not_signed(checkout: Checkout, stack: str) -> None:
    """Quarantine holds the candidate, but nothing that refers to it."""
    candidate = digest_in_state(checkout, stack)
    assert checkout.quarantine.manifest(f"{stack}/web", candidate)
    assert checkout.quarantine.referrers(f"{stack}/web", candidate) == []


@pytest.fixture(scope="module")
def second_release(checkout: Checkout, published: str) -> tuple[str, str, str]:
    """The digest of the first release, and the preview and `up` of another image under the same version."""
    first = checkout.private.digest(f"{published}/web", TAKEN)
    assert first is not None
    app = checkout.root / "small" / published / "app.py"
    app.write_text(app.read_text() + "# another image\n")
    commit(checkout.root, "write another image", f"small/{published}")
    refusal = refused(attempt(checkout, published))
    # The candidate is in the state now: its digest is known during preview.
    return first, refusal, refused(checkout.preview(published, check=False))


def test_a_version_that_names_another_digest_is_not_published_again(
    checkout: Checkout, published: str, second_release: tuple[str, str, str]
) -> None:
    first, output, _ = second_release
    assert f"{checkout.private.address}/{published}/web:{TAKEN}" in output
    assert first in output
    assert checkout.private.digest(f"{published}/web", TAKEN) == first
    candidate = digest_in_state(checkout, published)
    assert candidate != first
    assert checkout.private.manifest(f"{published}/web", candidate) is None, "the claim comes before the copy"


def test_a_taken_version_is_told_during_preview_where_the_digest_is_known(
    second_release: tuple[str, str, str],
) -> None:
    first, _, preview = second_release
    assert first in preview
    assert f"/web:{TAKEN}" in preview


def test_a_taken_version_says_what_to_do(second_release: tuple[str, str, str]) -> None:
    for output in second_release[1:]:
        assert "A release is immutable: raise `version`, or build the commit that was released; " in output


def test_a_registry_that_is_no_registry_is_named(checkout: Checkout, broken: Callable[..., str]) -> None:
    """Something listens on the port but speaks no TLS."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Plain) as plain:
        threading.Thread(target=plain.serve_forever, daemon=True).start()
        address = f"localhost:{plain.server_port}"
        stack = broken(lambda settings: settings["registry"].update(address=address))
        output = refused(attempt(checkout, stack), "web-publication-oras", f"registry {address}")
        plain.shutdown()
    assert output.count("Diagnostics:") == 1
    assert containers(checkout, container_of(stack)) == []


def test_quarantine_under_another_name_is_no_private_registry(checkout: Checkout, broken: Callable[..., str]) -> None:
    address = checkout.quarantine.address.replace("localhost", "127.0.0.1")
    stack = broken(lambda settings: settings["registry"].update(address=address))
    refused(attempt(checkout, stack), "quarantine and registry are one registry")


def test_candidates_are_built_and_published_from_a_path_of_quarantine(checkout: Checkout) -> None:
    """A registry that is shared with others keeps candidates in a place of its own."""
    stack = small_stack(checkout, "below", lambda settings: settings["quarantine"].update(path="team/candidates"))
    checkout.up(stack, "--skip-preview")
    digest = digest_in_state(checkout, stack)
    assert checkout.quarantine.manifest(f"team/candidates/{stack}/web", digest) is not None
    assert checkout.quarantine.manifest(f"{stack}/web", digest) is None
    assert checkout.private.manifest(f"{stack}/web", digest) is not None


def test_a_login_of_docker_login_publishes_and_pulls(checkout: Checkout, tmp_path: Path) -> None:
    """Nothing in the settings says who somebody is."""

    def change(settings: dict[str, Any]) -> None:
        del settings["registry"]["username"], settings["registry"]["password"]

    stack = small_stack(checkout, "logged-in", change)
    login = base64.b64encode(":".join(checkout.private.login or ()).encode()).decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {checkout.private.address: {"auth": login}}}))
    as_user: dict[str, Any] = {"env": {"DOCKER_CONFIG": str(tmp_path)}}
    at_once = ["--yes", "--skip-preview", "--stack", stack]
    checkout.run("pulumi", "up", *at_once, *checkout.judged(stack), **as_user)
    assert checkout.inspect(container_of(stack))["State"]["Health"]["Status"] == "healthy"
    assert login not in json.dumps(checkout.state(stack))
    checkout.run("pulumi", "destroy", *at_once, **as_user)


def test_every_run_above_ended_without_a_lock(checkout: Checkout) -> None:
    """A failed run hands its lock back: the next one needs no recovery."""
    locks = Path(checkout.root, ".slipway", "backend", ".pulumi", "locks")
    assert not list(locks.rglob("*.json"))
