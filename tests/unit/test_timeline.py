"""What ran in a stack and when, from its history, its outputs, its proofs and the registry's tags."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from components.artifact import Digest, Repository
from steps.known import known_of
from steps.predicates import APPROVED, PROVED
from steps.proofs import DEPLOYED, HELD, Proof, StackName
from steps.stacks import exported, find_stack, history, outputs
from steps.timeline import Known, Ran, Running, changes, running, timeline
from tests.notary import Notary, a_notary
from tests.pulumi_cli import START, FakePulumi, FakeStack, fake_pulumi, time

__all__ = ["a_notary", "fake_pulumi"]
A, B, C = (Digest("sha256:" + digit * 64) for digit in "abc")
STAGING = StackName("slipway", "staging")
REPOSITORY = Repository.parse("localhost:5443/driftwood/web")


def at(hours: float) -> datetime:
    """A time so many hours after the first."""
    return START + timedelta(hours=hours)


def proof(hours: float, kind: str = DEPLOYED) -> Proof:
    """A proof of staging."""
    return Proof(STAGING, "0" * 40, at(hours), kind)


def now(name: str = "staging") -> list[Running]:
    """What a stack says today."""
    stack = find_stack(name)
    return running(outputs(stack), exported(stack), history(stack))


def told(known: Known, name: str = "staging") -> list[tuple[str | None, Digest | None, str | None]]:
    """Version, digest and witness of each deployment, the latest first."""
    found: list[Ran] = timeline(history(find_stack(name)), now(name), {"web": known})
    return [(it.version, it.digest, it.known_from) for it in found]


def test_what_runs_is_told_with_the_update_that_brought_it(pulumi_cli: FakePulumi) -> None:
    stack = pulumi_cli.stack("staging")
    for hours, version in ((1, "1.3.0"), (5, "1.4.0"), (9, "1.4.0")):
        stack.updated(hours, version)
    stack.release("b", "1.4.0", since=5.05)
    [web] = now()
    assert (web.service, web.version, web.reference.digest) == ("web", "1.4.0", B)
    assert web.since == at(5.05)
    assert web.update and web.update.start == at(5)


def test_an_update_that_brought_no_other_release_is_left_out(pulumi_cli: FakePulumi) -> None:
    stack = pulumi_cli.stack("staging")
    for hours, version in ((1, "1.3.0"), (2, "1.3.0"), (5, "1.4.0"), (9, "1.4.0"), (12, "1.3.0")):
        stack.updated(hours, version)
    known = {"web": Known(tags={"1.3.0": A, "1.4.0": B})}

    def told(known: dict[str, Known]) -> list[tuple[Digest | None, datetime]]:
        updates = history(find_stack("staging"))
        return [(it.digest, it.update.start) for it in changes(timeline(updates, [], known), updates)]

    assert told(known) == [(A, at(12)), (B, at(5)), (A, at(1))]
    stack.updated(13, "1.3.0", kind="destroy")
    stack.updated(14, "1.3.0")
    assert told(known)[:2] == [(A, at(14)), (None, at(13))]
    stack.updated(15, "1.3.0", config={})
    stack.updated(16, "1.3.0")
    assert told(known)[:2] == [(A, at(16)), (A, at(14))], "it was away for a while"
    assert len(told({})) == 8, "nobody says that they are the same"


def test_a_resource_that_is_about_to_go_does_not_say_since_when(pulumi_cli: FakePulumi) -> None:
    stack = pulumi_cli.stack("staging")
    stack.release("b", "1.4.0", since=5)
    stack.resources.append(stack.resources[0] | {"created": time(1), "delete": True})
    assert now()[0].since == at(5)


def test_without_a_container_the_first_step_that_changed_says_since_when(pulumi_cli: FakePulumi) -> None:
    stack = pulumi_cli.stack("staging")
    stack.release("b", "1.4.0", since=5)
    outputs_of_a_step = {"stdout": str(stack.resources[0]["outputs"])}
    stack.resources = [
        {"type": "command:local:Command", "custom": True, "outputs": outputs_of_a_step}
        | {"created": time(1), "modified": time(hours)}
        for hours in (7, 6)
    ]
    assert now()[0].since == at(6)


def test_an_output_that_is_no_release_is_left_out(pulumi_cli: FakePulumi) -> None:
    stack = pulumi_cli.stack("staging")
    stack.outputs = {
        "url": "http://x",
        "release": "1.4.0",
        "other": {"release": {"digest": "x"}},
        "web": {"release": None},
    }
    assert now() == []


def test_every_update_since_the_one_that_brought_it_has_todays_digest(pulumi_cli: FakePulumi) -> None:
    stack = pulumi_cli.stack("staging")
    for hours, version in ((1, "1.3.0"), (5, "1.4.0"), (9, "1.4.0")):
        stack.updated(hours, version)
    stack.release("b", "1.4.0", since=5.05)
    assert told(Known())[:2] == [("1.4.0", B, "outputs")] * 2
    assert told(Known())[2] == ("1.3.0", None, None), "nothing says it"


def test_an_earlier_digest_is_what_the_stack_proved_then(pulumi_cli: FakePulumi) -> None:
    stack = pulumi_cli.stack("staging")
    for hours, version in ((1, "1.3.0"), (5, "1.4.0")):
        stack.updated(hours, version)
    stack.release("b", "1.4.0", since=5.05)
    known = Known(tags={"1.3.0": C}, proofs={A: [proof(1.1)], B: [proof(5.1)]})
    assert told(known)[1] == ("1.3.0", A, "proof"), "the tag may have been moved since, the proof was not"


def test_each_update_has_its_own_proof_though_the_next_began_in_the_second_of_the_one_before(
    pulumi_cli: FakePulumi,
) -> None:
    stack = pulumi_cli.stack("staging")
    for hours, version in ((1, "1.3.0"), (1.1, "1.4.0"), (5, "1.5.0")):  # each takes 0.1
        stack.updated(hours, version)
    stack.release("c", "1.5.0", since=5.05)
    known = Known(proofs={A: [proof(1.1)], B: [proof(1.2)]})
    assert told(known)[1:] == [("1.4.0", B, "proof"), ("1.3.0", A, "proof")]


def test_that_something_held_does_not_say_that_it_was_deployed_then(pulumi_cli: FakePulumi) -> None:
    stack = pulumi_cli.stack("staging")
    for hours, version in ((1, "1.3.0"), (3, "1.2.0"), (5, "1.4.0")):
        stack.updated(hours, version)
    stack.release("b", "1.4.0", since=5.05)
    known = Known(proofs={A: [proof(1.1), proof(4, HELD)]})
    assert told(known)[1:] == [("1.2.0", None, None), ("1.3.0", A, "proof")]


def test_a_rollback_is_told_by_the_tag_of_its_version(pulumi_cli: FakePulumi) -> None:
    stack = pulumi_cli.stack("staging")
    for hours, version in ((1, "1.3.0"), (3, "1.4.0"), (5, "1.3.0"), (7, "1.5.0")):
        stack.updated(hours, version)
    stack.release("c", "1.5.0", since=7.05)
    known = Known(tags={"1.3.0": A, "1.4.0": B, "1.5.0": C}, proofs={A: [proof(1.1)], B: [proof(3.1)], C: [proof(7.1)]})
    assert [it[1:] for it in told(known)] == [(C, "outputs"), (A, "tag"), (B, "proof"), (A, "proof")]


def test_the_build_of_a_channel_is_told_where_there_is_one_and_no_guess_where_there_are_several(
    pulumi_cli: FakePulumi,
) -> None:
    stack = pulumi_cli.stack("staging")
    for hours, version in ((1, "1.3.0"), (3, "1.4.0"), (5, "1.5.0")):
        stack.updated(hours, version)
    stack.release("f", "1.5.0", since=5.05)
    tags = {f"1.3.0-dev.{A.short}": A, f"1.4.0-dev.{B.short}": B, f"1.4.0-dev.{C.short}": C, "1.3": C}
    assert told(Known(tags=tags))[1:] == [("1.4.0", None, None), ("1.3.0", A, "tag")]


def test_a_promotion_that_pins_nothing_is_told_by_its_proof_and_named_by_its_tag(pulumi_cli: FakePulumi) -> None:
    stack = pulumi_cli.stack("staging")
    for hours in (1, 5):
        stack.config = {"slipway:services": {"web": {"repository": "driftwood/web"}}}
        stack.updated(hours)
    stack.release("b", "1.4.0", since=5.05)
    known = Known(tags={"1.3.0": A, "1.3": A, "1": A, f"1.3.0-dev.{A.short}": A}, proofs={A: [proof(1.1)]})
    assert told(known) == [("1.4.0", B, "outputs"), ("1.3.0", A, "proof")]


def test_what_failed_is_left_out_and_what_was_destroyed_is_told(pulumi_cli: FakePulumi) -> None:
    stack = pulumi_cli.stack("staging")
    stack.updated(1, "1.3.0")
    stack.updated(2, "1.4.0", result="failed")
    stack.updated(3, kind="destroy")
    stack.updated(4, kind="refresh")
    found = timeline(history(find_stack("staging")), now(), {"web": Known(tags={"1.3.0": A})})
    assert [(it.update.kind, it.service, it.digest) for it in found] == [("destroy", "", None), ("update", "web", A)]


def statement(stack: FakeStack | str, **more: Any) -> dict[str, Any]:
    """A predicate about a stack."""
    return {"schemaVersion": 1, "project": "slipway", "stack": stack, "time": time(1), **more}


def test_a_registry_tells_what_verifies_with_the_stacks_key_and_nobody_elses_word(
    notary: Notary, tmp_path: Path
) -> None:
    own, other = notary.keys(tmp_path, "staging")[1], notary.keys(tmp_path, "other")[1]
    ada = notary.keys(tmp_path, "ada")[1]
    first = notary.shelf.image(str(REPOSITORY), "first", "1.3.0")
    second = notary.shelf.image(str(REPOSITORY), "second", "1.4.0", "1.4")
    for index, key, stack in ((first, own, "staging"), (first, own, "qa"), (second, other, "staging")):
        notary.say(f"{REPOSITORY}@{index}", PROVED, key, statement(stack, kind=DEPLOYED, commit="x"))
    notary.say(f"{REPOSITORY}@{first}", PROVED, own, statement("staging", kind="guessed"))
    for key, stack in ((ada, "staging"), (other, "staging"), (ada, "production")):
        notary.say(f"{REPOSITORY}@{second}", APPROVED, key, statement(stack, approver="ada", reason="because"))
    known = known_of(REPOSITORY, notary.shelf.registries, STAGING, (own, {"ada": ada}))
    assert known.tags == {"1.3.0": Digest(first), "1.4.0": Digest(second), "1.4": Digest(second)}
    assert {digest: len(of) for digest, of in known.proofs.items()} == {Digest(first): 1}
    assert {digest: [it.approver for it in of] for digest, of in known.approvals.items()} == {Digest(second): ["ada"]}


def test_cosign_is_asked_only_where_something_is_listed(notary: Notary, tmp_path: Path) -> None:
    own = notary.keys(tmp_path, "staging")[1]
    for version in ("1.3.0", "1.4.0"):
        notary.shelf.sign(str(REPOSITORY), notary.shelf.image(str(REPOSITORY), version, version), datetime.now(UTC))
    known = known_of(REPOSITORY, notary.shelf.registries, STAGING, (own, {"ada": own}))
    assert (known.proofs, known.approvals) == ({}, {})
    assert notary.calls == []


def test_what_runs_without_a_tag_is_asked_about_too(notary: Notary, tmp_path: Path) -> None:
    own = notary.keys(tmp_path, "staging")[1]
    index = notary.shelf.image(str(REPOSITORY), "web")
    notary.say(f"{REPOSITORY}@{index}", PROVED, own, statement("staging", kind=DEPLOYED, commit="x"))
    known = known_of(REPOSITORY, notary.shelf.registries, STAGING, (own, {}), [Digest(index)])
    assert list(known.proofs) == [Digest(index)]


def test_a_repository_without_a_release_is_no_fault(notary: Notary) -> None:
    assert known_of(REPOSITORY, notary.shelf.registries, STAGING, (None, {})) == Known()
