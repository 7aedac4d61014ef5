"""What must not reach production, and what must not keep it from there: each fault says what is missing."""

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from components.record import ReleaseRecord
from tests.e2e.conftest import Checkout
from tests.e2e.environments import FAULTS as PATH
from tests.e2e.environments import PROVED as STAGING
from tests.e2e.environments import attest, production, record, registry, staging
from tests.e2e.small import refused, repositories, resources

PRODUCTION = "production-faults"
NOT_PROVED = f"slipway/{STAGING} has not proved it: bring it up there until it is healthy and its smoke test passes"


Fault = Callable[..., str]


@pytest.fixture(name="told")
def what_production_says(checkout: Checkout, release: ReleaseRecord) -> Fault:
    """Previews a production with one thing changed, which must fail, and returns what it said."""

    def preview(change: Callable[[dict[str, Any]], None], *told: str, takes: str = STAGING) -> str:
        production(checkout, PRODUCTION, takes, change, PATH)
        output = refused(checkout.preview(PRODUCTION, check=False), *told)
        assert resources(checkout, PRODUCTION) == set()
        assert PATH not in repositories(registry(checkout))
        return output

    assert release.version == "1.4.0"
    return preview


def unchanged(_settings: dict[str, Any]) -> None:
    """Change nothing."""


def key_pair(checkout: Checkout, folder: Path, name: str) -> str:
    """A key pair of somebody else; the path of the public key."""
    checkout.run("cosign", "generate-key-pair", "--output-key-prefix", name, cwd=folder, env={"COSIGN_PASSWORD": ""})
    return str(folder / f"{name}.pub")


# Nothing to take.


def test_a_stack_that_does_not_exist_is_named(told: Fault) -> None:
    told(unchanged, "no-such-stack", takes="no-such-stack")


def test_a_stack_that_was_never_deployed_is_named_with_what_to_do(checkout: Checkout, told: Fault) -> None:
    staging(checkout, "staging-never", path=PATH)
    told(
        unchanged,
        "stack staging-never has no release of web to take: it exports none",
        "bring it up first, with `pulumi up --stack staging-never`",
        takes="staging-never",
    )


def test_a_record_that_was_made_elsewhere_is_refused(checkout: Checkout, told: Fault, tmp_path: Path) -> None:
    staging(checkout, "staging-copied", path=PATH)
    exported = json.loads(checkout.run("pulumi", "stack", "export", "--stack", STAGING).stdout)
    text = json.dumps(exported).replace(f":{STAGING}:", ":staging-copied:").replace(f"-{STAGING}", "-staging-copied")
    (tmp_path / "state.json").write_text(text)
    checkout.run("pulumi", "stack", "import", "--stack", "staging-copied", "--file", str(tmp_path / "state.json"))
    try:
        told(
            unchanged, f"its record is that of slipway/{STAGING}, not of slipway/staging-copied", takes="staging-copied"
        )
    finally:
        empty = json.loads(text)
        empty["deployment"].pop("resources", None)
        (tmp_path / "state.json").write_text(json.dumps(empty))
        checkout.run("pulumi", "stack", "import", "--stack", "staging-copied", "--file", str(tmp_path / "state.json"))


def test_a_record_of_another_service_is_refused(told: Fault) -> None:
    def change(settings: dict[str, Any]) -> None:
        settings["services"]["web"]["repository"] = "faults/tide"

    told(change, "its record is of faults/web, this service is faults/tide")


@contextlib.contextmanager
def without(checkout: Checkout, digest: str) -> Iterator[None]:
    """The private registry as it is after somebody has deleted a manifest from it."""
    data = checkout.root / ".slipway" / "services" / "registry" / "data" / "docker" / "registry" / "v2"
    link = data / "repositories" / PATH / "_manifests" / "revisions" / "sha256" / digest.removeprefix("sha256:")
    aside = link.with_name(f"{link.name}.aside")
    link.rename(aside)
    try:
        yield
    finally:
        aside.rename(link)


def test_a_digest_that_was_deleted_from_the_registry_is_told(
    checkout: Checkout, release: ReleaseRecord, told: Fault
) -> None:
    with without(checkout, release.digest):
        told(
            unchanged,
            f"web 1.4.0 ({release.digest}) cannot be promoted: {checkout.private.address}/{PATH} does not hold it",
            f"the record of slipway/{STAGING} names it",
        )


def test_a_platform_that_was_deleted_from_the_registry_is_told(
    checkout: Checkout, release: ReleaseRecord, told: Fault
) -> None:
    with without(checkout, checkout.private.platforms(PATH, release.digest)["linux/arm64"]):
        told(unchanged, f"{checkout.private.address}/{PATH} has lost the manifest of linux/arm64")


# Who said so.


def test_a_signature_by_another_key_is_none(checkout: Checkout, told: Fault, tmp_path: Path) -> None:
    other = key_pair(checkout, tmp_path, "other")
    told(
        lambda settings: settings["promote"].update(public_key=other),
        f"it is not signed with {other}",
        NOT_PROVED,
    )


@dataclass
class Sibling:
    """A release of the same service that nobody has proved."""

    stack: str
    reference: str
    digest: str


@pytest.fixture(scope="module", name="sibling")
def unproved_sibling(checkout: Checkout, release: ReleaseRecord) -> Sibling:
    """What a stack has built that proves nothing; it lies beside staging's release."""

    def change(settings: dict[str, Any]) -> None:
        settings.pop("prove")
        settings["services"]["web"].pop("run")
        settings["services"]["web"]["version"] = "1.4.1"

    staging(checkout, "staging-sibling", change, PATH)
    checkout.up("staging-sibling", "--skip-preview")
    found = record(checkout, "staging-sibling")
    assert found.digest != release.digest
    return Sibling("staging-sibling", found.reference, found.digest)


def proof_of(stack: str, **changes: Any) -> dict[str, Any]:
    """What a stack says when it has proved something."""
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    predicate = {"schemaVersion": 1, "project": "slipway", "stack": stack, "commit": "5" * 40, "time": now}
    return predicate | {"kind": "deployed", "checks": []} | changes


def test_what_nobody_has_proved_is_not_taken(sibling: Sibling, told: Fault) -> None:
    told(unchanged, f"slipway/{sibling.stack} has not proved it", takes=sibling.stack)


def test_a_proof_of_a_sibling_counts_for_nothing(
    checkout: Checkout, release: ReleaseRecord, sibling: Sibling, told: Fault, tmp_path: Path
) -> None:
    client = checkout.private
    assert client.login
    proofs = [it for it in client.referrers(PATH, release.digest) if "proved" in json.dumps(it.get("annotations"))]
    manifest = client.manifest(PATH, proofs[0]["digest"])
    assert manifest
    layer = manifest["layers"][0]
    (tmp_path / "bundle.json").write_bytes(client.blob(PATH, layer["digest"]))
    command = [
        "oras",
        "attach",
        "--ca-file",
        str(client.authority),
        "--plain-http=false",
        "--username",
        client.login[0],
    ]
    command += [f"--password={client.login[1]}", "--artifact-type", manifest["artifactType"]]
    command += [f"--annotation={name}={text}" for name, text in proofs[0]["annotations"].items() if "predicate" in name]
    checkout.run(*command, sibling.reference, f"bundle.json:{layer['mediaType']}", cwd=tmp_path)
    # The production that trusts staging's word finds staging's word, about something else.
    change = {"from": [sibling.stack, STAGING], "requires": "any"}
    told(
        lambda settings: settings["promote"].update(change),
        f"one of these is enough: slipway/{sibling.stack} has not proved it",
        f"or {NOT_PROVED}",
    )


def test_a_proof_by_another_key_counts_for_nothing(
    checkout: Checkout, sibling: Sibling, told: Fault, tmp_path: Path
) -> None:
    key_pair(checkout, tmp_path, "forger")
    attest(checkout, sibling.reference, "proved", proof_of(sibling.stack), str(tmp_path / "forger.key"), tmp_path)
    told(unchanged, f"slipway/{sibling.stack} has not proved it", takes=sibling.stack)


def test_a_clock_that_is_wrong_is_told(checkout: Checkout, sibling: Sibling, told: Fault, tmp_path: Path) -> None:
    future = (datetime.now(UTC) + timedelta(days=2)).isoformat(timespec="seconds").replace("+00:00", "Z")
    key = str(checkout.root / ".slipway" / "keys" / "cosign.key")
    attest(checkout, sibling.reference, "proved", proof_of(sibling.stack, time=future), key, tmp_path)
    told(unchanged, f"slipway/{sibling.stack} proved it at {future}, which is in the future: check the clocks",
         takes=sibling.stack)  # fmt: skip


def test_a_soak_that_is_not_over_says_how_long_is_left(told: Fault) -> None:
    output = told(
        lambda settings: settings["promote"].update(soak=24),
        f"the soak in slipway/{STAGING} is not over",
        "of 1 d are left",
    )
    assert "23 h" in output


def test_an_approval_is_asked_for_and_found(
    checkout: Checkout, release: ReleaseRecord, told: Fault, tmp_path: Path
) -> None:
    maria, eve = key_pair(checkout, tmp_path, "maria"), key_pair(checkout, tmp_path, "eve")
    assert eve != maria

    def change(settings: dict[str, Any]) -> None:
        settings["promote"]["approval"] = {"approvers": {"maria": maria}}

    missing = f"an approval by maria is missing: `slipway approve {PRODUCTION} DIGEST --key KEY --reason TEXT`"
    told(change, missing)
    predicate = proof_of(PRODUCTION, reason="looked at it", approver="maria")
    attest(checkout, release.reference, "approved", predicate, str(tmp_path / "eve.key"), tmp_path)
    told(change, missing)
    attest(checkout, release.reference, "approved", predicate, str(tmp_path / "maria.key"), tmp_path)
    production(checkout, PRODUCTION, STAGING, change, PATH)
    assert "approved by maria" in checkout.preview(PRODUCTION).stdout


# What is known today.


def test_a_report_that_is_too_old_for_a_first_time_is_told_with_what_adds_one(told: Fault) -> None:
    told(
        lambda settings: settings["promote"].update(report_age=0.00001),
        "its newest vulnerability report for linux/amd64, linux/arm64 is",
        f"old, more than 1 s (promote.report_age): `slipway rescan {STAGING}` attests today's",
    )


def test_a_cve_that_was_published_in_between_stops_it_unless_it_is_excepted(
    checkout: Checkout, today: str, told: Fault
) -> None:
    output = told(
        lambda settings: settings["scan"].update(database=today),
        "1 finding(s) of severity HIGH or CRITICAL are known today",
        "CVE-2026-11111",
        "accept a finding for a time under scan.ignore",
    )
    assert NOT_PROVED not in output
    until = (datetime.now(UTC) + timedelta(days=7)).date().isoformat()
    excepted = {"id": "CVE-2026-11111", "reason": "it is not reachable from outside", "expires": until}
    production(checkout, PRODUCTION, STAGING, lambda it: it["scan"].update(database=today, ignore=[excepted]), PATH)
    assert "nothing in it stops today's scan" in checkout.preview(PRODUCTION).stdout


# What must not matter, and what must not be lost.


def test_a_tag_that_is_moved_between_the_stacks_does_not_matter(
    checkout: Checkout, release: ReleaseRecord, sibling: Sibling
) -> None:
    production(checkout, PRODUCTION, STAGING, path=PATH)
    checkout.private.move_tag(PATH, release.tag, sibling.digest)
    try:
        assert f"web 1.4.0 ({release.digest}): signature" in checkout.preview(PRODUCTION).stdout
    finally:
        checkout.private.move_tag(PATH, release.tag, release.digest)
