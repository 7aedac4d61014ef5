"""Operating releases with the real registries, stacks and engine: who runs what, approving, proving again, cleaning.

The fixtures are the story in its order; a test looks at one point of it.
"""

import base64
import json
import re
import shlex
import subprocess
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from components.record import ReleaseRecord
from tests.e2e.conftest import Checkout, commit
from tests.e2e.environments import build, edit, production, provide, record, registry, staging
from tests.e2e.names import PREFIX
from tests.e2e.small import APP, refused, small_stack, write_context

STAGING, PRODUCTION, DEV = "ops-staging", "ops-production", "ops-dev"
REPOSITORY, DEV_REPOSITORY = "operations/web", "operations/dev"
REASON = "the page was compared with the printed tide tables"
EVERYTHING = ("--older-than", "0s", "--keep", "0")


def slipway(
    checkout: Checkout, *arguments: str, check: bool = True, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run the command line; standard error is part of the output."""
    return checkout.run("python", "-m", "commands", *arguments, check=check, **options)


def data(checkout: Checkout, *arguments: str) -> dict[str, Any]:
    """What a verb prints as data."""
    command = shlex.join(["python", "-m", "commands", *arguments, "--json"])
    found: dict[str, Any] = json.loads(checkout.run("sh", "-c", f"{command} 2>/dev/null").stdout)
    return found


def stack_of(report: dict[str, Any], name: str) -> dict[str, Any]:
    """One stack of what `releases` tells."""
    [found] = [it for it in report["stacks"] if it["stack"] == name]
    return dict(found)


def said(checkout: Checkout, reference: str, type_: str, key: str) -> list[dict[str, Any]]:
    """What cosign itself verifies of a release of staging, without any of Slipway's own code."""
    client = checkout.private
    assert client.login and client.authority
    command = ["cosign", "verify-attestation", "--key", key, "--insecure-ignore-tlog", "--type", type_]
    command += ["--registry-cacert", str(client.authority), f"--registry-username={client.login[0]}"]
    ended = checkout.run(*command, f"--registry-password={client.login[1]}", reference, check=False)
    lines = [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]
    return [json.loads(base64.b64decode(it["payload"]))["predicate"] for it in lines]


def proofs(checkout: Checkout, reference: str) -> list[str]:
    """The kinds of what staging has proved of a release, in no order: cosign has none."""
    known = said(checkout, reference, "https://slipway.dev/proved/v1", ".slipway/keys/cosign.pub")
    return sorted(it["kind"] for it in known)


def approvals(checkout: Checkout, reference: str) -> list[dict[str, Any]]:
    """What Ada has approved of a release."""
    return said(checkout, reference, "https://slipway.dev/approved/v1", ".slipway/keys/ada.pub")


@pytest.fixture(scope="module", name="proved")
def staging_has_proved(checkout: Checkout) -> Iterator[ReleaseRecord]:
    """Staging has built and proved 1.4.0; production takes nothing that Ada has not approved."""
    provide(checkout)
    ada = {"COSIGN_PASSWORD": "correct horse"}
    checkout.run("cosign", "generate-key-pair", "--output-key-prefix", ".slipway/keys/ada", env=ada)
    staging(checkout, STAGING, lambda settings: settings["services"]["web"].update(repository=REPOSITORY))
    checkout.up(STAGING, "--skip-preview")

    def approved(settings: dict[str, Any]) -> None:
        settings["promote"]["approval"] = {"approvers": {"ada": ".slipway/keys/ada.pub"}}
        settings["services"]["web"]["repository"] = REPOSITORY

    production(checkout, PRODUCTION, STAGING, approved)
    yield record(checkout, STAGING)
    checkout.run("pulumi", "state", "unprotect", "--all", "--yes", "--stack", PRODUCTION)


def approve(checkout: Checkout, artifact: str, password: str = "correct horse") -> subprocess.CompletedProcess[str]:
    """Let Ada approve a release for production."""
    key = ["--key", ".slipway/keys/ada.key", "--reason", REASON]
    return slipway(checkout, "approve", PRODUCTION, artifact, *key, input=f"{password}\n", check=False)


@pytest.fixture(scope="module", name="approved")
def ada_has_approved(checkout: Checkout, proved: ReleaseRecord) -> str:
    """What production said before, and what `approve` said, twice."""
    before = refused(checkout.preview(PRODUCTION, check=False), "an approval by ada is missing")
    assert "`slipway approve ops-production DIGEST --key KEY --reason TEXT`" in before
    first, second = approve(checkout, proved.digest), approve(checkout, "1.4.0")
    assert (first.returncode, second.returncode) == (0, 0), first.stdout + second.stdout
    assert f"{proved.reference} is approved for {PRODUCTION} by ada" in first.stdout
    return second.stdout


@pytest.fixture(scope="module", name="shipped")
def production_runs_it(checkout: Checkout, proved: ReleaseRecord, approved: str) -> ReleaseRecord:
    """Production took 1.4.0."""
    assert "already approved" in approved
    checkout.up(PRODUCTION, "--skip-preview")
    taken = record(checkout, PRODUCTION)
    assert taken.digest == proved.digest
    return taken


@pytest.fixture(scope="module", name="rolled_back")
def production_went_on_and_back(checkout: Checkout, shipped: ReleaseRecord) -> tuple[str, str]:
    """The digests of 1.4.0, which runs in production again, and of 1.5.0, which runs in staging."""
    build(checkout, STAGING, "1.5.0")
    commit(checkout.root, "staging builds 1.5.0")
    checkout.up(STAGING, "--skip-preview")
    newer = record(checkout, STAGING)
    assert approve(checkout, newer.digest).returncode == 0
    checkout.up(PRODUCTION, "--skip-preview")
    edit(checkout, PRODUCTION, lambda settings: settings["services"]["web"].update(version="1.4.0"))
    checkout.up(PRODUCTION, "--skip-preview")
    assert record(checkout, PRODUCTION).digest == shipped.digest
    return shipped.digest, newer.digest


def test_an_approval_is_signed_once_and_cosign_alone_verifies_it(
    checkout: Checkout, proved: ReleaseRecord, approved: str
) -> None:
    assert f"{proved.reference} is already approved for {PRODUCTION} by ada" in approved
    [predicate] = approvals(checkout, proved.reference)
    assert predicate.pop("time").endswith("Z")
    assert predicate == {
        "schemaVersion": 1,
        "project": "slipway",
        "stack": PRODUCTION,
        "approver": "ada",
        "reason": REASON,
    }


def test_an_approval_with_a_wrong_password_or_of_nothing_is_refused(checkout: Checkout, approved: str) -> None:
    assert approved
    wrong = refused(approve(checkout, "1.4.0", "wrong horse"), "the password does not open .slipway/keys/ada.key")
    assert "wrong horse" not in wrong
    refused(approve(checkout, f"sha256:{'d' * 64}"), f"{'d' * 64} is neither in")
    refused(approve(checkout, "9.9.9"), "there is no 9.9.9 in")


def test_releases_tells_the_same_digest_in_both_stacks_with_its_proofs_and_approval(
    checkout: Checkout, shipped: ReleaseRecord
) -> None:
    report = data(checkout, "releases", STAGING, PRODUCTION)
    assert [it["stack"] for it in report["stacks"]] == [STAGING, PRODUCTION]
    assert [it["problems"] for it in report["stacks"]] == [[], []]
    [staged], [taken] = (stack_of(report, name)["services"] for name in (STAGING, PRODUCTION))
    assert staged["digest"] == taken["digest"] == shipped.digest
    assert staged["reference"] != taken["reference"]
    assert (staged["version"], taken["version"], taken["tag"]) == ("1.4.0", "1.4.0", "1.4.0")
    assert [it["kind"] for it in taken["proofs"]] == ["deployed"]
    assert [(it["approver"], it["reason"]) for it in taken["approvals"]] == [("ada", REASON)]
    assert taken["project_commit"].partition("-")[0] in checkout.run("git", "log", "--format=%H").stdout
    assert taken["since"] > staged["since"]
    started = checkout.inspect(f"{PREFIX}-{PRODUCTION}")["Created"]
    assert abs(_seconds(taken["since"]) - _seconds(started)) < 60


def _seconds(time: str) -> float:
    from steps.proofs import moment

    return moment(time[:19] + "Z").timestamp()


def test_releases_as_a_table_and_as_a_drawing(checkout: Checkout, shipped: ReleaseRecord) -> None:
    shown = slipway(checkout, "releases", STAGING, PRODUCTION, "--svg", "where.svg").stdout
    short = shipped.digest.removeprefix("sha256:")[:12]
    assert "What runs where" in shown and shown.count(short) >= 2
    root = ElementTree.parse(checkout.root / "where.svg").getroot()
    words = [it.text for it in root.iter("{http://www.w3.org/2000/svg}text")]
    assert words.count(short) == 2 and {STAGING, PRODUCTION, "web", "1.4.0", "proved · approved"} <= set(words)
    (checkout.root / "where.svg").unlink()


def test_prove_looks_again_and_signs_that_it_held(checkout: Checkout, shipped: ReleaseRecord) -> None:
    reference = record(checkout, STAGING).reference
    assert shipped.digest in reference
    before = proofs(checkout, reference)
    shown = slipway(checkout, "prove", STAGING).stdout
    assert "web 1.4.0: held (digest, health, page): " in shown
    assert proofs(checkout, reference) == sorted([*before, "held"])
    answer = data(checkout, "prove", STAGING)
    assert [(it["service"], it["held"]) for it in answer["services"]] == [("web", True)]


def test_prove_of_a_container_that_somebody_stopped_fails_and_signs_nothing(
    checkout: Checkout, shipped: ReleaseRecord
) -> None:
    reference = record(checkout, STAGING).reference
    assert shipped.digest in reference
    before = proofs(checkout, reference)
    checkout.run("docker", "stop", f"{PREFIX}-{STAGING}")
    try:
        ended = slipway(checkout, "prove", STAGING, check=False)
        assert ended.returncode == 1
        refused(ended, "error: web 1.4.0 does not hold: container", "does not run: it is exited")
        assert proofs(checkout, reference) == before
    finally:
        checkout.run("docker", "start", f"{PREFIX}-{STAGING}")


def test_prove_of_a_service_whose_page_is_gone_fails(checkout: Checkout, shipped: ReleaseRecord) -> None:
    assert shipped
    file = checkout.root / "stacks" / f"Pulumi.{STAGING}.yaml"
    text = file.read_text()
    try:
        file.write_text(text.replace("tides of", "tides on the moon"))
        checkout.edit_stack(STAGING, lambda settings: settings["prove"].update(wait=1))
        refused(slipway(checkout, "prove", STAGING, check=False), "page: ", "answers without 'tides on the moon' in it")
    finally:
        file.write_text(text)


def test_releases_remembers_what_ran_before_and_after_a_rollback(
    checkout: Checkout, rolled_back: tuple[str, str]
) -> None:
    older, newer = rolled_back
    report = data(checkout, "releases", STAGING, PRODUCTION)
    deployed = stack_of(report, PRODUCTION)["history"]
    assert [(it["version"], it["digest"]) for it in deployed] == [("1.4.0", older), ("1.5.0", newer), ("1.4.0", older)]
    assert [it["known_from"] for it in deployed] == ["outputs", "proof", "proof"]
    assert [it["digest"] for it in stack_of(report, STAGING)["history"]] == [newer, older]
    [now] = stack_of(report, PRODUCTION)["services"]
    assert now["digest"] == older and now["since"] > deployed[1]["time"]


def places(checkout: Checkout, *arguments: str) -> dict[str, dict[str, Any]]:
    """What `clean-registry` tells of each registry, for one repository."""
    report = data(checkout, "clean-registry", *EVERYTHING, *arguments)
    return {it["repository"].partition("/")[0]: it for it in report["places"]}


def test_clean_registry_leaves_all_that_ran(checkout: Checkout, rolled_back: tuple[str, str]) -> None:
    found = places(checkout, "--repository", REPOSITORY)
    clients = (checkout.private, registry(checkout))
    assert found.keys() == {checkout.quarantine.address, *(it.address for it in clients)}
    assert {it["digest"] for place in found.values() for it in place["goes"]} & set(rolled_back) == set()
    told = slipway(checkout, "clean-registry", *EVERYTHING, "--repository", REPOSITORY, "--yes").stdout
    assert re.search(rf"\d+ stacks of file://\S+: .*organization/slipway/{PRODUCTION}\b", told)
    for client in clients:
        for digest in rolled_back:
            assert client.manifest(REPOSITORY, digest)
            assert client.referrers(REPOSITORY, digest)
    checkout.preview(PRODUCTION, "--expect-no-changes")
    slipway(checkout, "prove", PRODUCTION)


@dataclass
class Builds:
    """Three builds of one stack: Pulumi knows the first by the resource's id, and runs the last."""

    first: str
    second: str
    third: str


@pytest.fixture(scope="module", name="builds")
def three_builds(checkout: Checkout) -> Builds:
    """A stack of channel dev whose service was edited twice."""
    small_stack(checkout, DEV, lambda settings: settings["services"]["web"].update(repository=DEV_REPOSITORY))
    checkout.write_policy(DEV, platforms=["linux/amd64"])
    digests = []
    for number in range(3):
        write_context(checkout, DEV, {"app.py": f"# build {number}\n{APP}"})
        checkout.up(DEV, "--skip-preview")
        digests.append(record(checkout, DEV).digest)
    assert len(set(digests)) == 3
    return Builds(*digests)


def test_clean_registry_removes_a_candidate_with_all_that_refers_to_it(checkout: Checkout, builds: Builds) -> None:
    quarantine, private = checkout.quarantine, checkout.private
    [platform] = quarantine.platforms(DEV_REPOSITORY, builds.second).values()
    attached = [it["digest"] for of in (builds.second, platform) for it in quarantine.referrers(DEV_REPOSITORY, of)]
    assert len(attached) >= 5, "two signatures, provenance, report, SBOM"
    before = quarantine.tags(DEV_REPOSITORY)
    found = places(checkout, "--repository", DEV_REPOSITORY)
    for client in (quarantine, private):
        [going] = found[client.address]["goes"]
        assert going["digest"] == builds.second
        assert going["bytes"] > 1000 and going["manifests"] >= 2 + len(attached)
        assert client.manifest(DEV_REPOSITORY, builds.second), "a dry run deletes nothing"
    ended = slipway(checkout, "clean-registry", *EVERYTHING, "--repository", DEV_REPOSITORY, "--yes", check=False)
    assert ended.returncode == 1
    refused(ended, f"registry {private.address} allows no deletion in {DEV_REPOSITORY}. Nothing was deleted there.")
    for digest in (builds.second, platform, *attached):
        assert quarantine.manifest(DEV_REPOSITORY, digest) is None
        assert private.manifest(DEV_REPOSITORY, digest)
    assert before - quarantine.tags(DEV_REPOSITORY) == {it.replace(":", "-") for it in (builds.second, platform)}
    for digest in (builds.first, builds.third):
        assert quarantine.manifest(DEV_REPOSITORY, digest) and quarantine.referrers(DEV_REPOSITORY, digest)
    checkout.preview(DEV, "--expect-no-changes")


def test_clean_registry_refuses_where_a_history_cannot_be_read(
    checkout: Checkout, rolled_back: tuple[str, str]
) -> None:
    assert rolled_back
    folder = checkout.root / ".slipway" / "backend" / ".pulumi" / "history" / "slipway" / PRODUCTION
    broken = sorted(folder.glob("*.history.json*"))[0]
    text = broken.read_bytes()
    try:
        broken.write_bytes(text[: len(text) // 2])
        ended = slipway(checkout, "clean-registry", *EVERYTHING, "--yes", check=False)
        assert ended.returncode == 2
        refused(ended, f"stack organization/slipway/{PRODUCTION} cannot be read, so nothing is known to be unused")
    finally:
        broken.write_bytes(text)


def test_clean_registry_refuses_where_a_state_cannot_be_read(checkout: Checkout, rolled_back: tuple[str, str]) -> None:
    assert rolled_back
    folder = checkout.root / ".slipway" / "backend" / ".pulumi" / "stacks" / "slipway"
    broken = folder / "ops-broken.json"
    checkout.run("pulumi", "stack", "init", "ops-broken", "--no-select")
    text = broken.read_text()
    try:
        broken.write_text(text[: len(text) // 2])
        ended = slipway(checkout, "clean-registry", *EVERYTHING, "--yes", check=False)
        assert ended.returncode == 2
        refused(ended, "Pulumi cannot say what this needs (`pulumi stack ls")
    finally:
        broken.write_text(text)
        checkout.run("pulumi", "stack", "rm", "ops-broken", "--yes")
