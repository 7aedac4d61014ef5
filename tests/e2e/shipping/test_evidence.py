"""Evidence, told from outside: cosign's own commands, `slipway evidence`, `slipway rescan`, and what forgeries meet."""

import base64
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from components.record import ReleaseRecord
from tests.e2e.conftest import Checkout
from tests.e2e.environments import publish_database
from tests.e2e.forgery import Forger
from tests.e2e.leaks import forms_of, leaks
from tests.e2e.oci import INDEX, RegistryClient
from tests.e2e.shipped import scan_of
from tests.e2e.small import DOCKERFILE, refused, small_stack

STACK = "evidence"
REPOSITORY = f"{STACK}/web"
PLATFORMS = ("linux/amd64", "linux/arm64")
VULNERABILITIES = "https://cosign.sigstore.dev/attestation/vuln/v1"
TYPES = {"index": ["slsaprovenance1"]} | {platform: ["vuln", "cyclonedx"] for platform in PLATFORMS}
ADVISORY, CVE = "GHSA-462w-v97r-4m45", "CVE-2019-10906"
SOURCE = "https://git.driftwood.example/driftwood/evidence"
PACKAGE = "Metadata-Version: 2.1\nName: Jinja2\nVersion: 2.10\n"


@dataclass
class Attested:
    """A stack that is up, whose image has a package that the database of its scan knew nothing about."""

    checkout: Checkout
    record: ReleaseRecord
    manifests: dict[str, str]
    """Digests of the index and of each platform."""
    outside: dict[str, str]
    """What somebody else has who was given a login and the registry's certificate authority."""

    def referrers(self, registry: RegistryClient) -> dict[str, set[str]]:
        """The digests of what refers to each manifest."""
        return {
            name: {it["digest"] for it in registry.referrers(REPOSITORY, digest)}
            for name, digest in self.manifests.items()
        }

    def slipway(self, *arguments: str, check: bool = True) -> Any:
        """Run the command line as a prepared shell does."""
        return self.checkout.run("slipway", *arguments, check=check)

    def urn(self, name: str) -> str:
        """The URN of a resource."""
        urns = [str(it["urn"]) for it in self.checkout.state(STACK)["resources"]]
        return next(urn for urn in urns if urn.endswith(f"::{name}"))


@pytest.fixture(scope="module", name="attested")
def stack_with_evidence(checkout: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Attested:
    """The small service for two platforms, brought up once."""
    database = earlier_database(checkout, tmp_path_factory.mktemp("advisories"))

    def change(settings: dict[str, Any]) -> None:
        settings["scan"]["database"] = database
        build = settings["services"]["web"]["build"]
        build |= {"platforms": list(PLATFORMS), "source": SOURCE, "arguments": {"FLAVOUR": "salt"}}
        build["secrets"] = {"pip_token": {"file": ".slipway/keys/pip_token"}}

    dockerfile = DOCKERFILE.replace("USER 10001", "COPY METADATA /app/Jinja2-2.10.dist-info/\nUSER 10001")
    # The lock has a shorter name for it, by which BuildKit finds it as well: the official one is out of reach here.
    dockerfile = dockerfile.replace("FROM python", "FROM docker.io/library/python")
    small_stack(checkout, STACK, change, {"Dockerfile": dockerfile, "METADATA": PACKAGE})
    checkout.up(STACK, "--skip-preview")
    record = ReleaseRecord.model_validate(checkout.outputs(STACK)["web"]["release"])
    private = checkout.private
    manifests = {"index": record.digest, **private.platforms(REPOSITORY, record.digest)}
    folder = tmp_path_factory.mktemp("outside")
    assert private.login and private.authority
    auth = base64.b64encode(":".join(private.login).encode()).decode()
    (folder / "config.json").write_text(json.dumps({"auths": {private.address: {"auth": auth}}}))
    outside = {"DOCKER_CONFIG": str(folder), "SSL_CERT_FILE": str(private.authority)}
    return Attested(checkout, record, manifests, outside)


def earlier_database(checkout: Checkout, folder: Path) -> str:
    """Publish a database that lacks one advisory, as it was before somebody wrote it."""
    advisories = folder / "advisories"
    shutil.copytree(checkout.root / "toolchain" / "advisories", advisories)
    (advisories / f"{ADVISORY}.json").unlink()
    registry = f"{checkout.quarantine.address}/earlier"
    publish_database(checkout, registry, folder / "work", advisories)
    return f"{registry}/trivy-db:2"


def statements(attested: Attested, name: str, type_: str) -> list[dict[str, Any]]:
    """What `cosign verify-attestation` shows of one manifest in the private registry."""
    private = attested.checkout.private
    command = ["cosign", "verify-attestation", "--key", ".slipway/keys/cosign.pub", "--private-infrastructure"]
    reference = f"{private.address}/{REPOSITORY}@{attested.manifests[name]}"
    ended = attested.checkout.run(*command, "--type", type_, reference, env=attested.outside)
    lines = [line for line in ended.stdout.splitlines() if line.startswith("{")]
    return [json.loads(base64.b64decode(json.loads(line)["payload"])) for line in lines]


@pytest.mark.parametrize(("name", "type_"), [(name, type_) for name, types in TYPES.items() for type_ in types])
def test_cosign_verifies_each_attestation_and_it_is_about_this_manifest(
    attested: Attested, name: str, type_: str
) -> None:
    found = statements(attested, name, type_)
    assert len(found) == 1
    assert found[0]["subject"][0]["digest"]["sha256"] == attested.manifests[name].removeprefix("sha256:")


@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_vulnerability_report_is_the_scans_own_and_says_how_old_its_database_is(
    attested: Attested, platform: str
) -> None:
    [statement] = statements(attested, platform, "vuln")
    predicate = statement["predicate"]
    kept = attested.checkout.root / scan_of(attested.record).reports / f"{platform.replace('/', '-')}.json"
    assert predicate["scanner"]["result"] == json.loads(kept.read_text())
    assert predicate["scanner"]["db"]["lastUpdate"] == scan_of(attested.record).database
    assert predicate["scanner"]["uri"].startswith("pkg:github/aquasecurity/trivy@0.")
    assert predicate["metadata"]["scanFinishedOn"] == scan_of(attested.record).scanned
    assert predicate["invocation"]["parameters"]["platform"] == platform


@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_sbom_lists_the_packages_of_the_image_and_no_vulnerabilities(attested: Attested, platform: str) -> None:
    [statement] = statements(attested, platform, "cyclonedx")
    document = statement["predicate"]
    assert document["bomFormat"] == "CycloneDX"
    assert {("Jinja2", "2.10")} <= {(it["name"], it.get("version")) for it in document["components"]}
    assert any(it.get("purl", "").startswith("pkg:deb/") for it in document["components"])
    assert "vulnerabilities" not in document


def test_the_provenance_says_from_what_it_was_built_and_when(attested: Attested) -> None:
    checkout = attested.checkout
    [statement] = statements(attested, "index", "slsaprovenance1")
    definition, run = statement["predicate"]["buildDefinition"], statement["predicate"]["runDetails"]
    found = {it["name"]: it for it in definition["resolvedDependencies"]}
    commit = checkout.run("git", "log", "-1", "--format=%H", "--", f"small/{STACK}").stdout.strip()
    assert found["source"]["digest"] == {"gitCommit": commit}
    assert found["source"]["annotations"] == {"dirty": False}
    assert found["source"]["uri"] == f"git+{SOURCE}"
    lock = json.loads((checkout.root / ".slipway" / "base-images.lock.json").read_text())
    base = f"{found['python:3.12-slim']['uri']}@sha256:{found['python:3.12-slim']['digest']['sha256']}"
    assert base == f"docker-image://{lock['python:3.12-slim']}"
    assert set(found) == {"source", "Dockerfile", "python:3.12-slim"}
    parameters = definition["externalParameters"]
    assert parameters["arguments"]["FLAVOUR"] == "salt"
    assert parameters["platforms"] == list(PLATFORMS)
    assert parameters["secrets"] == ["pip_token"]
    assert run["builder"]["version"]["buildkit"].startswith("v0.")
    assert run["metadata"]["startedOn"] <= run["metadata"]["finishedOn"] <= scan_of(attested.record).scanned


def test_all_of_it_was_published_as_it_is(attested: Attested) -> None:
    before = attested.referrers(attested.checkout.quarantine)
    assert before == attested.referrers(attested.checkout.private)
    assert {name: len(found) for name, found in before.items()} == {"index": 2} | dict.fromkeys(PLATFORMS, 3)


def test_no_secret_is_in_any_of_it(attested: Attested) -> None:
    secrets = forms_of(attested.checkout)
    looked: list[tuple[str, bytes]] = []
    for registry in (attested.checkout.private, attested.checkout.quarantine):
        for name, digests in attested.referrers(registry).items():
            for digest in digests:
                for place, content in registry.content(REPOSITORY, digest):
                    looked.append((f"{name} {place}", content))
                    if payload := re.search(rb'"payload":"([^"]+)"', content):
                        looked.append((f"{name} {place} payload", base64.b64decode(payload[1])))
    assert any(b"pip_token" in content for _, content in looked), "the name of the build secret is no secret"
    assert len([place for place, _ in looked if place.endswith("payload")]) == 16
    assert not leaks(secrets, looked)


@pytest.mark.parametrize("flags", [[], ["web-evidence-cosign"]], ids=["a second up", "an up that attests again"])
def test_it_is_written_once_a_digest(attested: Attested, flags: list[str]) -> None:
    checkout = attested.checkout
    before = attested.referrers(checkout.quarantine), attested.referrers(checkout.private)
    checkout.up(STACK, "--skip-preview", *(part for name in flags for part in ("--replace", attested.urn(name))))
    assert (attested.referrers(checkout.quarantine), attested.referrers(checkout.private)) == before
    checkout.preview(STACK, "--expect-no-changes")


@contextmanager
def without(attested: Attested, registry: RegistryClient, platform: str, type_: str) -> Iterator[None]:
    """A registry whose list of referrers has lost one, as after a race of two writers; it is put back."""
    digest = attested.manifests[platform]
    tag = digest.replace(":", "-")
    whole = registry.manifest(REPOSITORY, tag)
    assert whole
    left = [it for it in whole["manifests"] if it["annotations"]["dev.sigstore.bundle.predicateType"] != type_]
    assert len(left) < len(whole["manifests"])
    _put(registry, tag, whole | {"manifests": left})
    try:
        yield
    finally:
        _put(registry, tag, whole)


def _put(registry: RegistryClient, tag: str, content: dict[str, Any]) -> None:
    path, body = f"{REPOSITORY}/manifests/{tag}", json.dumps(content).encode()
    status, _, answer = registry.request(path, "PUT", body, Content_Type=INDEX)
    assert status == 201, answer


def test_an_attestation_that_is_missing_or_by_another_key_stops_before_publication(
    attested: Attested, tmp_path: Path
) -> None:
    checkout = attested.checkout
    quarantine, platform = checkout.quarantine, "linux/arm64"
    reference = f"{quarantine.address}/{REPOSITORY}@{attested.manifests[platform]}"
    again = ["--skip-preview", "--replace", attested.urn("web-verification-cosign")]
    told = ["web-verification-cosign", f"{reference}: no vulnerability report of this key", "Nothing was published"]
    with without(attested, quarantine, platform, VULNERABILITIES):
        refused(checkout.up(STACK, *again, check=False), *told)
        checkout.run("cosign", "generate-key-pair", cwd=tmp_path, env={"COSIGN_PASSWORD": ""})
        (tmp_path / "clean.json").write_text('{"scanner": {"result": {}}}')
        forge = ["cosign", "attest", "--yes", "--key", str(tmp_path / "cosign.key"), "--tlog-upload=false"]
        forge += ["--use-signing-config=false", "--allow-http-registry", "--type", "vuln"]
        forge += ["--predicate", str(tmp_path / "clean.json"), reference]
        checkout.run(*forge, env={"COSIGN_PASSWORD": ""})
        assert len(quarantine.referrers(REPOSITORY, attested.manifests[platform])) == 3
        refused(checkout.up(STACK, *again, check=False), *told)
    checkout.up(STACK, "--skip-preview", *again)


def test_an_image_that_refers_to_the_artifact_is_not_published_with_it(attested: Attested) -> None:
    checkout, quarantine = attested.checkout, attested.checkout.quarantine
    tag = attested.record.digest.replace(":", "-")
    before = quarantine.manifest(REPOSITORY, tag)
    assert before
    again = ["--skip-preview", "--replace", attested.urn("web-publication-oras")]
    image = Forger(quarantine, REPOSITORY).smuggle(attested.record.digest, attested.manifests["linux/amd64"])
    try:
        refused(
            checkout.up(STACK, *again, check=False), "an image that no gate has seen refers to this artifact", image
        )
        assert checkout.private.manifest(REPOSITORY, image) is None
    finally:
        _put(quarantine, tag, before)
    checkout.up(STACK, *again)


def test_slipway_evidence_shows_it_as_tables_and_as_data(attested: Attested) -> None:
    shown = " ".join(attested.slipway("evidence", attested.record.reference, "--stack", STACK).stdout.split())
    for text in (
        "Who signed",
        "version 1.4.0",
        "1 MEDIUM",
        "CycloneDX 1.6",
        "FLAVOUR=salt",
        "urn:slipway:builder:buildkit",
    ):
        assert text in shown
    tagged = attested.record.reference.replace(f"@{attested.record.digest}", f":{attested.record.tag}")
    key = ["--key", ".slipway/keys/cosign.pub", "--stack", STACK, "--json"]
    found = json.loads(attested.slipway("evidence", tagged, *key).stdout)
    assert found["digest"] == attested.record.digest
    assert found["lacking"] == []
    assert set(found["unverified"].values()) == {0}
    assert {platform: it["digest"] for platform, it in found["platforms"].items()} == {
        platform: attested.manifests[platform] for platform in PLATFORMS
    }


def test_slipway_evidence_believes_no_other_key(attested: Attested, tmp_path: Path) -> None:
    attested.checkout.run("cosign", "generate-key-pair", cwd=tmp_path, env={"COSIGN_PASSWORD": ""})
    key = ["--key", str(tmp_path / "cosign.pub"), "--stack", STACK]
    ended = attested.slipway("evidence", attested.record.reference, *key, check=False)
    assert ended.returncode == 1
    assert "no provenance of this key" in ended.stdout
    assert "2 of index, 3 of linux/amd64, 3 of linux/arm64" in " ".join(ended.stdout.split())


def test_other_inputs_that_come_to_the_same_digest_are_attested_and_published(attested: Attested) -> None:
    checkout = attested.checkout
    container = checkout.outputs(STACK)["web"]["container"]
    moved = f"{SOURCE}-moved"
    checkout.edit_stack(STACK, lambda settings: settings["services"]["web"]["build"].update(source=moved))
    checkout.up(STACK, "--skip-preview")
    said = [it["predicate"]["buildDefinition"] for it in statements(attested, "index", "slsaprovenance1")]
    assert [it["resolvedDependencies"][0]["uri"] for it in said] == [f"git+{SOURCE}", f"git+{moved}"]
    assert checkout.outputs(STACK)["web"]["release"]["digest"] == attested.record.digest
    assert checkout.outputs(STACK)["web"]["container"] == container
    checkout.preview(STACK, "--expect-no-changes")


def test_a_rescan_adds_what_is_newly_known_and_says_so_once(attested: Attested) -> None:
    checkout = attested.checkout
    exported = ["pulumi", "stack", "export", "--stack", STACK]
    state, before = checkout.run(*exported).stdout, attested.referrers(checkout.private)
    calm = attested.slipway("rescan", STACK)
    assert "0 new" in calm.stdout
    checkout.edit_stack(STACK, lambda settings: settings["scan"].update(database=today(checkout)))
    news = attested.slipway("rescan", STACK, check=False)
    assert news.returncode == 1, news.stdout
    [row] = [line for line in news.stdout.splitlines() if CVE in line]
    assert row.split()[:5] == ["HIGH", CVE, "Jinja2", "2.10", "2.10.1"]
    printed = attested.slipway("rescan", STACK, "--json").stdout
    [again] = json.loads(printed[printed.index("{") :])["services"]  # after what it said of its progress
    assert again["new"] == []
    assert [it["vulnerability"] for it in again["findings"]].count(CVE) == 1
    after = attested.referrers(checkout.private)
    assert after["index"] == before["index"]
    for platform in PLATFORMS:
        assert before[platform] < after[platform]
        assert len(after[platform] - before[platform]) == 3
        assert len(statements(attested, platform, "vuln")) == 4
    assert checkout.run(*exported).stdout == state
    assert attested.slipway("rescan", STACK, "--severity", "SEVERE", check=False).returncode == 2


def today(checkout: Checkout) -> str:
    """Today's database."""
    return f"{checkout.quarantine.address}/trivy-db:2"
