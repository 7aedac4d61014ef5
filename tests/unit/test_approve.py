"""Approving a release: who may, what must be there first, what is written, and how often."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from components.artifact import ImageReference
from steps.approve import Request, approve
from steps.predicates import APPROVED, SIGNATURE
from steps.proofs import StackName, moment, spelled
from steps.tool import StepError
from tests.notary import PASSWORD, Notary, a_notary

__all__ = ["a_notary"]
REPOSITORY = "localhost:5443/driftwood/web"
PRODUCTION = StackName("slipway", "production")
REASON = "the tide tables were compared with the printed ones"


class Case:
    """A release with its evidence, and somebody who may approve it."""

    def __init__(self, notary: Notary, folder: Path) -> None:
        self.notary = notary
        self.folder = folder
        self.release_key = notary.keys(folder, "release")[1]
        self.key, self.public_key = notary.keys(folder, "ada")
        index = notary.shelf.image(REPOSITORY, "web", "1.4.0")
        notary.complete(REPOSITORY, index, self.release_key)
        self.reference = ImageReference.parse(f"{REPOSITORY}@{index}")

    def request(self, target: StackName = PRODUCTION, reason: str = REASON) -> Request:
        """What is to be approved."""
        others = {"grace": self.notary.keys(self.folder, "grace")[1], "ada": self.public_key}
        return Request(self.reference, target, reason, self.release_key, others)

    def written(self) -> list[dict[str, object]]:
        """The approvals beside the release."""
        return self.notary.attested(self.reference, APPROVED)

    def approve(self, key: str | None = None, password: str = PASSWORD, **request: object) -> bool:
        """Approve, and say whether that is new."""
        wanted = self.request(**request)  # type: ignore[arg-type]
        return approve(wanted, key or self.key, password, self.notary.shelf.registries).fresh


@pytest.fixture(name="case")
def a_case(notary: Notary, tmp_path: Path) -> Case:
    """A release that nobody has approved yet."""
    return Case(notary, tmp_path)


def test_an_approval_says_who_approved_what_for_which_stack_and_why(case: Case) -> None:
    assert case.approve()
    [predicate] = case.written()
    assert moment(predicate.pop("time")) <= datetime.now(UTC)
    assert predicate == {
        "schemaVersion": 1,
        "project": "slipway",
        "stack": "production",
        "approver": "ada",
        "reason": REASON,
    }


def test_a_second_approval_is_quiet_and_writes_nothing_whatever_its_reason(case: Case) -> None:
    assert case.approve()
    assert not case.approve()
    assert not case.approve(reason="it is as good as it was yesterday")
    assert len(case.written()) == 1


def test_another_person_and_another_stack_are_other_approvals(case: Case) -> None:
    assert case.approve()
    assert case.approve(key=str(case.folder / "grace.key"))
    assert case.approve(target=StackName("slipway", "qa"))
    assert case.approve(target=StackName("other", "production"))
    assert [it["approver"] for it in case.written()] == ["ada", "grace", "ada", "ada"]


def test_an_approval_from_the_future_is_none_so_another_is_written(case: Case) -> None:
    predicate = {"schemaVersion": 1, "project": "slipway", "stack": "production", "approver": "ada", "reason": REASON}
    time = spelled(datetime.now(UTC) + timedelta(days=1))
    case.notary.say(case.reference, APPROVED, case.public_key, predicate | {"time": time})
    assert case.approve()


def test_what_somebody_else_wrote_in_her_name_does_not_count_as_hers(case: Case) -> None:
    predicate = {"schemaVersion": 1, "project": "slipway", "stack": "production", "approver": "ada", "reason": REASON}
    time = spelled(datetime.now(UTC) - timedelta(days=1))
    case.notary.say(case.reference, APPROVED, case.notary.keys(case.folder, "eve")[1], predicate | {"time": time})
    assert case.approve()


def test_the_key_of_nobody_who_may_approve_is_refused_with_those_who_may(case: Case) -> None:
    key, _ = case.notary.keys(case.folder, "eve")
    with pytest.raises(StepError) as caught:
        case.approve(key=key)
    assert f"{key} is the key of nobody who may approve for production (ada, grace)" in str(caught.value)
    assert case.written() == []


def test_a_stack_that_asks_for_no_approval_gets_none(case: Case) -> None:
    request = Request(case.reference, PRODUCTION, REASON, case.release_key, {})
    with pytest.raises(StepError, match="production asks for no approval: name who may give one"):
        approve(request, case.key, PASSWORD, case.notary.shelf.registries)


def test_a_wrong_password_is_told_and_stands_nowhere(case: Case) -> None:
    with pytest.raises(StepError, match=r"the password does not open .*ada\.key") as caught:
        case.approve(password="wrong horse")
    assert "wrong horse" not in str(caught.value)
    assert case.written() == []


def test_a_key_that_is_not_there_is_told(case: Case) -> None:
    with pytest.raises(StepError, match=r"nobody\.key cannot be read"):
        case.approve(key=str(case.folder / "nobody.key"))


def test_the_password_goes_through_standard_input_and_nowhere_else(case: Case) -> None:
    case.approve()
    words = [word for call in [*case.notary.calls, *case.notary.shelf.calls] for word in call]
    assert not any(PASSWORD in word for word in words)
    assert PASSWORD in case.notary.given


@pytest.mark.parametrize("lost", ["index", "platform"])
def test_a_release_without_its_evidence_is_not_approved(case: Case, lost: str) -> None:
    here = case.notary.shelf.repositories[REPOSITORY]
    index = str(case.reference.digest)
    subject = index if lost == "index" else here["manifests"][index]["manifests"][0]["digest"]
    listed = here["manifests"][here["tags"][subject.replace(":", "-")]]["manifests"]
    listed[:] = [it for it in listed if it["annotations"]["dev.sigstore.bundle.predicateType"] == SIGNATURE]
    with pytest.raises(StepError) as caught:
        case.approve()
    assert "does not carry its evidence" in str(caught.value)
    assert ("no provenance" if lost == "index" else "no vulnerability report") in str(caught.value)
    assert case.written() == []


def test_a_release_that_another_key_signed_is_not_approved(case: Case) -> None:
    other = case.notary.keys(case.folder, "other")[1]
    request = Request(case.reference, PRODUCTION, REASON, other, {"ada": case.public_key})
    with pytest.raises(StepError, match=r"does not carry its evidence, signed with .*other\.pub"):
        approve(request, case.key, PASSWORD, case.notary.shelf.registries)


def test_a_digest_that_is_not_there_is_not_approved(case: Case) -> None:
    gone = ImageReference.parse(f"{REPOSITORY}@sha256:{'f' * 64}")
    request = Request(gone, PRODUCTION, REASON, case.release_key, {"ada": case.public_key})
    with pytest.raises(StepError, match="cannot be read"):
        approve(request, case.key, PASSWORD, case.notary.shelf.registries)
