"""The services of a preview: from the events of an engine to the report, with readers in the place of registries."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from commands.previews.change import SECRET, UNKNOWN, Resource, State, merged, plain
from commands.previews.commits import NotKnownError
from commands.previews.compare import Scan, service_report
from commands.previews.drafts import Access, drafts_of
from commands.previews.registry import Statements
from commands.previews.report import Service
from components.run import Run
from steps.predicates import SBOM, VULNERABILITIES

OLD, NEW = "sha256:" + "1" * 64, "sha256:" + "2" * 64
AMD, ARM = "linux/amd64", "linux/arm64"
QUARANTINE, PRIVATE = "localhost:5380/driftwood/web", "localhost:5443/driftwood/web"
STACK = "urn:pulumi:dev::slipway::pulumi:pulumi:Stack::slipway-dev"
DEFAULT = Run(name="default").properties()


def urn(type_: str, name: str) -> str:
    """A resource's URN, short of its parents' types."""
    return f"urn:pulumi:dev::slipway::{type_}::{name}"


def resource(type_: str, name: str, operation: str, before: State | None, after: State | None) -> Resource:
    """One resource."""
    return Resource(urn(type_, name), type_, operation, before, after)


def inputs(version: str, **changes: Any) -> dict[str, Any]:
    """The inputs of a release."""
    given: dict[str, Any] = {
        "image": {"context": ".", "quarantine": QUARANTINE, "version": version, "registry": None},
        "repository": PRIVATE,
        "key": {"public_key": "cosign.pub", "key": "cosign.key"},
        "channel": "dev",
        "access": {"username": "slipway", "password": {"file": "registry.password", "config": None}},
        "certificate_authority": "ca.crt",
        "scan": {"fail_on": ["HIGH", "CRITICAL"]},
    }
    return given | changes


def record(digest: str, version: str) -> dict[str, Any]:
    """What a stack exports of a release."""
    return {
        "digest": digest,
        "reference": f"{PRIVATE}@{digest}",
        "tag": f"{version}-dev.{digest[7:19]}",
        "version": version,
        "revision": "a" * 40,
    }


def build(operation: str, digest: Any, revision: str = "b" * 40, on_preview: bool = False) -> Resource:
    """The build of a release."""
    parent = urn("slipway:index:Image", "web-image")
    before = State({"buildArgs": {"REVISION": "a" * 40}, "buildOnPreview": on_preview}, {"digest": OLD}, parent)
    after = State({"buildArgs": {"REVISION": revision}, "buildOnPreview": on_preview}, {"digest": digest}, parent)
    return resource("docker-build:index:Image", "web-image-build", operation, before, after)


def workload(operation: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Resource]:
    """A container and its component."""
    type_ = "slipway:index:HardenedContainer"
    states = [
        State({"run": {"name": "web", **run}, "reference": f"{PRIVATE}@{OLD}"}, {}, STACK) for run in (before, after)
    ]
    own = State({"privileged": False}, {}, urn(type_, "web"))
    container = resource("docker:index/container:Container", "web-container", operation, own, own)
    return [resource(type_, "web", "same", states[0], states[1]), container]


def release(operation: str, digest: Any = UNKNOWN, **options: Any) -> list[Resource]:
    """A release of 1.4.0 that becomes one of 1.5.0."""
    outputs: dict[str, Any] = {"record": UNKNOWN, "reference": UNKNOWN}
    if operation == "same":
        digest, outputs = OLD, {"record": record(OLD, "1.4.0")}
    before = State(inputs("1.4.0"), {"record": record(OLD, "1.4.0")}, STACK)
    after = State(inputs("1.4.0" if operation == "same" else "1.5.0"), outputs, STACK)
    image = State({}, {}, urn("slipway:index:Release", "web"))
    return [
        resource("slipway:index:Release", "web", operation, before, after),
        resource("slipway:index:Image", "web-image", operation, image, image),
        build(operation, digest, **options),
    ]


def promotion() -> list[Resource]:
    """A promotion of another digest: the publication alone knows it at preview."""
    policy = {"stacks": ["staging"], "public_key": "staging.pub", "registries": [{"address": "localhost:5443"}]}
    given = {"policy": policy, "repository": "localhost:5444/driftwood/web", "channel": "release", "scan": {}}
    before = State(given, {"record": record(OLD, "1.4.0")}, STACK)
    type_ = "slipway:index:Promotion"
    parent = urn(type_, "web")
    taken = State({"reference": f"{PRIVATE}@{NEW}", "version": "1.5.0"}, {}, parent)
    oras = State({}, {}, urn("slipway:index:Publication", "web-publication"))
    return [
        resource(type_, "web", "same", before, State(given, {"record": UNKNOWN}, STACK)),
        resource("slipway:index:Publication", "web-publication", "update", None, taken),
        resource("command:local:Command", "web-publication-oras", "update", oras, oras),
    ]


@dataclass
class Images:
    """A reader that knows two images, or less."""

    unreadable: tuple[str, ...] = ()
    unattested: tuple[str, ...] = ()
    revisions: Mapping[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def platforms(self, places: Sequence[str]) -> Mapping[str, str]:
        """Both platforms, named after the index."""
        self.asked += places
        place = places[0]
        if place.endswith(self.unreadable):
            raise NotKnownError("the registry is away")
        return {AMD: f"{place}/amd64", ARM: f"{place}/arm64"}

    def layers(self, manifest: str) -> list[tuple[str, int]]:
        """A base, and a layer of its own."""
        return [("sha256:base", 1000), (f"sha256:{manifest}", 10 if OLD in manifest else 20)]

    def labels(self, manifest: str) -> Mapping[str, str]:
        """The revision."""
        digest = OLD if OLD in manifest else NEW
        return {"org.opencontainers.image.revision": self.revisions[digest]} if digest in self.revisions else {}

    def statements(self, manifest: str, key: str) -> Statements:
        """An SBOM with one library, and a report with one finding in it."""
        assert key in ("cosign.pub", "staging.pub")
        if any(digest in manifest for digest in self.unattested):
            return {}
        return attested(OLD in manifest)

    def context(self, places: Sequence[str], key: str) -> str | None:
        """The folder that the provenance names."""
        assert places and key
        return "small/web"


def attested(old: bool) -> Statements:
    """What is said of the old image, or of the new one."""
    version, finding = ("1.9.0", "CVE-1") if old else ("1.10.0", "CVE-2")
    bill = {"components": [{"purl": f"pkg:pypi/starlette@{version}", "version": version}]}
    found = {"VulnerabilityID": finding, "PkgName": "starlette", "InstalledVersion": version, "Severity": "HIGH"}
    return {SBOM: [bill], VULNERABILITIES: [{"scanner": {"result": {"Results": [{"Vulnerabilities": [found]}]}}}]}


def only(resources: Sequence[Resource], images: Images | None = None, scan: Scan | None = None) -> Service:
    """The report of the only service."""
    [draft], _ = drafts_of(resources)
    return service_report(draft, images or Images(), Path.cwd(), DEFAULT, scan)


def test_a_service_that_stays_asks_nobody() -> None:
    images = Images()
    service = only([*release("same"), *workload("same", {}, {})], images)
    assert (service.state, service.ships, service.resources, service.unknown) == ("unchanged", False, (), ())
    assert images.asked == []


def test_a_build_that_is_to_come_is_said_not_to_be_known() -> None:
    service = only(release("update"))
    assert (service.state, service.ships) == ("changed", True)
    assert service.before and service.after
    assert (service.before.digest, service.before.version, service.before.revision) == (OLD, "1.4.0", "a" * 40)
    assert (service.after.digest, service.after.version, service.after.revision) == (None, "1.5.0", "b" * 40)
    assert (service.layers, service.packages, service.vulnerabilities) == (None, None, None)
    assert service.unknown[0].startswith("digest: it is not built yet")
    assert "slipway:build_on_preview: true" in service.unknown[0]


@pytest.mark.parametrize("digest", ["", OLD, UNKNOWN], ids=["none", "the old one", "unknown"])
def test_what_the_provider_shows_of_a_changed_image_is_no_digest_unless_it_was_built(digest: str) -> None:
    service = only(release("update", digest))
    assert service.after and service.after.digest is None


def test_a_build_at_preview_makes_all_known() -> None:
    service = only(release("update", NEW, on_preview=True))
    assert service.after
    assert (service.after.digest, service.after.tag) == (NEW, f"1.5.0-dev.{'2' * 12}")
    assert service.layers and [(it.platform, it.pull_layers, it.pull_bytes) for it in service.layers] == [
        (AMD, 1, 20),
        (ARM, 1, 20),
    ]
    assert service.packages and [(it.name, it.change, it.platforms) for it in service.packages] == [
        ("starlette", "upgraded", (AMD, ARM))
    ]
    assert service.vulnerabilities
    assert [it.id for it in service.vulnerabilities.introduced] == ["CVE-2"]
    assert [it.id for it in service.vulnerabilities.fixed] == ["CVE-1"]
    assert [it.id for it in service.stopped_by] == ["CVE-2"]


def test_a_build_of_the_same_digest_changes_nothing_in_the_image_and_asks_nobody() -> None:
    images = Images()
    service = only(release("update", OLD, on_preview=True), images)
    assert (service.layers, service.packages) == ((), ())
    assert images.asked == []


def test_a_promotion_is_known_before_it_is_published() -> None:
    images = Images(revisions={OLD: "c" * 40, NEW: "d" * 40})
    service = only(promotion(), images)
    assert service.ships
    assert service.after
    assert service.after.model_dump() == {
        "digest": NEW,
        "reference": f"{PRIVATE}@{NEW}",
        "version": "1.5.0",
        "tag": "1.5.0",
        "revision": "d" * 40,
        "origin": "staging",
    }
    assert service.packages and service.vulnerabilities and service.layers
    assert service.stopped_by == ()
    assert f"{PRIVATE}@{NEW}" in images.asked


def test_a_promotion_is_looked_for_where_it_comes_from_until_it_is_published() -> None:
    resources = promotion()
    here = f"localhost:5444/driftwood/web@{NEW}"
    told = {"record": record(NEW, "1.5.0") | {"reference": here}}
    given = resources[0].after
    assert given
    known = replace(resources[0], after=State(given.inputs, told, STACK))
    images = Images()
    service = only([known, *resources[1:]], images)
    assert service.after and service.after.reference == here
    assert images.asked[-2:] == [here, f"{PRIVATE}@{NEW}"]


def test_the_commits_of_a_promotion_are_those_of_the_folder_that_its_provenance_names(
    repository: tuple[Path, list[str]],
) -> None:
    folder, hashes = repository
    [draft], _ = drafts_of(promotion())
    images = Images(revisions={OLD: hashes[0], NEW: hashes[2]})
    service = service_report(draft, images, folder, DEFAULT)
    assert service.commits and service.commits.context == "small/web"


def test_a_registry_that_does_not_answer_is_said_and_spoils_only_what_it_knows() -> None:
    service = only(release("update", NEW, on_preview=True), Images(unreadable=(NEW,)))
    assert (service.layers, service.packages, service.vulnerabilities) == (None, None, None)
    assert "layers, packages and vulnerabilities of what would ship: the registry is away" in service.unknown


def test_an_attestation_that_is_missing_is_said_once_for_all_platforms() -> None:
    service = only(release("update", NEW, on_preview=True), Images(unattested=(OLD,)))
    assert service.layers is not None
    assert (service.packages, service.vulnerabilities) == (None, None)
    told = f"of {PRIVATE}@{OLD} for {AMD}, {ARM} verifies with cosign.pub"
    assert f"packages of today's image: no SBOM {told}" in service.unknown
    assert f"vulnerabilities of today's image: no vulnerability report {told}" in service.unknown


def test_what_nobody_has_attested_yet_is_scanned_and_what_runs_is_not() -> None:
    scanned = []

    def scan(_side: Any, manifest: str, platform: str) -> Statements:
        scanned.append((NEW in manifest, platform))
        return attested(old=False)

    service = only(release("update", NEW, on_preview=True), Images(unattested=(NEW,)), scan)
    assert sorted(scanned) == [(True, AMD), (True, ARM)]
    assert service.vulnerabilities and service.vulnerabilities.introduced


def test_a_new_service_brings_all_of_its_image_and_what_is_weaker_than_the_default() -> None:
    after = State(inputs("1.5.0"), {"record": record(NEW, "1.5.0")}, STACK)
    run = State({"run": {"name": "web", "read_only": False}}, {}, STACK)
    made = State({}, {}, urn("slipway:index:HardenedContainer", "web"))
    service = only(
        [
            resource("slipway:index:Release", "web", "create", None, after),
            resource("slipway:index:HardenedContainer", "web", "create", None, run),
            resource("docker:index/container:Container", "web-container", "create", None, made),
        ]
    )
    assert (service.state, service.before, service.ships) == ("new", None, True)
    assert service.layers and service.layers[0].pull_layers == 2
    assert [it.setting for it in service.settings] == ["read_only"]
    assert service.commits is None


def test_a_service_that_goes_is_said_to() -> None:
    gone = State(inputs("1.4.0"), {"record": record(OLD, "1.4.0")}, STACK)
    command = State({}, {}, urn("slipway:index:Release", "web"))
    service = only(
        [
            resource("slipway:index:Release", "web", "delete", gone, None),
            resource("command:local:Command", "web-scan-trivy", "delete", command, None),
        ]
    )
    assert (service.state, service.after, service.ships) == ("removed", None, True)


def test_a_changed_setting_alone_ships_and_leaves_the_image() -> None:
    service = only([*release("same"), *workload("update", {"memory": 256}, {"memory": 512})])
    assert service.ships
    assert [(it.setting, it.weight) for it in service.settings] == [("memory", "loosens")]
    assert (service.layers, service.packages) == ((), ())


def test_a_gate_that_is_weakened_is_told_with_the_settings() -> None:
    before, after = inputs("1.4.0"), inputs("1.4.0", scan={"fail_on": ["CRITICAL"]})
    states = [State(it, {"record": record(OLD, "1.4.0")}, STACK) for it in (before, after)]
    command = State({}, {}, urn("slipway:index:Release", "web"))
    service = only(
        [
            resource("slipway:index:Release", "web", "update", states[0], states[1]),
            resource("command:local:Command", "web-scan-trivy", "update", command, command),
        ]
    )
    assert [(it.setting, it.weight) for it in service.settings] == [("scan.fail_on.HIGH", "weakens")]


def test_a_proof_alone_ships_nothing() -> None:
    proof = State({}, {}, STACK)
    command = State({}, {}, urn("slipway:index:Proof", "web"))
    service = only(
        [
            *release("same"),
            resource("slipway:index:Proof", "web", "same", proof, proof),
            resource("command:local:Command", "web-proof-cosign", "create", None, command),
        ]
    )
    assert (service.state, service.ships) == ("changed", False)


def test_what_belongs_to_no_service_stands_apart() -> None:
    state = State({}, {}, STACK)
    network = resource("docker:index/network:Network", "edge", "create", None, state)
    provider = resource("pulumi:providers:docker", "host-docker", "update", state, state)
    services, others = drafts_of([network, provider, resource("slipway:index:Host", "host", "same", state, state)])
    assert services == []
    assert [(it.operation, it.name) for it in others] == [("create", "edge")]


def test_the_registries_are_reached_as_the_settings_say() -> None:
    [draft], _ = drafts_of(release("update"))
    assert draft.accesses == (
        Access("localhost:5380"),
        Access("localhost:5443", "slipway", {"file": "registry.password"}, "ca.crt"),
    )


def test_a_replacement_is_one_resource() -> None:
    before, after = State({"a": 1}), State({"a": 2})
    where = urn("x:y:Z", "it")
    steps = [
        Resource(where, "x:y:Z", "replace", before, None),
        Resource(where, "x:y:Z", "replace", before, after),
        Resource(where, "x:y:Z", "replace", before, State({"a": 2}, {"b": 3})),
    ]
    assert merged(steps) == [Resource(where, "x:y:Z", "replace", before, State({"a": 2}, {"b": 3}))]


def test_secrets_and_unknown_values_become_words() -> None:
    secret = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "hunter2"}
    unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
    found = plain({"a": [secret, {"b": unknown}], "c": 1, "d": None})
    assert found == {"a": [SECRET, {"b": UNKNOWN}], "c": 1, "d": None}
    assert "hunter2" not in json.dumps(found)
