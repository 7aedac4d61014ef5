"""Built once, promoted as it is: staging's releases in production, another registry with other credentials, and back.

The fixtures are the story in its order; a test looks at one point of it.
"""

import base64
import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from components.record import ReleaseRecord
from tests.e2e.conftest import Checkout, commit
from tests.e2e.environments import PATH, build, edit, production, provide, record, registry, staging
from tests.e2e.names import PREFIX
from tests.e2e.shipped import get
from tests.e2e.small import refused

STAGING, PRODUCTION = "staging-web", "production-web"
ROLLBACK_SECONDS = 15.0
STEPS = "docs/workflows/steps"
SECRETS = {
    "own_password": "production-registry.password",
    "key_password": "production.password",
    "others_password": "registry.password",
}
"""Production's Pulumi secrets, and the generated ones that they are."""


@dataclass
class Shipped:
    """Staging and production after production's `up`."""

    staging: ReleaseRecord
    production: ReleaseRecord
    log: str
    preview: str
    page: str
    image: str
    """What the container in production says that it runs."""
    report: dict[str, Any]
    """What `slipway preview` said of the service before."""


def ship(checkout: Checkout, folder: Path) -> Shipped:
    """Preview production, bring up what was previewed, and look at it: the last by the steps of the workflows."""
    preview = checkout.preview(PRODUCTION).stdout
    checkout.run(f"{STEPS}/preview.sh", PRODUCTION)
    approved = folder / "preview.json"
    shutil.copy(checkout.root / ".slipway" / "reports" / PRODUCTION / "preview.json", approved)
    [report] = json.loads(approved.read_text())["services"]
    log = checkout.run(f"{STEPS}/promote.sh", PRODUCTION, str(approved)).stdout
    return seen(checkout, preview, log, report)


def seen(checkout: Checkout, preview: str, log: str, report: dict[str, Any]) -> Shipped:
    """Both stacks as they are now."""
    page = get(checkout.outputs(PRODUCTION)["web"]["url"] + "/")[1]
    image = checkout.inspect(f"{PREFIX}-{PRODUCTION}")["Config"]["Image"]
    return Shipped(record(checkout, STAGING), record(checkout, PRODUCTION), log, preview, page, image, report)


def of_production(settings: dict[str, Any]) -> None:
    """Every password is a Pulumi secret, encrypted in the stack's file, and the service is soon known as healthy."""
    settings["services"]["web"]["run"]["health"] = {"interval": 1}
    settings["registry"]["password"] = {"config": "own_password"}
    settings["sign"]["password"] = {"config": "key_password"}
    for registry_ in settings["promote"]["registries"]:
        registry_["password"] = {"config": "others_password"}


@pytest.fixture(scope="module", name="proved")
def staging_has_proved(checkout: Checkout) -> Iterator[ReleaseRecord]:
    """Staging has built and proved 1.4.0; production knows it and has done nothing yet."""
    provide(checkout)
    staging(checkout, STAGING)
    checkout.up(STAGING)
    production(checkout, PRODUCTION, takes=STAGING, change=of_production)
    for name, key in SECRETS.items():
        config = ["pulumi", "config", "set", "--secret", "--stack", PRODUCTION, f"slipway:{name}"]
        checkout.run(*config, input=checkout.key(key))
    commit(checkout.root, "set production's secrets")
    yield record(checkout, STAGING)
    checkout.run("pulumi", "state", "unprotect", "--all", "--yes", "--stack", PRODUCTION)


@pytest.fixture(scope="module", name="first")
def production_runs_the_first(
    checkout: Checkout, proved: ReleaseRecord, tmp_path_factory: pytest.TempPathFactory
) -> Shipped:
    """Production took 1.4.0."""
    assert proved.version == "1.4.0"
    return ship(checkout, tmp_path_factory.mktemp("approved"))


@pytest.fixture(scope="module", name="second")
def production_runs_the_second(checkout: Checkout, first: Shipped, tmp_path_factory: pytest.TempPathFactory) -> Shipped:
    """1.5.0 went the same way."""
    assert first.production.version == "1.4.0"
    build(checkout, STAGING, "1.5.0")
    checkout.run(f"{STEPS}/up.sh", STAGING)
    return ship(checkout, tmp_path_factory.mktemp("approved"))


@dataclass
class RolledBack:
    """Production after the rollback."""

    state: Shipped
    seconds: float
    pulled: list[str]


@pytest.fixture(scope="module", name="back")
def production_is_rolled_back(checkout: Checkout, second: Shipped) -> RolledBack:
    """Production runs 1.4.0 again."""
    assert second.production.version == "1.5.0"
    edit(checkout, PRODUCTION, lambda settings: settings["services"]["web"].update(version="1.4.0"))
    since, start = time.time(), time.monotonic()
    log = checkout.up(PRODUCTION).stdout
    seconds = time.monotonic() - start
    events = ["docker", "events", "--since", str(since), "--until", str(time.time()), "--filter", "event=pull"]
    pulled = checkout.run(*events).stdout.split("\n")
    return RolledBack(seen(checkout, "", log, {}), seconds, [line for line in pulled if PATH in line])


@pytest.fixture(scope="module", name="stopped")
def staging_is_stopped(checkout: Checkout, back: RolledBack) -> str:
    """Production is on 1.5.0 again, and staging's 1.6.0 has a vulnerable dependency: what `up` said."""
    assert back.state.production.version == "1.4.0"
    edit(checkout, PRODUCTION, lambda settings: settings["services"]["web"].pop("version"))
    checkout.up(PRODUCTION, "--skip-preview")
    build(checkout, STAGING, "1.6.0", package="Jinja2", release="2.10")
    return refused(checkout.up(STAGING, check=False), "1 finding(s) of severity HIGH or CRITICAL", "CVE-2019-10906")


def test_staging_signs_once_that_it_proved_its_release(checkout: Checkout, proved: ReleaseRecord) -> None:
    client = checkout.private
    assert client.login and client.authority
    command = ["cosign", "verify-attestation", "--key", ".slipway/keys/cosign.pub", "--insecure-ignore-tlog"]
    command += ["--registry-cacert", str(client.authority), "--type", "https://slipway.dev/proved/v1"]
    command += [f"--registry-username={client.login[0]}", f"--registry-password={client.login[1]}", proved.reference]
    said = [json.loads(line) for line in checkout.run(*command).stdout.splitlines() if line.startswith("{")]
    [predicate] = [json.loads(base64.b64decode(it["payload"]))["predicate"] for it in said]
    assert predicate.pop("time").endswith("Z")
    assert predicate == {
        "schemaVersion": 1,
        "project": "slipway",
        "stack": STAGING,
        "commit": proved.revision,
        "kind": "deployed",
        "checks": [{"name": "health", "result": "passed"}, {"name": "page", "result": "passed"}],
    }
    checkout.preview(STAGING, "--expect-no-changes")


def test_a_preview_of_production_knows_the_digest_and_what_was_verified(first: Shipped) -> None:
    digest = first.staging.digest
    assert f"web 1.4.0 ({digest}): signature, platforms and evidence verified" in first.preview
    assert f"proved by slipway/{STAGING} at" in first.preview
    assert "nothing in it stops today's scan" in first.preview
    assert f"{first.production.reference}" in first.preview


def test_the_report_of_a_promotion_compares_it_with_what_runs(first: Shipped, second: Shipped) -> None:
    assert first.report["before"] is None
    assert first.report["after"]["digest"] == first.staging.digest
    report = second.report
    assert report["ships"] is True
    assert report["unknown"] == []
    digests = [report[when]["digest"] for when in ("before", "after")]
    assert digests == [first.staging.digest, second.staging.digest]
    assert report["commits"]["added"]
    assert [it["platform"] for it in report["layers"]] == list(second.staging.platforms)
    assert all(0 < it["pull_layers"] < it["total_layers"] for it in report["layers"])
    assert report["packages"] == [] == report["vulnerabilities"]["introduced"]


def test_production_runs_the_very_digest_of_staging_from_a_registry_of_its_own(
    checkout: Checkout, first: Shipped
) -> None:
    own = registry(checkout)
    assert first.page == "tides of 1.4.0"
    assert first.production.digest == first.staging.digest
    assert first.production.reference == first.image == f"{own.address}/{PATH}@{first.staging.digest}"
    assert own.address != checkout.private.address
    for client, reference in ((checkout.private, first.staging.tag), (own, "1.4.0"), (own, first.staging.digest)):
        assert client.digest(PATH, reference) == first.staging.digest
    assert first.production.tag == "1.4.0"
    assert first.production.platforms == first.staging.platforms == ("linux/amd64", "linux/arm64")
    assert first.production.revision == first.staging.revision
    assert first.production.signature.repository == f"{checkout.private.address}/{PATH}"


def test_signature_evidence_and_proof_travelled_along(checkout: Checkout, first: Shipped) -> None:
    own = registry(checkout)
    for digest in (first.staging.digest, *own.platforms(PATH, first.staging.digest).values()):
        there = {it["digest"] for it in checkout.private.referrers(PATH, digest)}
        assert there
        assert there <= {it["digest"] for it in own.referrers(PATH, digest)}


def test_productions_passwords_are_pulumi_secrets_and_nowhere_in_plain_text(checkout: Checkout, first: Shipped) -> None:
    file = (checkout.root / "stacks" / f"Pulumi.{PRODUCTION}.yaml").read_text()
    state = checkout.run("pulumi", "stack", "export", "--stack", PRODUCTION).stdout
    for name, key in SECRETS.items():
        assert f"slipway:{name}:\n    secure: " in file
        assert checkout.key(key) not in file + state + first.log + first.preview


def test_production_builds_and_signs_nothing(checkout: Checkout, first: Shipped) -> None:
    state = checkout.run("pulumi", "stack", "export", "--stack", PRODUCTION).stdout
    assert "docker-build" not in state
    assert "steps.sign" not in state
    assert first.production.signature.version == "1.4.0"


@pytest.mark.parametrize("stack", [STAGING, PRODUCTION])
def test_the_state_of_either_stack_passes_the_policy_pack(checkout: Checkout, first: Shipped, stack: str) -> None:
    assert first.production.version == "1.4.0"
    checkout.run("pulumi", "policy", "analyze", *checkout.judged(stack), "--stack", stack)


def test_promotion_of_an_unchanged_release_is_a_preview_without_changes(checkout: Checkout, back: RolledBack) -> None:
    assert back.state.production.version == "1.4.0"
    ended = checkout.preview(PRODUCTION, "--expect-no-changes")
    assert "warning:" not in ended.stdout
    assert "verified" not in ended.stdout, "there is nothing new to tell"


def test_the_next_release_goes_the_same_way(checkout: Checkout, first: Shipped, second: Shipped) -> None:
    assert second.page == "tides of 1.5.0"
    assert second.production.digest == second.staging.digest != first.production.digest
    assert second.image == f"{registry(checkout).address}/{PATH}@{second.staging.digest}"
    assert registry(checkout).digest(PATH, "1.5.0") == second.staging.digest
    assert registry(checkout).digest(PATH, "1.4.0") == first.staging.digest


def test_a_rollback_takes_seconds_and_pulls_nothing(first: Shipped, back: RolledBack) -> None:
    assert back.state.page == "tides of 1.4.0"
    assert back.state.image == first.image
    # The summary of a scan is handed on by who made it, and staging has made another release since.
    assert back.state.production.model_copy(update={"scan": first.production.scan}) == first.production
    assert back.seconds < ROLLBACK_SECONDS
    assert back.pulled == []
    assert "is there already, and verified: nothing was copied" in back.state.log


def test_what_another_stack_has_made_since_the_approval_is_not_shipped(checkout: Checkout, back: RolledBack) -> None:
    assert back.state.production.version == "1.4.0"
    edit(checkout, PRODUCTION, lambda settings: settings["services"]["web"].pop("version"))
    try:
        approved = {"SLIPWAY_APPROVED": json.dumps({"web": back.state.production.digest})}
        ended = checkout.run(f"{STEPS}/up.sh", PRODUCTION, check=False, env=approved)
        refused(ended, f"web: approved was {back.state.production.digest}, what would ship now is")
    finally:
        edit(checkout, PRODUCTION, lambda settings: settings["services"]["web"].update(version="1.4.0"))


def test_a_release_with_a_vulnerable_dependency_never_leaves_staging(
    checkout: Checkout, second: Shipped, stopped: str
) -> None:
    assert "Nothing was signed or published" in stopped
    assert record(checkout, STAGING) == second.staging
    assert not [tag for tag in checkout.private.tags(PATH) | registry(checkout).tags(PATH) if tag.startswith("1.6")]
    checkout.preview(PRODUCTION, "--expect-no-changes")
    assert record(checkout, PRODUCTION).digest == second.staging.digest
