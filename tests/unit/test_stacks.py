"""What Pulumi says of its stacks, through its own command line, and what stacks hold on to."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.artifact import Digest
from steps.references import built, digests_in, references
from steps.stacks import configuration, find_stack, history, outputs, secret, stacks
from steps.tool import StepError
from tests.pulumi_cli import FakePulumi, fake_pulumi, reference

__all__ = ["fake_pulumi"]
A, B, C = (Digest("sha256:" + digit * 64) for digit in "abc")


def test_stacks_of_the_project_are_listed_and_those_of_others_when_they_are_asked_for(pulumi_cli: FakePulumi) -> None:
    for name in ("staging", "production", "organization/other/dev"):
        pulumi_cli.stack(name)
    assert [it.name for it in stacks()] == ["production", "staging"]
    assert "organization/other/dev" in [str(it) for it in stacks(everywhere=True)]


def test_a_stack_is_found_by_its_name_and_by_its_full_name(pulumi_cli: FakePulumi) -> None:
    pulumi_cli.stack("staging")
    assert find_stack("staging") == find_stack("organization/slipway/staging")


def test_a_stack_that_does_not_exist_is_answered_with_those_that_do(pulumi_cli: FakePulumi) -> None:
    pulumi_cli.stack("staging")
    with pytest.raises(StepError, match="no stack stagin in this project: write one of: staging"):
        find_stack("stagin")


def test_a_long_history_is_read_to_its_end(pulumi_cli: FakePulumi) -> None:
    for hours in range(250):
        pulumi_cli.stack("staging").updated(hours, "1.4.0")
    found = history(find_stack("staging"))
    assert len(found) == 250
    assert found[0].start > found[-1].start == datetime(2026, 11, 1, 12, tzinfo=UTC)


def test_an_update_says_what_was_set_and_who_wrote_the_commit_but_no_secret(pulumi_cli: FakePulumi) -> None:
    pulumi_cli.stack("staging").updated(3, "1.4.0")
    [update] = history(find_stack("staging"))
    assert update.deployed
    assert update.config == {"slipway:services": {"web": {"version": "1.4.0"}}}
    assert (update.commit, update.dirty, update.author) == (f"{3:040x}", False, "Ada")


def test_an_update_that_still_runs_or_has_failed_has_deployed_nothing(pulumi_cli: FakePulumi) -> None:
    stack = pulumi_cli.stack("staging")
    stack.updated(1, "1.4.0", result="failed")
    stack.updated(2, "1.4.0", kind="destroy")
    stack.updated(3, "1.4.0", result="", endTime=None)
    assert [it.deployed for it in history(find_stack("staging"))] == [False, False, False]


def test_nothing_asks_a_question_or_for_the_value_of_a_secret_that_nobody_uses(pulumi_cli: FakePulumi) -> None:
    stack = pulumi_cli.stack("staging")
    stack.secrets["slipway:registry_password"] = "hunter2"
    found = find_stack("staging")
    assert "hunter2" not in str([outputs(found), configuration(found), history(found)])
    assert all("--non-interactive" in call for call in pulumi_cli.calls)
    assert not any("--show-secrets" in call for call in pulumi_cli.calls)


def test_a_secret_is_read_by_the_name_that_the_settings_have_for_it(pulumi_cli: FakePulumi) -> None:
    pulumi_cli.stack("staging").secrets |= {"slipway:registry_password": "hunter2", "other:key": "x"}
    stack = find_stack("staging")
    assert (secret(stack, "registry_password"), secret(stack, "other:key")) == ("hunter2", "x")


def test_what_pulumi_refuses_is_told_with_the_command_that_it_refused(pulumi_cli: FakePulumi) -> None:
    pulumi_cli.stack("staging").broken = "error: incorrect passphrase"
    with pytest.raises(StepError) as caught:
        outputs(find_stack("staging"))
    assert "`pulumi stack output --json --stack organization/slipway/staging`" in str(caught.value)
    assert "incorrect passphrase" in str(caught.value)


def test_digests_are_found_wherever_they_stand_in_a_state(pulumi_cli: FakePulumi) -> None:
    staging = pulumi_cli.stack("staging")
    staging.release("a", "1.4.0", 1)
    staging.resources.append({"type": "x", "inputs": {"deep": [{"er": f"say {reference('b')} here"}]}, "delete": True})
    assert references(stacks(), "slipway").digests == {A, B}


def test_only_what_names_an_artifact_is_looked_up_in_a_registry(pulumi_cli: FakePulumi) -> None:
    staging = pulumi_cli.stack("staging")
    staging.release("a", "1.4.0", 1)
    staging.resources.append({"type": "docker:index/remoteImage:RemoteImage", "outputs": {"imageId": str(B)}})
    held = references(stacks(), "slipway")
    assert (held.digests, held.named) == ({A, B}, {A}), "a registry answers for a configuration with a fault of its own"


def test_versions_and_digests_of_the_last_update_are_held_and_those_of_today(pulumi_cli: FakePulumi) -> None:
    production = pulumi_cli.stack("production")
    production.updated(1, "1.3.0")
    production.updated(2, "1.4.0-rc.1", result="failed")
    production.config = {"slipway:services": {"web": {"version": "1.2.0", "digest": str(C)}}}
    held = references(stacks(), "slipway")
    assert {"1.2.0", "1.4.0-rc.1"} <= set(held.versions)
    assert "1.3.0" not in held.versions
    assert held.digests == {C}


def test_stacks_of_other_projects_hold_what_they_run(pulumi_cli: FakePulumi) -> None:
    pulumi_cli.stack("organization/other/prod").resources = [{"inputs": {"image": reference("a")}}]
    pulumi_cli.stack("organization/other/prod").broken = ""
    held = references(stacks(everywhere=True), "slipway")
    assert held.digests == {A}
    assert not any(call[0] == "config" for call in pulumi_cli.calls), "their settings are not in this folder"


@pytest.mark.parametrize("name", ["staging", "organization/other/prod"])
def test_where_one_stack_cannot_be_read_there_is_no_answer(pulumi_cli: FakePulumi, name: str) -> None:
    pulumi_cli.stack("production").release("a", "1.4.0", 1)
    pulumi_cli.stack(name).broken = "error: could not deserialize deployment"
    with pytest.raises(StepError, match=r"stack organization/.* cannot be read, so nothing is known to be unused"):
        references(stacks(everywhere=True), "slipway")


def test_a_history_that_makes_no_sense_is_no_answer_either(pulumi_cli: FakePulumi) -> None:
    pulumi_cli.stack("staging").updated(1, "1.4.0", startTime="yesterday")
    with pytest.raises(StepError, match="cannot be read"):
        references(stacks(), "slipway")


@given(hexadecimal=st.text("0123456789abcdef", min_size=64, max_size=64), around=st.text(max_size=5))
def test_a_digest_is_found_in_both_of_its_spellings(hexadecimal: str, around: str) -> None:
    for text in (f"sha256:{hexadecimal}", f"sha256-{hexadecimal}"):
        assert digests_in(f'{around}"{text}"') == {Digest(f"sha256:{hexadecimal}")}


def test_a_builder_says_when_it_made_what(monkeypatch: pytest.MonkeyPatch) -> None:
    records = [
        {
            "Result": {"ResultDeprecated": {"digest": str(A)}, "Attestations": [{"digest": str(B)}]},
            "CreatedAt": {"seconds": 10},
            "CompletedAt": {"seconds": 20},
        },
        {"Result": {"Results": {"x": {"digest": str(A)}}}, "CreatedAt": {"seconds": 100}},
        {"error": {}, "CreatedAt": {"seconds": 5}},
    ]
    monkeypatch.setattr("steps.references.builder_endpoint", lambda name: f"unix://{name}")
    monkeypatch.setattr("steps.references.histories", lambda endpoint: records)
    assert built(["slipway"]) == {A: datetime.fromtimestamp(100, UTC)}


def test_a_builder_that_does_not_answer_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(endpoint: str) -> list[object]:
        raise OSError("no buildctl")

    monkeypatch.setattr("steps.references.builder_endpoint", lambda name: None if name == "none" else f"unix://{name}")
    monkeypatch.setattr("steps.references.histories", fail)
    assert built(["slipway", "none"]) == {}
