"""Publication: which tags an artifact gets, what a release claims, and when."""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from components.publication import Publication, PublicationArgs, own_tag
from components.registry import PrivateRegistry, RegistryAccess
from steps.publish import read_request
from tests.programs import PASSWORDS, SECRETS, source
from tests.recording import CANDIDATE, RELEASED, Engine, component


def args(**changes: Any) -> PublicationArgs:
    """The sample's publication."""
    given_: dict[str, Any] = {
        "reference": CANDIDATE,
        "repository": "localhost:5443/driftwood/web",
        "version": "1.4.0",
        "access": RegistryAccess(username="publisher", password=source("registry")),
        "source_access": RegistryAccess(username="builder", password=source("quarantine")),
        "certificate_authority": "ca.crt",
        "public_key": "cosign.pub",
        "annotations": {"version": "1.4.0"},
    }
    return PublicationArgs(**given_ | changes)


def engine_of(engine: Engine | None = None, **changes: Any) -> Engine:
    """The engine after a publication with these arguments."""
    return (engine or Engine()).good(lambda: Publication("web", args(**changes)), secrets=SECRETS)


def tags_of(engine: Engine) -> list[str]:
    """The tags that the step puts on."""
    publish = engine.step("publish")
    return list(read_request(json.loads(publish.inputs["stdin"]), publish.command[1:])[0].tags)


def test_a_stack_that_makes_no_releases_tags_each_digest_with_a_name_of_its_own() -> None:
    engine = engine_of()
    publish = engine.step("publish")
    assert publish.values("--tag") == ["1.4.0-dev.0123456789ab"]
    assert publish.values("--immutable-tag") == []
    assert engine.calls == []  # nothing is claimed


def test_the_channel_is_part_of_the_tag() -> None:
    assert tags_of(engine_of(channel="staging")) == ["1.4.0-staging.0123456789ab"]


def test_a_release_claims_its_version_as_an_immutable_tag() -> None:
    publish = engine_of(channel="release").step("publish")
    assert publish.values("--immutable-tag") == ["1.4.0"]
    assert publish.values("--tag") == []


def test_a_release_moves_its_series_only_when_asked_for() -> None:
    assert tags_of(engine_of(channel="release", series=True)) == ["1.4.0", "1.4", "1"]
    assert tags_of(engine_of(channel="release", series=False)) == ["1.4.0"]


def test_a_prerelease_never_moves_a_series() -> None:
    assert tags_of(engine_of(channel="release", series=True, version="1.4.0-rc.1")) == ["1.4.0-rc.1"]
    flowing = pulumi.Output.from_input("1.5.0-rc.1")
    assert tags_of(promoted(series=True, version=flowing)) == ["1.5.0-rc.1"]


def test_a_stack_that_makes_no_releases_never_moves_a_series() -> None:
    assert tags_of(engine_of(series=True)) == ["1.4.0-dev.0123456789ab"]


@given(st.sampled_from(["dev", "release", "staging", "latest"]), st.sampled_from(["1.4.0", "1.4.0-rc.1", "0.0.1"]))
def test_no_artifact_is_ever_named_by_a_moving_tag_alone(channel: str, version: str) -> None:
    tag = own_tag(version, channel, CANDIDATE)
    assert tag != "latest"
    assert tag.startswith(version)
    assert (tag == version) is (channel == "release")


def test_its_outputs_are_the_published_reference_and_the_tag() -> None:
    engine = engine_of(channel="release")
    assert engine.outputs[component(engine, "Publication", "web").urn] == {"reference": RELEASED, "tag": "1.4.0"}


def test_a_claim_is_asked_for_before_the_copy_and_during_preview_where_the_digest_is_known() -> None:
    engine = engine_of(Engine(preview=True), channel="release")
    [call] = engine.calls
    assert call.token == "command:local:run"
    assert f"--source {CANDIDATE}" in call.args["command"]
    assert "--version 1.4.0" in call.args["command"]


@pytest.mark.parametrize("preview", [True, False])
def test_a_taken_version_stops_the_run_before_the_copy_in_the_words_of_the_claim(preview: bool) -> None:
    told = "localhost:5443/driftwood/web:1.4.0 is taken: it names sha256:2e2e"
    engine = Engine(preview=preview, broken={"claim": json.dumps({"reference": CANDIDATE, "problem": told})})
    engine.run(lambda: Publication("web", args(channel="release")), secrets=SECRETS)
    assert told in {str(error) for error in engine.errors}
    assert engine.ran() == []


def test_passwords_reach_the_step_through_standard_input_as_a_secret() -> None:
    publish = engine_of().step("publish")
    assert json.loads(publish.inputs["stdin"]) == {
        "password": PASSWORDS["registry"],
        "source_password": PASSWORDS["quarantine"],
    }
    assert publish.secrets == {"stdin"}
    assert publish.values("--username") == ["publisher"]
    assert publish.values("--source-username") == ["builder"]


def test_the_claim_gets_its_password_through_standard_input_and_hands_on_no_secret() -> None:
    engine = engine_of(channel="release")
    [call] = engine.calls
    assert PASSWORDS["registry"] not in call.args["command"]
    assert json.loads(call.args["stdin"])["password"] == PASSWORDS["registry"]
    publish = engine.step("publish")
    assert publish.secrets == {"stdin"}  # a reference that were a secret would hide the whole command line


def test_the_destinations_authority_is_named() -> None:
    assert engine_of().step("publish").values("--certificate-authority") == ["ca.crt"]
    assert engine_of(certificate_authority=None).step("publish").values("--certificate-authority") == []


@pytest.mark.parametrize(
    "change",
    [
        {"channel": "Release"},
        {"channel": ""},
        {"channel": "a-b"},
        {"version": "latest"},
        {"version": "1.4"},
        {"repository": "driftwood/web"},
        {"repository": "localhost:5443/driftwood/web:1.4.0"},
        {"reference": None},
        {"reference": 7},
    ],
)
def test_what_cannot_be_published_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(change))):
        args(**change)


# From one private registry to another, as a promotion does.


def promoted(engine: Engine | None = None, **changes: Any) -> Engine:
    """The engine after a publication whose version and annotations flow."""
    registry = PrivateRegistry(
        address="staging.example", username="reader", password=source("quarantine"), certificate_authority="staging.crt"
    )

    def program() -> None:
        flowing = {
            "version": pulumi.Output.from_input("1.4.0"),
            "annotations": {"version": pulumi.Output.from_input("1.4.0"), "repository": "staging.example/web"},
        }
        given = flowing | {"sources": (registry,), "source_access": None, "channel": "release", "reuse": True}
        Publication("web", args(**given | changes))

    return (engine or Engine()).good(program, secrets=SECRETS)


def test_a_version_that_flows_becomes_tag_claim_and_annotation() -> None:
    engine = promoted(series=True)
    publish = engine.step("publish")
    assert publish.values("--immutable-tag") == ["1.4.0"]
    assert tags_of(engine) == ["1.4.0", "1.4", "1"]
    assert publish.values("--annotation") == ["repository=staging.example/web", "version=1.4.0"]
    assert "--version 1.4.0" in engine.calls[0].args["command"]


def test_the_source_is_reached_with_a_login_and_authority_of_its_own() -> None:
    publish = promoted().step("publish")
    assert publish.values("--login") == ["staging.example=reader"]
    assert publish.values("--authority") == ["staging.example=staging.crt"]
    assert json.loads(publish.inputs["stdin"]) == {
        "staging.example": PASSWORDS["quarantine"],
        "password": PASSWORDS["registry"],
    }


def test_a_copier_is_named_only_where_it_is_not_the_usual_one() -> None:
    assert promoted().step("publish").values("--copier") == []
    engine = promoted(copier="skopeo")
    assert engine.step("publish").values("--copier") == ["skopeo"]
    assert engine.step("publish").name == "web-skopeo"


@pytest.mark.parametrize(("copier", "other"), [("oras", "skopeo"), ("skopeo", "oras")])
def test_another_copier_is_another_name_of_the_same_resource(copier: str, other: str) -> None:
    """A name that no resource was known by before would delete the old one, which may be protected."""
    publish = engine_of(copier=copier).step("publish")
    assert publish.name == f"web-{copier}"
    [alias] = publish.options["aliases"]
    assert alias.spec.name == f"web-{other}"
    assert not alias.spec.noParent
    assert not alias.spec.parentUrn  # below the same component as now


def test_nothing_is_taken_for_copied_unless_it_may_be_there_already() -> None:
    assert "--reuse" in promoted().step("publish").command
    assert "--reuse" not in engine_of().step("publish").command
