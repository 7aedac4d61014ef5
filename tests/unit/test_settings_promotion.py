"""A stack that promotes: what it may and may not say, and how that is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest

from components.promotion import PromotionArgs
from components.release import ReleaseArgs
from settings import stack_file_schema
from tests.stacks import DIGEST, Stack


@pytest.fixture(name="production")
def good_production(stack: Stack) -> Stack:
    """The stack of the other tests, taking its services from staging."""
    for name in ("staging.pub", "maria.pub"):
        (stack.project / name).write_text(f"key of {name}")
    password = stack.settings["registry"]["password"]
    stack.settings.pop("quarantine")
    stack.settings.pop("builder")
    stack.web.pop("build")
    stack.web.pop("version")
    stack.settings["promote"] = {
        "from": ["staging"],
        "public_key": "staging.pub",
        "registries": [{"address": "localhost:5443", "username": "reader", "password": password}],
        "approval": {"approvers": {"maria": "maria.pub"}},
    }
    stack.settings["registry"]["address"] = "localhost:5444"
    stack.settings["prove"] = {"checks": [{"name": "page", "url": "/", "contains": "Driftwood"}]}
    return stack


def promotion(stack: Stack) -> PromotionArgs:
    """What the promotion of the service is made of."""
    args = stack.load().release("web")
    assert isinstance(args, PromotionArgs)
    return args


def test_a_stack_that_promotes_builds_nothing_and_needs_no_quarantine(production: Stack) -> None:
    args = promotion(production)
    assert args.repository == "localhost:5444/driftwood/web"
    assert args.policy.stacks == ("staging",)
    assert (args.version, args.digest) == (None, None)
    assert args.own_key == "cosign.pub"
    assert production.load().builds is False


def test_a_stack_without_it_builds_as_ever(stack: Stack) -> None:
    assert isinstance(stack.load().release("web"), ReleaseArgs)
    assert stack.load().builds is True


def test_an_older_release_is_pinned_by_its_version_or_digest(production: Stack) -> None:
    production.web.update(version="1.3.0", digest=DIGEST)
    assert (promotion(production).version, promotion(production).digest) == ("1.3.0", DIGEST)


def test_a_build_section_is_refused_where_releases_are_promoted(production: Stack) -> None:
    production.web["build"] = {"context": "app"}
    assert production.mistake() == (
        "slipway:services.web.build: this stack promotes what others have proved, and builds nothing: "
        "remove it, or remove slipway:promote"
    )


def test_what_a_stack_that_builds_lacks_is_told_with_its_other_mistakes(stack: Stack) -> None:
    stack.settings.pop("quarantine")
    stack.web.pop("build")
    stack.web.pop("version")
    stack.web["run"]["memory"] = "plenty"
    told = dict(line.split(": ", 1) for line in stack.mistakes())
    assert set(told) == {
        "slipway:quarantine",
        "slipway:services.web.build",
        "slipway:services.web.version",
        "slipway:services.web.run.memory",
    }
    assert told["slipway:services.web.build"] == "missing: write how the image is built"
    assert told["slipway:quarantine"].startswith("missing: write where candidates go")


def test_a_digest_is_pinned_only_where_releases_are_promoted(stack: Stack) -> None:
    stack.web["digest"] = DIGEST
    assert stack.mistake() == (
        "slipway:services.web.digest: this stack builds, and a build has a digest of its own: remove it"
    )


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda p: p.pop("from"), "slipway:promote.from: missing: write the stacks: the first one's release is taken"),
        (lambda p: p.update({"from": "staging"}), "slipway:promote.from: input should be a valid tuple"),
        (
            lambda p: p.update({"from": ["a b"]}),
            "slipway:promote.from: 'a b' is no stack: write its name, PROJECT/STACK",
        ),
        (lambda p: p.update(soak="a day"), "slipway:promote.soak: input should be a valid number"),
        (lambda p: p.update(soek=24), "slipway:promote.soek: unknown setting: did you mean soak?"),
        (lambda p: p.update(requires="some"), "slipway:promote.requires: input should be 'all' or 'any' ('some')"),
        (lambda p: p.update(public_key="gone.pub"), "slipway:promote.public_key: there is no such file (gone.pub)"),
        (
            lambda p: p.update(public_keys={"staging": "gone.pub"}),
            "slipway:promote.public_keys.staging: there is no such file (gone.pub)",
        ),
        (
            lambda p: p.update(public_keys={"canary": "staging.pub"}),
            "slipway:promote: public_keys.canary: it is not among `from` (staging)",
        ),
        (
            lambda p: p["registries"][0].update(certificate_authority="gone.crt"),
            "slipway:promote.registries.0.certificate_authority: there is no such file (gone.crt)",
        ),
        (
            lambda p: p["registries"][0].pop("username"),
            "slipway:promote.registries.0: write both username and password, or neither",
        ),
        (
            lambda p: p["registries"][0].update(password={"file": "/gone"}),
            "slipway:promote.registries.0.password: the file cannot be read",
        ),
        (
            lambda p: p["approval"]["approvers"].update(joe="gone.pub"),
            "slipway:promote.approval.approvers.joe: there is no such file (gone.pub)",
        ),
        (
            lambda p: p["approval"]["approvers"].update(joe="staging.pub"),
            "slipway:promote.approval.approvers.joe: that is the key of a stack, which would approve what it ships",
        ),
        (
            lambda p: p["approval"]["approvers"].update(joe="cosign.pub"),
            "slipway:promote.approval.approvers.joe: that is the key of a stack, which would approve what it ships",
        ),
        (lambda p: p["approval"].update(approvers={}), "slipway:promote.approval.approvers: dictionary should have"),
        (lambda p: p["approval"].update(counts="twice"), "slipway:promote.approval.counts: input should be 'besides'"),
    ],
)
def test_a_mistake_in_the_rule_of_promotion_is_told_with_its_key(
    production: Stack, change: Callable[[dict[str, Any]], object], line: str
) -> None:
    change(production.settings["promote"])
    assert production.mistake().startswith(line)


def test_all_mistakes_of_a_promotion_are_told_at_once(production: Stack) -> None:
    production.settings["promote"] |= {"public_key": "gone.pub"}
    production.settings["promote"]["approval"]["approvers"]["joe"] = "gone-too.pub"
    production.web["build"] = {"context": "app"}
    assert [line.partition(": ")[0] for line in production.mistakes()] == [
        "slipway:promote.approval.approvers.joe",
        "slipway:promote.public_key",
        "slipway:services.web.build",
    ]


@pytest.mark.parametrize(
    ("check", "told"),
    [
        ({"name": "page"}, "write either url or command"),
        ({"name": "page", "url": "/", "command": ["true"]}, "write either url or command"),
        ({"name": "page", "url": "page.html"}, "string should match pattern"),
        ({"name": "health", "url": "/"}, "the check of the container's health has that name"),
        ({"name": "smoke", "command": ["true"], "contains": "x"}, "status and contains are about a url"),
        ({"name": "smoke", "command": ["curl", "https://me:hunter2@x/"]}, "a command line can be read by others"),
        ({"name": "page", "url": "/", "status": 42}, "greater than or equal to 100"),
    ],
)
def test_a_smoke_test_that_makes_no_sense_is_told(production: Stack, check: dict[str, Any], told: str) -> None:
    production.settings["prove"] = {"checks": [check]}
    line = production.mistake()
    assert line.startswith("slipway:prove.checks.0")
    assert told in line
    assert "hunter2" not in line


def test_two_checks_of_one_name_are_told(production: Stack) -> None:
    production.settings["prove"]["checks"] *= 2
    assert production.mistake() == "slipway:prove.checks: two checks have one name: give each its own"


def test_a_path_cannot_be_asked_for_without_a_port(production: Stack) -> None:
    production.web["run"].pop("ports")
    assert production.mistake().startswith("slipway:services.web.run.ports: a check asks for a path")


def test_what_does_not_run_cannot_be_proved(production: Stack) -> None:
    production.web.pop("run")
    prove = production.settings.pop("prove")
    assert promotion(production).own_key is None
    production.settings["prove"] = prove
    assert production.mistake() == (
        "slipway:prove: no service runs here that could be proved: write `run` for one, or remove it"
    )
    production.settings.pop("prove")
    production.web["prove"] = {}
    assert production.mistake() == (
        "slipway:services.web.prove: nothing runs here that could be proved: write `run`, or remove it"
    )


def test_health_at_least_is_proved_where_releases_are_promoted_and_nothing_unasked_elsewhere(
    production: Stack, tmp_path: Any
) -> None:
    production.settings.pop("prove")
    settings = production.load()
    policy = settings.proof_policy(settings.services["web"])
    assert policy and policy.checks == ()
    other = Stack(tmp_path / "other").load()
    assert other.proof_policy(other.services["web"]) is None


def test_the_proof_of_a_service_takes_the_place_of_the_stacks(production: Stack) -> None:
    production.web["prove"] = {"checks": [{"name": "own", "url": "/own"}]}
    settings = production.load()
    policy = settings.proof_policy(settings.services["web"])
    assert policy and [check.name for check in policy.checks] == ["own"]


@pytest.mark.parametrize(("setting", "protects"), [(None, True), (True, True), (False, False)])
def test_releases_are_protected_where_they_are_promoted_unless_said_otherwise(
    production: Stack, setting: bool | None, protects: bool
) -> None:
    if setting is not None:
        production.settings["protect"] = setting
    assert production.load().protects is protects


def test_nothing_is_protected_where_releases_are_built_unless_asked_for(stack: Stack) -> None:
    assert stack.load().protects is False
    stack.settings["protect"] = True
    assert stack.load().protects is True


# Editors.


def underlined(settings: dict[str, Any]) -> list[str]:
    """What an editor would underline."""
    document = {"config": {f"slipway:{key}": value for key, value in settings.items()}}
    return [error.message for error in jsonschema.Draft202012Validator(stack_file_schema()).iter_errors(document)]


def test_an_editor_knows_both_kinds_of_stacks(production: Stack, tmp_path: Any) -> None:
    assert underlined(production.settings) == []
    assert underlined(Stack(tmp_path / "other").settings) == []


def test_an_editor_underlines_a_build_where_releases_are_promoted(production: Stack) -> None:
    production.web["build"] = {"context": "app"}
    assert underlined(production.settings)


@pytest.mark.parametrize("key", ["build", "version"])
def test_an_editor_underlines_what_a_build_lacks(stack: Stack, key: str) -> None:
    stack.web.pop(key)
    assert underlined(stack.settings)


def test_the_settings_of_a_promotion_hold_no_secret(production: Stack) -> None:
    assert "hunter2" not in json.dumps(promotion(production).model_dump(mode="json"))


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (lambda p: p.update(public_key="~/staging.pub"), "public_key"),
        (lambda p: p.update(public_keys={"staging": "~/staging.pub"}), "public_keys.staging"),
        (lambda p: p["approval"]["approvers"].update(joe="~/staging.pub"), "approval.approvers.joe"),
    ],
)
def test_a_public_key_whose_path_only_a_shell_could_read_is_told(
    production: Stack, change: Callable[[Any], None], key: str
) -> None:
    change(production.settings["promote"])
    assert production.mistake() == (
        f"slipway:promote.{key}: only a shell knows what ~ stands for (~/staging.pub): "
        "write an absolute path, or one relative to the project"
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [("builder", "slipway"), ("build_on_preview", True), ("quarantine", {"address": "localhost:5380"})],
)
def test_what_is_about_builds_alone_is_refused_where_releases_are_promoted(
    production: Stack, key: str, value: object
) -> None:
    production.settings[key] = value
    assert production.mistake() == (
        f"slipway:{key}: this stack promotes what others have proved, and builds nothing: "
        "remove it, or remove slipway:promote"
    )
    config = {f"slipway:{name}": setting for name, setting in production.settings.items()}
    assert list(jsonschema.Draft202012Validator(stack_file_schema()).iter_errors({"config": config}))


def test_a_proof_of_the_stack_is_of_use_as_soon_as_one_service_runs(production: Stack) -> None:
    other = {"repository": "driftwood/other"}
    production.settings["services"]["other"] = other
    assert production.load()


def test_a_series_is_refused_where_no_releases_are_made(stack: Stack) -> None:
    told = "slipway:series: the channel {} makes no releases that could move a series: remove it"
    for channel in ("dev", "staging"):
        stack.settings |= {"channel": channel, "series": True}
        assert stack.mistake() == told.format(channel)
    stack.settings.pop("channel")
    assert stack.mistake() == told.format("dev")
    stack.settings["series"] = False
    assert stack.load().series is False
    stack.settings |= {"channel": "release", "series": True}
    assert stack.load().series is True


def test_a_channel_that_is_a_mistake_itself_makes_none_of_a_series(stack: Stack) -> None:
    stack.settings |= {"channel": "Release", "series": True}
    assert stack.mistake().startswith("slipway:channel: ")
