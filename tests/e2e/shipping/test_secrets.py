"""No secret's bytes where they do not belong: state, output, reports, layers, `docker inspect`, running processes."""

import gzip
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.e2e.leaks import GZIP, forms_of, leaks
from tests.e2e.oci import RegistryClient
from tests.e2e.shipped import CONTAINER, PLATFORMS, REPOSITORY, STACK, Shipped, get

_BULK = ("services/buildkit/root", "services/quarantine", "services/registry", "keys")
"""Below .slipway/: what is looked at as layers and blobs, and where secrets are meant to be."""


def files(folder: Path, without: Iterable[str] = ()) -> Iterator[tuple[str, bytes]]:
    """Every file below a folder."""
    left_out = [folder / name for name in without]
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not any(path.is_relative_to(it) for it in left_out):
            yield str(path.relative_to(folder)), path.read_bytes()


def layers(registry: RegistryClient, *references: str) -> dict[str, bytes]:
    """All blobs and manifests of artifacts, and of what refers to them."""
    found: dict[str, bytes] = {}
    for reference in references:
        found |= dict(registry.content(REPOSITORY, reference))
        for referrer in registry.referrers(REPOSITORY, reference) if ":" in reference else ():
            found |= dict(registry.content(REPOSITORY, referrer["digest"]))
    return found


@pytest.fixture(scope="module", name="secrets")
def all_secrets(shipped: Shipped) -> dict[str, bytes]:
    """Every secret of the checkout by name, in all forms."""
    return forms_of(shipped.checkout)


def test_a_leak_would_be_found() -> None:
    places = [("layer", gzip.compress(b"x tide-secret y")), ("state", b"{}")]
    assert leaks({"secret": b"tide-secret"}, places) == ["layer: secret"]


def test_the_exported_state_holds_no_secret(shipped: Shipped, secrets: dict[str, bytes]) -> None:
    state = shipped.checkout.run("pulumi", "stack", "export", "--stack", STACK).stdout
    assert "web-signature-cosign" in state
    assert not leaks(secrets, [("state", state.encode())])


def test_nothing_that_a_run_printed_holds_a_secret(shipped: Shipped, secrets: dict[str, bytes]) -> None:
    run = shipped.checkout.run
    preview = shipped.checkout.preview(STACK, "--diff", "--show-sames").stdout
    outputs = run("pulumi", "stack", "output", "--json", "--stack", STACK).stdout
    history = run("pulumi", "stack", "history", "--stack", STACK).stdout
    assert "web-publication-oras" in shipped.log
    printed = {"up": shipped.log, "preview": preview, "outputs": outputs, "history": history}
    assert not leaks(secrets, [(place, text.encode()) for place, text in printed.items()])


def test_reports_logs_backend_and_stack_files_hold_no_secret(shipped: Shipped, secrets: dict[str, bytes]) -> None:
    root = shipped.checkout.root
    looked = dict(files(root / ".slipway", without=_BULK)) | dict(files(root / "stacks"))
    for service in (root / ".slipway" / "services").iterdir():
        looked |= {f"{service.name}/{path.name}": path.read_bytes() for path in service.iterdir() if path.is_file()}
    names = " ".join(looked)
    assert all(f"{STACK}/web/{platform.replace('/', '-')}.sarif" in names for platform in PLATFORMS)
    assert f"{STACK}.json" in names  # the backend's own copy of the state
    assert not leaks(secrets, looked.items())


def test_no_layer_holds_a_secret(shipped: Shipped, secrets: dict[str, bytes]) -> None:
    private, quarantine = shipped.checkout.private, shipped.checkout.quarantine
    found = layers(private, shipped.record.digest, *private.platforms(REPOSITORY, shipped.record.digest).values())
    found |= layers(quarantine, "cache")  # also the builder stage's layers, where the build secrets were used
    assert any(b"driftwood/application.py" in gzip.decompress(it) for it in found.values() if it.startswith(GZIP))
    assert not leaks(secrets, found.items())


def test_docker_shows_no_secret(shipped: Shipped, secrets: dict[str, bytes]) -> None:
    run = shipped.checkout.run
    assert get(shipped.url + "/tides/salt-mill", shipped.checkout.key("db_password"))[0] == 200
    network = run("docker", "inspect", "--format", "{{.HostConfig.NetworkMode}}", CONTAINER).stdout.strip()
    shown = {
        "container": run("docker", "inspect", CONTAINER).stdout,
        "image": run("docker", "image", "inspect", shipped.record.reference).stdout,
        "history": run("docker", "history", "--no-trunc", shipped.record.reference).stdout,
        "network": run("docker", "network", "inspect", network).stdout,
        "logs": run("docker", "logs", CONTAINER).stdout,
    }
    assert json.loads(shown["container"])[0]["Name"] == f"/{CONTAINER}"
    assert "/tides/salt-mill" in shown["logs"]
    assert not leaks(secrets, [(place, text.encode()) for place, text in shown.items()])


def test_no_process_had_a_secret_on_its_command_line_or_in_its_environment(
    shipped: Shipped, secrets: dict[str, bytes]
) -> None:
    watcher = shipped.watcher
    tools = (["cosign", "sign"], ["cosign", "attest"], ["oras", "cp"], ["trivy", "image"])
    for words in (*tools, ["steps.secret_file"], ["resource-docker"]):
        assert watcher.ran(*words), f"the watcher saw no {' '.join(words)}"
    assert not leaks(secrets, [(_head(seen), seen) for seen in watcher.seen])


def _head(seen: bytes) -> str:
    """Enough of a command line to tell the process by."""
    return seen.split(b"\0")[0].decode(errors="replace")[:80]
