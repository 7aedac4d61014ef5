"""Built once, named for good: a line is edited on a stack that makes no releases, then the stack makes a release.

The fixtures are the story in its order; a test looks at one point of it.
"""

import re
from dataclasses import dataclass
from typing import Any

import pytest

from components.record import ReleaseRecord
from tests.e2e.conftest import Checkout, commit
from tests.e2e.names import PREFIX
from tests.e2e.shipped import get
from tests.e2e.small import refused

STACK = "releases"
REPOSITORY = f"{STACK}/web"
CONTEXT = f"examples/{STACK}"
EDIT = "<p>Low water, too.</p>"


@dataclass
class State:
    """The stack after one `pulumi up`."""

    record: ReleaseRecord
    container: str
    page: str


def state_of(checkout: Checkout) -> State:
    """What the stack says, and the page that it serves."""
    output = checkout.outputs(STACK)["web"]
    record = ReleaseRecord.model_validate(output["release"])
    return State(record, output["container"], get(output["url"] + "/")[1])


def names_in(checkout: Checkout) -> set[str]:
    """The tags of releases in the private registry; signatures are kept under others."""
    return {tag for tag in checkout.private.tags(REPOSITORY) if not tag.startswith("sha256-")}


def edit(checkout: Checkout, old: str, new: str) -> None:
    """Change one line of the service's page, and leave that uncommitted."""
    page = checkout.root / CONTEXT / "driftwood" / "page.html"
    text = page.read_text()
    assert old in text
    page.write_text(text.replace(old, new, 1))


@pytest.fixture(scope="module", name="first")
def first_up(checkout: Checkout) -> State:
    """The stack of channel dev."""
    checkout.copy_sample(STACK)

    def change(settings: dict[str, Any]) -> None:
        settings["services"]["web"]["build"]["context"] = CONTEXT

    checkout.stack(STACK, change)
    checkout.up(STACK, "--skip-preview")
    return state_of(checkout)


@pytest.fixture(scope="module", name="edited")
def up_with_an_edited_line(checkout: Checkout, first: State) -> State:
    """The same after a line was edited."""
    assert first.record.tag in names_in(checkout)
    edit(checkout, "</body>", f"{EDIT}</body>")
    commit(checkout.root, "tell of low water", CONTEXT)  # a release is built from what is committed alone
    checkout.up(STACK, "--skip-preview")
    return state_of(checkout)


@dataclass
class Released:
    """The release, and how it came about."""

    state: State
    log: str
    container_before: str


@pytest.fixture(scope="module", name="released")
def up_on_the_release_channel(checkout: Checkout, edited: State) -> Released:
    """The same artifact, released."""

    def change(settings: dict[str, Any]) -> None:
        settings["channel"] = "release"
        settings["series"] = True

    checkout.edit_stack(STACK, change)
    log = checkout.up(STACK).stdout
    return Released(state_of(checkout), log, edited.container)


def test_editing_a_line_and_up_just_works_on_a_stack_that_makes_no_releases(
    checkout: Checkout, first: State, edited: State
) -> None:
    assert EDIT in edited.page and EDIT not in first.page
    assert edited.record.digest != first.record.digest
    assert edited.container != first.container
    for state in (first, edited):
        assert state.record.tag == f"1.4.0-dev.{state.record.digest.removeprefix('sha256:')[:12]}"
        assert checkout.private.digest(REPOSITORY, state.record.tag) == state.record.digest


def test_a_release_claims_its_version_and_moves_its_series(checkout: Checkout, released: Released) -> None:
    record = released.state.record
    assert record.tag == "1.4.0"
    assert {tag for tag in names_in(checkout) if "-dev." not in tag} == {"1.4.0", "1.4", "1"}
    for tag in ("1.4.0", "1.4", "1"):
        assert checkout.private.digest(REPOSITORY, tag) == record.digest


def test_a_release_is_the_artifact_that_was_tried_built_only_once(edited: State, released: Released) -> None:
    assert released.state.record.digest == edited.record.digest
    assert released.state.container == released.container_before
    _, _, done = released.log.partition("Updating (")
    changed = {line.split()[2] for line in done.splitlines() if re.match(r"\s*[~+-]+\s+command:", line)}
    assert changed == {"web-publication-oras"}


def test_a_preview_of_a_release_shows_no_change(checkout: Checkout, released: Released) -> None:
    assert released.state.record.tag == "1.4.0"
    checkout.preview(STACK, "--expect-no-changes")


def test_a_preview_stops_where_somebody_else_has_moved_the_tag_of_a_release(
    checkout: Checkout, first: State, released: Released
) -> None:
    record = released.state.record
    checkout.private.move_tag(REPOSITORY, "1.4.0", first.record.digest)
    try:
        ended = checkout.preview(STACK, check=False)
    finally:
        checkout.private.move_tag(REPOSITORY, "1.4.0", record.digest)
    assert ended.returncode not in (0, 7)
    taken = f"{checkout.private.address}/{REPOSITORY}:1.4.0 is taken: it names {first.record.digest}"
    assert f"{taken}, this build is {record.digest}" in ended.stdout
    assert "Traceback" not in ended.stdout


def test_a_release_of_what_is_in_no_commit_is_refused_by_preview_and_up_before_its_build(
    checkout: Checkout, released: Released
) -> None:
    edit(checkout, EDIT, f"{EDIT}<p>Nobody has seen this.</p>")
    try:
        runs = [checkout.preview(STACK, check=False), checkout.up(STACK, "--skip-preview", check=False)]
    finally:
        edit(checkout, f"{EDIT}<p>Nobody has seen this.</p>", EDIT)
    for ended in runs:
        output = refused(ended, "channel: release claims an immutable tag", "nothing was changed")
        assert f"service web: {CONTEXT} holds what is in no commit: driftwood/page.html" in output
        assert "web-image" not in output
    assert checkout.inspect(f"{PREFIX}-{STACK}")["Id"] == released.state.container, "what ran still runs"


def test_an_up_of_an_edited_release_stops_before_the_copy(checkout: Checkout, released: Released) -> None:
    record = released.state.record
    edit(checkout, EDIT, f"{EDIT}<p>And slack water.</p>")
    commit(checkout.root, "tell of slack water", CONTEXT)
    try:
        checkout.preview(STACK)  # what the build will be is not known yet
        ended = checkout.up(STACK, check=False)
    finally:
        edit(checkout, f"{EDIT}<p>And slack water.</p>", EDIT)
        checkout.run("git", "reset", "--quiet", "HEAD~1")  # the commit is gone, what else was written stays
    assert ended.returncode != 0
    said = re.search(r"1\.4\.0 is taken: it names (sha256:\w+), this build is (sha256:\w+)\.", ended.stdout)
    assert said, ended.stdout
    assert said[1] == record.digest
    assert said[2] != record.digest
    assert "raise `version`" in ended.stdout
    assert "Traceback" not in ended.stdout
    assert checkout.quarantine.manifest(REPOSITORY, said[2]), "the candidate is in quarantine"
    assert checkout.private.manifest(REPOSITORY, said[2]) is None, "the private registry has never seen it"
    assert checkout.private.digest(REPOSITORY, "1.4.0") == record.digest
    assert checkout.inspect(f"{PREFIX}-{STACK}")["Id"] == released.state.container, "what ran still runs"
    checkout.up(STACK, "--skip-preview")
    again = state_of(checkout).record
    assert (again.reference, again.tag) == (record.reference, record.tag), "with the edit taken back it is whole again"
