"""Promotion: which record it reads, what it asks of it, when, and what it hands on."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

import pytest
from pulumi.output import Unknown
from pydantic import ValidationError

from components.promotion import Promotion, PromotionPolicy
from components.record import RECORD_VERSION
from tests.programs import PASSWORDS, SECRETS, promotion_args
from tests.recording import DIGEST, RECORD, STAGING, SUMMARY, Engine, component

TAKEN = f"localhost:5443/driftwood/web@{DIGEST}"
HERE = f"localhost:5444/driftwood/web@{DIGEST}"
OTHER = "sha256:" + "e" * 64


def engine_of(policy: dict[str, Any] | None = None, engine: Engine | None = None, **changes: Any) -> Engine:
    """The engine after production's promotion."""
    engine = engine or Engine(stack="production", exported=STAGING)
    return engine.good(lambda: Promotion("web", promotion_args(policy, **changes)), secrets=SECRETS)


def asked(engine: Engine, step: str = "promote") -> list[str]:
    """The words of the command that a step was asked by, during preview too."""
    [words] = [shlex.split(it.args["command"]) for it in engine.calls if f"steps.{step}" in it.args.get("command", "")]
    return words


def value(words: list[str], flag: str) -> str:
    """The value of a flag."""
    return words[words.index(flag) + 1]


def upstreams(engine: Engine) -> list[dict[str, Any]]:
    """The stacks as the step reads them."""
    found: list[dict[str, Any]] = json.loads(value(asked(engine), "--upstreams"))
    return found


def exported(**changes: Any) -> dict[str, dict[str, Any]]:
    """What staging exports, with something else in its record."""
    return {"driftwood/slipway/staging": {"web": {"release": RECORD | changes}}}


def problem(outputs: dict[str, dict[str, Any]], policy: dict[str, Any] | None = None) -> str:
    """Why nothing is promoted, where staging exports this; nothing may have been created by then."""
    engine = Engine(stack="production", exported=outputs)
    engine.run(lambda: Promotion("web", promotion_args(policy)), secrets=SECRETS)
    assert engine.ran() == []
    [told] = {str(error) for error in engine.errors}
    return told


def test_it_hands_on_the_same_digest_in_its_own_registry() -> None:
    engine = engine_of()
    outputs = engine.outputs[component(engine, "Promotion", "web").urn]
    assert outputs["reference"] == HERE
    record = outputs["record"]
    assert (record["digest"], record["reference"], record["tag"]) == (DIGEST, HERE, "1.4.0")
    assert (record["project"], record["stack"]) == ("slipway", "production")
    for key in ("version", "revision", "platforms", "scan"):
        assert record[key] == RECORD[key]
    assert record["signature"] == {
        "public_key": "staging.pub",
        "repository": "localhost:5443/driftwood/web",
        "version": "1.4.0",
    }


def test_nothing_is_built_scanned_as_new_or_signed() -> None:
    engine = engine_of()
    assert engine.ran() == ["publish"]
    assert not engine.of("docker-build:index:Image")


def test_the_record_of_the_named_stack_is_read_by_its_full_name() -> None:
    engine = engine_of()
    assert upstreams(engine) == [
        {
            "project": "slipway",
            "stack": "staging",
            "key": "staging.pub",
            "reference": TAKEN,
            "version": "1.4.0",
            "revision": RECORD["revision"],
            "platforms": RECORD["platforms"],
        }
    ]


@pytest.mark.parametrize(
    ("written", "full"),
    [
        ("staging", "driftwood/slipway/staging"),
        ("tides/staging", "driftwood/tides/staging"),
        ("coast/tides/staging", "coast/tides/staging"),
    ],
)
def test_a_stack_of_another_project_is_named_with_it(written: str, full: str) -> None:
    project = full.split("/")[1]
    engine = Engine(stack="production", exported={full: {"web": {"release": RECORD | {"project": project}}}})
    engine_of({"from": [written]}, engine)
    assert (upstreams(engine)[0]["project"], upstreams(engine)[0]["stack"]) == (project, "staging")
    assert "problem" not in upstreams(engine)[0]


def test_everything_is_verified_during_preview_and_the_digest_is_told_by_then() -> None:
    engine = engine_of(engine=Engine(stack="production", preview=True, exported=STAGING))
    assert value(asked(engine), "--repository") == "localhost:5444/driftwood/web"
    assert value(asked(engine, "claim"), "--version") == "1.4.0"
    assert engine.ran() == ["publish"]
    outputs = engine.outputs[component(engine, "Promotion", "web").urn]
    assert outputs["record"]["reference"] == HERE
    assert isinstance(outputs["reference"], Unknown), "what is not there yet is for nobody to judge"


def test_a_preview_hands_on_at_once_what_this_stack_has_proved_before() -> None:
    before = {"driftwood/slipway/production": {"web": {"release": RECORD}}}
    engine = engine_of(engine=Engine(stack="production", preview=True, exported=STAGING | before))
    assert engine.outputs[component(engine, "Promotion", "web").urn]["reference"] == HERE


def test_the_copy_depends_on_what_was_verified_and_what_comes_after_on_the_copy() -> None:
    for preview in (True, False):
        engine = Engine(stack="production", preview=preview, exported=STAGING)
        told = "web 1.4.0 cannot be promoted to production; nothing was changed"
        broken = Engine(
            stack="production", preview=preview, exported=STAGING, broken={"promote": json.dumps({"problem": told})}
        )
        broken.run(lambda: Promotion("web", promotion_args()), secrets=SECRETS)
        assert told in {str(error) for error in broken.errors}
        assert broken.ran() == []
        engine_of(engine=engine)
        assert engine.step("publish").values("--source") == [TAKEN]


def test_what_was_verified_is_what_is_copied_whatever_the_record_says() -> None:
    answer = {
        "problem": "",
        "warnings": ["known today"],
        "told": ["verified"],
        "reference": f"localhost:5443/driftwood/web@{OTHER}",
        "version": "1.3.0",
        "repository": "localhost:5443/driftwood/web",
        "platforms": ["linux/amd64"],
        "here": False,
        "provenance": "0f0f0f0f0f0f",
        "revision": "6" * 40,
    }
    engine = Engine(stack="production", exported=STAGING, broken={"promote": json.dumps(answer)})
    engine_of(engine=engine)
    publish = engine.step("publish")
    assert publish.values("--source") == [answer["reference"]]
    assert publish.values("--immutable-tag") == ["1.3.0"]
    assert publish.values("--annotation") == ["repository=localhost:5443/driftwood/web", "version=1.3.0"]
    record = engine.outputs[component(engine, "Promotion", "web").urn]["record"]
    assert (record["digest"], record["version"], record["revision"]) == (OTHER, "1.3.0", "6" * 40)
    assert record["scan"] == {}, "what was said of another artifact is not handed on"


def test_the_rule_reaches_the_step() -> None:
    words = asked(engine_of())
    assert [value(words, flag) for flag in ("--requires", "--soak", "--public-key")] == ["all", "0", "staging.pub"]
    assert value(words, "--report-age") == "7"
    assert "--held" not in words and "--approvers" not in words
    policy = {
        "from": ["staging", "canary"],
        "requires": "any",
        "soak": 1.5,
        "held": True,
        "report_age": 2.5,
        "public_keys": {"canary": "canary.pub"},
        "approval": {"approvers": {"maria": "maria.pub"}, "counts": "instead"},
    }
    engine = engine_of(policy)
    words = asked(engine)
    assert [value(words, flag) for flag in ("--requires", "--soak", "--approval")] == ["any", "1.5", "instead"]
    assert "--held" in words
    assert value(words, "--report-age") == "2.5"
    assert json.loads(value(words, "--approvers")) == {"maria": "maria.pub"}
    assert [it["key"] for it in upstreams(engine)] == ["staging.pub", "canary.pub"]
    assert "canary has no release of web to take" in upstreams(engine)[1]["problem"]


def test_a_pinned_version_and_digest_reach_the_step() -> None:
    words = asked(engine_of(version="1.3.0", digest=OTHER))
    assert (value(words, "--version"), value(words, "--digest")) == ("1.3.0", OTHER)
    assert "--version" not in asked(engine_of())


def test_the_scan_of_the_stack_reaches_the_step() -> None:
    ignored = {"id": "CVE-2019-10906", "reason": "it is not reachable", "expires": "2027-01-31"}
    words = asked(engine_of(scan={"database": "localhost:5380/trivy-db:2", "ignore": [ignored]}, reports="there"))
    assert value(words, "--fail-on") == "HIGH,CRITICAL"
    assert value(words, "--database") == "localhost:5380/trivy-db:2"
    assert json.loads(value(words, "--ignore")) == [ignored]
    assert value(words, "--reports") == "there"


def test_reports_are_kept_for_each_promotion_by_itself_unless_a_folder_is_named() -> None:
    assert value(asked(engine_of()), "--reports") == ".slipway/reports/production/web"


def test_what_the_container_asks_of_the_image_reaches_the_step() -> None:
    words = asked(engine_of(needs={"secrets_owner": 1000}))
    assert (value(words, "--files-owner"), "--to-run" in words) == ("1000", True)
    assert "--to-run" not in asked(engine_of())


def test_what_this_stack_ran_before_and_its_own_key_are_told() -> None:
    outputs = STAGING | {"driftwood/slipway/production": {"web": {"release": RECORD | {"digest": OTHER}}}}
    words = asked(engine_of(engine=Engine(stack="production", exported=outputs)))
    assert value(words, "--running") == OTHER
    assert value(words, "--own-key") == "production.pub"
    assert value(asked(engine_of()), "--running") == ""
    assert "--own-key" not in asked(engine_of(own_key=None))


@pytest.mark.parametrize("approved", [{"web": OTHER}, {}], ids=["another digest", "nothing of this service"])
def test_what_ships_is_what_was_approved(monkeypatch: pytest.MonkeyPatch, approved: dict[str, str]) -> None:
    monkeypatch.setenv("SLIPWAY_APPROVED", json.dumps({"web": DIGEST}))
    assert asked(engine_of())
    monkeypatch.setenv("SLIPWAY_APPROVED", json.dumps({"tide": DIGEST, **approved}))
    expected = approved.get("web", "no release")
    with pytest.raises(Exception, match=f"web: approved was {expected}, what would ship now is {DIGEST}"):
        engine_of()


def test_what_is_not_approved_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPWAY_APPROVED", json.dumps({"tide": OTHER}))
    before = {"driftwood/slipway/production": {"web": {"release": RECORD}}}
    assert asked(engine_of(engine=Engine(stack="production", exported=STAGING | before)))


@pytest.mark.parametrize("text", ["", " ", "no json", "[]", '"web"', '{"web": 7}', "null"])
def test_an_approval_that_cannot_be_read_approves_nothing(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("SLIPWAY_APPROVED", text)
    seen = re.escape(repr(text)) if text else "empty"
    with pytest.raises(Exception, match=f"SLIPWAY_APPROVED is {seen}, not a JSON object .* unset SLIPWAY_APPROVED"):
        engine_of()


def test_this_stacks_own_state_is_read_again_where_it_is_just_written() -> None:
    outputs = STAGING | {"driftwood/slipway/production": {"web": {"release": RECORD | {"digest": OTHER}}}}
    words = asked(engine_of(engine=Engine(stack="production", exported=outputs, unreadable=2)))
    assert value(words, "--running") == OTHER


def test_a_state_of_its_own_that_stays_unreadable_ends_the_run() -> None:
    engine = Engine(stack="production", exported=STAGING, unreadable=99)
    with pytest.raises(Exception, match="failed to load checkpoint"):
        engine_of(engine=engine)


def test_what_this_stack_said_of_a_digest_is_kept_once_the_other_has_moved_on() -> None:
    before = {"driftwood/slipway/production": {"web": {"release": RECORD | {"scan": SUMMARY | {"counts": {"LOW": 3}}}}}}
    outputs = exported(digest=OTHER, reference=f"localhost:5443/driftwood/web@{OTHER}") | before
    answer = json.dumps(
        {
            "problem": "",
            "warnings": [],
            "told": [],
            "reference": TAKEN,
            "version": "1.4.0",
            "repository": "localhost:5443/driftwood/web",
            "platforms": ["linux/amd64"],
            "here": True,
            "provenance": "0f0f0f0f0f0f",
            "revision": "5" * 40,
        }
    )
    engine = engine_of(engine=Engine(stack="production", exported=outputs, broken={"promote": answer}))
    record = engine.outputs[component(engine, "Promotion", "web").urn]["record"]
    assert record["scan"]["counts"] == {"LOW": 3}


def test_passwords_of_all_registries_reach_both_steps_through_standard_input_alone() -> None:
    engine = engine_of()
    [call] = [it for it in engine.calls if "steps.promote" in it.args.get("command", "")]
    secrets = {"localhost:5443": PASSWORDS["quarantine"], "localhost:5444": PASSWORDS["registry"]}
    assert json.loads(call.args["stdin"]) == secrets
    logins = [word for word in asked(engine) if "=" in word and word.startswith("localhost:")]
    assert logins == ["localhost:5443=reader", "localhost:5444=production", "localhost:5444=ca.crt"]
    publish = engine.step("publish")
    assert publish.secrets == {"stdin"}
    assert json.loads(publish.inputs["stdin"]) == {
        "localhost:5443": PASSWORDS["quarantine"],
        "password": PASSWORDS["registry"],
    }
    text = json.dumps([publish.open, call.args["command"], engine.outputs])
    assert not [name for name, password in PASSWORDS.items() if password in text]


def test_what_may_be_there_already_is_verified_and_not_copied_again() -> None:
    publish = engine_of().step("publish")
    assert "--reuse" in publish.command
    assert publish.values("--provenance") == ["0f0f0f0f0f0f"]
    assert engine_of(copier="skopeo").step("publish").values("--copier") == ["skopeo"]


# Records that nobody should take.


def test_a_stack_that_was_never_deployed_is_named_with_what_to_do() -> None:
    told = "stack staging has no release of web to take: it exports none: "
    assert problem({}) == f"{told}bring it up first, with `pulumi up --stack staging`"
    assert problem({"driftwood/slipway/staging": {"tide": {"release": RECORD}}}).startswith(told)


@pytest.mark.parametrize("output", ["text", 7, [], {}, {"release": None}, {"release": "1.4.0"}, {"url": "http://x"}])
def test_an_output_that_is_no_release_is_refused(output: Any) -> None:
    told = problem({"driftwood/slipway/staging": {"web": output}})
    assert "what it exports under that name is no release of Slipway" in told


@pytest.mark.parametrize("version", [None, 0, 1, "2"])
def test_an_old_record_is_refused_with_what_to_do(version: Any) -> None:
    told = problem(exported(schema_version=version))
    assert f"its record has schema {version}, this program reads {RECORD_VERSION}: bring it up first" in told


def test_a_record_of_the_future_is_refused_with_what_to_do() -> None:
    assert "its record has schema 3, this program reads 2: update this checkout" in problem(exported(schema_version=3))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"digest": 7}, "digest: input should be a valid string"),
        ({"platforms": None}, "platforms: field required"),
        ({"surprise": 1}, "surprise: extra inputs are not permitted"),
    ],
)
def test_a_foreign_record_is_refused_with_what_is_wrong_in_it(change: dict[str, Any], told: str) -> None:
    assert told in problem(exported(**change))


@pytest.mark.parametrize(("change", "seen"), [({"project": "tides"}, "tides/staging"), ({"stack": "qa"}, "slipway/qa")])
def test_a_record_of_another_project_or_stack_is_refused(change: dict[str, Any], seen: str) -> None:
    assert f"its record is that of {seen}, not of slipway/staging" in problem(exported(**change))


def test_a_record_of_another_service_is_refused() -> None:
    signature = RECORD["signature"] | {"repository": "localhost:5443/driftwood/tide"}
    told = problem(exported(signature=signature))
    assert "its record is of driftwood/tide, this service is driftwood/web" in told


def test_a_stack_that_only_proves_need_not_have_the_service() -> None:
    engine = engine_of({"from": ["staging", "canary"]})
    assert engine.step("publish").values("--source") == [TAKEN]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"from": []}, "from"),
        ({"from": ["a b"]}, "is no stack: write its name"),
        ({"from": ["a/b/c/d"]}, "is no stack: write its name"),
        ({"from": ["staging", "staging"]}, "named twice"),
        ({"soak": -1}, "soak"),
        ({"report_age": 0}, "report_age"),
        ({"requires": "most"}, "requires"),
        ({"approval": {"approvers": {}}}, "approvers"),
        ({"public_keys": {"canary": "canary.pub"}}, "public_keys.canary: it is not among `from`"),
        ({"public_key": None}, "public_key"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(change: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError) as caught:
        PromotionPolicy.model_validate({"from": ["staging"], "public_key": "staging.pub"} | change)
    assert told in str(caught.value)


@pytest.mark.parametrize("change", [{"version": "latest"}, {"digest": "sha256:1"}, {"repository": "web"}])
def test_what_names_no_release_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(change))):
        promotion_args(**change)
