"""What may leave a registry: by age and count, never what a stack references, and what is left after a deletion."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.artifact import Digest, Repository
from steps.cleanup import References, Rule, Verdict, delete, judge, parse_age
from steps.inventory import Inventory, Manifest, Referrer, take_inventory
from steps.predicates import APPROVED, PROVED, SIGNATURE
from steps.tool import StepError
from tests.shelf import Shelf

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=90)
REPOSITORY = Repository.parse("localhost:5380/driftwood/web")
NAME = str(REPOSITORY)
NOTHING = References((), ())
EVERYTHING_OLD = Rule(timedelta(days=30), 0, NOW)


@pytest.fixture(name="shelf")
def a_registry() -> Shelf:
    """A registry with nothing in it."""
    return Shelf()


def verdicts(
    shelf: Shelf, references: References = NOTHING, rule: Rule = EVERYTHING_OLD, named: tuple[str, ...] = ()
) -> dict[str, Verdict]:
    """What is said of each artifact, by its digest."""
    inventory = take_inventory(REPOSITORY, shelf.registries, map(Digest, named))
    return {str(it.root): it for it in judge(inventory, references, rule, {})}


def gone(shelf: Shelf, verdicts: Iterable[Verdict]) -> list[str]:
    """What was deleted of what may go."""
    return [str(digest) for digest in delete(REPOSITORY, shelf.registries, verdicts)]


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("30d", timedelta(days=30)),
        ("12h", timedelta(hours=12)),
        ("2w", timedelta(weeks=2)),
        ("90m", timedelta(minutes=90)),
        ("0s", timedelta()),
    ],
)
def test_an_age_is_a_number_and_a_unit(text: str, length: timedelta) -> None:
    assert parse_age(text) == length


@given(count=st.integers(0, 999999), unit=st.sampled_from("smhdw"))
def test_every_whole_number_with_a_unit_is_an_age(count: int, unit: str) -> None:
    one = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}[unit]
    assert parse_age(f"{count}{unit}") == timedelta(seconds=count * one)
    assert parse_age(f" {count}{unit} ") == parse_age(f"{count}{unit}")


@given(text=st.text(max_size=8))
def test_anything_else_is_refused_with_the_text_and_what_to_write(text: str) -> None:
    try:
        found = parse_age(text)
    except ValueError as error:
        assert repr(text) in str(error)
        assert "such as 30d" in str(error)
    else:
        assert text.strip()[:-1].isdecimal() and text.strip()[-1] in "smhdw"
        assert found >= timedelta()


@pytest.mark.parametrize("text", ["", "30", "d", "-1d", "1.5d", "30 d", "30days", "1y", "٣d", "9999999d"])
def test_what_only_looks_like_an_age_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="no age"):
        parse_age(text)


def test_an_old_candidate_that_no_stack_references_goes_with_all_that_refers_to_it(shelf: Shelf) -> None:
    index = shelf.image(NAME, "old")
    signed = shelf.sign(NAME, index, LONG_AGO)
    verdict = verdicts(shelf)[index]
    assert verdict.goes
    assert verdict.age == timedelta(days=90)
    here = shelf.repository(NAME)
    assert {str(it) for it in verdict.delete} >= {index, *signed, *here["tags"].values()}
    own = [*here["manifests"][index]["manifests"]]
    assert verdict.bytes >= 5000 + 2 * 1100 + 3 * 10, "layers, configurations and what refers to them"
    assert len(own) == 2


def test_a_platform_goes_before_its_index_and_a_manifest_before_the_list_of_its_referrers(shelf: Shelf) -> None:
    index = shelf.image(NAME, "old")
    shelf.sign(NAME, index, LONG_AGO)
    order = [str(it) for it in verdicts(shelf)[index].delete]
    here = shelf.repository(NAME)
    for entry in here["manifests"][index]["manifests"]:
        assert order.index(entry["digest"]) < order.index(index)
    for subject in (index, *(it["digest"] for it in here["manifests"][index]["manifests"])):
        kept = here["tags"][subject.replace(":", "-")]
        assert order.index(subject) < order.index(kept)
        for referrer in here["manifests"][kept]["manifests"]:
            assert order.index(kept) < order.index(referrer["digest"])


def test_after_a_deletion_nothing_of_it_is_left_and_everything_else_is_as_before(shelf: Shelf) -> None:
    old, kept = shelf.image(NAME, "old", "1.3.0"), shelf.image(NAME, "kept", "1.4.0")
    before = None
    for index in (kept, old):
        shelf.sign(NAME, index, LONG_AGO)
        before = before or shelf.repository(NAME)
    assert before
    before["manifests"] = {it: of for it, of in before["manifests"].items() if it != old}
    found = verdicts(shelf, References([Digest(kept)], ()))
    gone(shelf, found.values())
    after = shelf.repository(NAME)
    assert after["tags"] == {tag: digest for tag, digest in before["tags"].items() if tag != "1.3.0"}
    assert after["manifests"].keys() <= before["manifests"].keys()
    assert verdicts(shelf, References([Digest(kept)], ())).keys() == {kept}
    for digest, entry in after["manifests"].items():
        for below in entry.get("manifests", ()):
            assert below["digest"] in after["manifests"], f"{digest} lists what is gone"


def test_an_end_in_the_middle_is_made_good_by_the_next_run(shelf: Shelf) -> None:
    index = shelf.image(NAME, "old")
    shelf.sign(NAME, index, LONG_AGO)
    verdict = verdicts(shelf)[index]
    for count in range(len(verdict.delete)):
        broken = Verdict(verdict.root, (), verdict.age, "", True, verdict.delete[:count])
        gone(shelf, [broken])
        here = shelf.repository(NAME)
        for tag in here["tags"].values():
            for entry in here["manifests"][tag].get("manifests", ()):
                assert entry["digest"] in here["manifests"], "a list names what is gone, and cosign stops at it"
    gone(shelf, verdicts(shelf).values())
    assert verdicts(shelf) == {}


@pytest.mark.parametrize("which", ["index", "platform", "referrer"])
def test_what_a_stack_references_stays_whichever_part_of_it_the_stack_names(shelf: Shelf, which: str) -> None:
    index = shelf.image(NAME, "old", "1.3.0")
    signed = shelf.sign(NAME, index, LONG_AGO)
    platform = shelf.repository(NAME)["manifests"][index]["manifests"][0]["digest"]
    named = {"index": index, "platform": platform, "referrer": signed[0]}[which]
    verdict = verdicts(shelf, References([Digest(named)], ()))[index]
    assert not verdict.goes
    assert verdict.reason == "a stack's state or settings have its digest"


def test_a_release_whose_version_settings_have_stays(shelf: Shelf) -> None:
    index = shelf.image(NAME, "old", "1.3.0")
    shelf.sign(NAME, index, LONG_AGO)
    verdict = verdicts(shelf, References((), ["1.3.0"]))[index]
    assert (verdict.goes, verdict.reason) == (False, "a stack's settings have the version 1.3.0")
    assert verdicts(shelf, References((), ["1.3.1"]))[index].goes


@pytest.mark.parametrize("tag", ["cache", "latest", "1.4", "1", "2"])
def test_what_has_a_tag_that_is_no_version_stays(shelf: Shelf, tag: str) -> None:
    index = shelf.image(NAME, "old", "1.4.0", tag)
    shelf.sign(NAME, index, LONG_AGO)
    verdict = verdicts(shelf)[index]
    assert (verdict.goes, verdict.reason) == (False, f"the tag {tag} is no version of ours")


@pytest.mark.parametrize("type_", [PROVED, APPROVED])
def test_what_was_proved_or_approved_goes_by_age_and_count_as_well(shelf: Shelf, type_: str) -> None:
    old, young = shelf.image(NAME, "old", "1.3.0"), shelf.image(NAME, "young", "1.4.0")
    for index in (old, young):
        shelf.sign(NAME, index, LONG_AGO)
    shelf.refer(NAME, old, type_, LONG_AGO)
    shelf.refer(NAME, young, type_, NOW)
    found = verdicts(shelf)
    assert found[old].goes
    assert not found[young].goes, "somebody has looked at it since"


def test_a_build_of_a_channel_goes_as_a_candidate_does(shelf: Shelf) -> None:
    index = shelf.image(NAME, "old")
    shelf.put(NAME, shelf.repository(NAME)["manifests"][index], f"1.4.0-dev.{Digest(index).short}")
    shelf.sign(NAME, index, LONG_AGO)
    assert verdicts(shelf, References((), ["1.4.0"]))[index].goes


def test_an_artifact_whose_age_nobody_knows_stays(shelf: Shelf) -> None:
    index = shelf.image(NAME, "old", "1.3.0")
    verdict = verdicts(shelf)[index]
    assert (verdict.goes, verdict.age, verdict.reason) == (False, None, "nothing says how old it is")


def test_a_candidate_without_a_tag_is_found_where_somebody_names_it(shelf: Shelf) -> None:
    index = shelf.image(NAME, "unsigned")
    assert index not in verdicts(shelf)
    assert index in verdicts(shelf, named=(index,))
    inventory = take_inventory(REPOSITORY, shelf.registries, [Digest(index)])
    [verdict] = judge(inventory, NOTHING, EVERYTHING_OLD, {Digest(index): LONG_AGO})
    assert verdict.goes
    [again] = judge(inventory, NOTHING, EVERYTHING_OLD, {Digest(index): NOW - timedelta(hours=1)})
    assert again.reason == "not older than 30 d"


def test_the_newest_stay_however_old_they_are(shelf: Shelf) -> None:
    made = [shelf.image(NAME, f"{days}", f"1.{days}.0") for days in range(5)]
    for days, index in enumerate(made):
        shelf.sign(NAME, index, LONG_AGO - timedelta(days=days))
    found = verdicts(shelf, rule=Rule(timedelta(days=30), 3, NOW))
    assert [found[index].goes for index in made] == [False, False, False, True, True]
    assert {found[index].reason for index in made[:3]} == {"one of the newest 3"}


def test_a_younger_one_stays_and_one_from_the_future_does_too(shelf: Shelf) -> None:
    young, future = shelf.image(NAME, "young", "1.3.0"), shelf.image(NAME, "future", "1.4.0")
    shelf.sign(NAME, young, NOW - timedelta(days=30))
    shelf.sign(NAME, future, NOW + timedelta(days=1))
    found = verdicts(shelf)
    assert {it.reason for it in found.values()} == {"not older than 30 d"}


def test_a_platform_that_two_indexes_share_stays_with_the_one_that_stays(shelf: Shelf) -> None:
    kept = shelf.image(NAME, "same", "1.4.0")
    shared = shelf.repository(NAME)["manifests"][kept]["manifests"][0]
    old = shelf.put(NAME, {"mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [shared]}, "1.3.0")
    for index in (kept, old):
        shelf.sign(NAME, index, LONG_AGO)
    found = verdicts(shelf, References([Digest(kept)], ()))
    assert found[old].goes is True
    gone(shelf, found.values())
    here = shelf.repository(NAME)["manifests"]
    assert kept in here and shared["digest"] in here and old not in here


def test_a_registry_that_allows_no_deletion_says_so(shelf: Shelf) -> None:
    index = shelf.image(NAME, "old")
    shelf.sign(NAME, index, LONG_AGO)
    shelf.deletes = False
    with pytest.raises(StepError) as caught:
        gone(shelf, verdicts(shelf).values())
    message = str(caught.value)
    assert message.startswith("registry localhost:5380 allows no deletion in driftwood/web. Nothing was deleted there.")
    assert "storage.delete.enabled" in message


def test_judging_asks_for_nothing_to_be_deleted(shelf: Shelf) -> None:
    shelf.sign(NAME, shelf.image(NAME, "old"), LONG_AGO)
    assert any(it.goes for it in verdicts(shelf).values())
    assert shelf.ran("manifest", "delete") == []
    assert {call[0] for call in shelf.ran()} == {"repo", "manifest", "discover"}


def test_a_repository_that_does_not_exist_holds_nothing(shelf: Shelf) -> None:
    assert verdicts(shelf) == {}


def digest_of(number: int) -> Digest:
    """The n-th digest of a made-up repository."""
    return Digest(f"sha256:{number:064x}")


@st.composite
def repositories(draw: st.DrawFn) -> Inventory:
    """A repository of indexes over shared platforms, with tags and referrers in any state, whole or half deleted."""
    platforms = [digest_of(it) for it in range(1, 6)]
    indexes = [digest_of(it) for it in range(10, 10 + draw(st.integers(1, 6)))]
    present = draw(st.sets(st.sampled_from([*platforms, *indexes])))
    manifests = {
        it: Manifest(it, 100, tuple(draw(st.sets(st.sampled_from(platforms)))) if it in indexes else ())
        for it in sorted(present, key=str)
    }
    referrers, lists = {}, {}
    for place, subject in enumerate([*platforms, *indexes]):
        ages = draw(st.lists(st.integers(-5, 200), max_size=3))
        types = draw(st.lists(st.sampled_from([SIGNATURE, SIGNATURE, PROVED]), min_size=3, max_size=3))
        referrers[subject] = tuple(
            Referrer(digest_of(1000 + place * 10 + at), types[at], NOW - timedelta(days=age))
            for at, age in enumerate(ages)
        )
        if ages:
            lists[subject] = (digest_of(5000 + place),)
    names = st.sampled_from(["1.0.0", "1.1.0", "2.0.0-rc.1", "1", "cache", "1.4.0-dev.00000000000a"])
    tags = draw(st.dictionaries(names, st.sampled_from(sorted(manifests, key=str)))) if manifests else {}
    return Inventory(REPOSITORY, tags, manifests, {it: of for it, of in referrers.items() if of}, lists)


def needed(inventory: Inventory, digest: Digest) -> set[Digest]:
    """Everything that somebody who holds on to a digest holds on to: the whole of it, with what it is a part of."""
    roots = [root for root in inventory.roots if digest in everything(inventory, root)]
    return {it for root in roots for it in everything(inventory, root)}


def everything(inventory: Inventory, root: Digest) -> set[Digest]:
    """An artifact with all that belongs to it."""
    found: set[Digest] = set()
    for member in inventory.members(root):
        found |= {member, *inventory.lists.get(member, ())}
        found |= {it.digest for it in inventory.referrers.get(member, ())}
    return found


@given(data=st.data(), inventory=repositories(), days=st.integers(0, 200), keep=st.integers(0, 4))
def test_nothing_that_is_referenced_is_ever_deleted(
    data: st.DataObject, inventory: Inventory, days: int, keep: int
) -> None:
    known = sorted({it for root in inventory.roots for it in everything(inventory, root)}, key=str)
    held = data.draw(st.sets(st.sampled_from(known))) if known else set()
    versions = data.draw(st.sets(st.sampled_from(["1.0.0", "1.1.0", "3.0.0"])))
    found = judge(inventory, References(held, versions), Rule(timedelta(days=days), keep, NOW), {})
    deleted = [it for verdict in found for it in verdict.delete]
    assert len(deleted) == len(set(deleted)), "nothing is deleted twice"
    for digest in held:
        assert not needed(inventory, digest) & set(deleted)
    for tag, digest in inventory.tags.items():
        if tag in versions or tag in ("1", "cache"):
            assert not needed(inventory, digest) & set(deleted), tag
    for verdict in found:
        if not verdict.goes:
            assert verdict.delete == ()
            assert not everything(inventory, verdict.root) & set(deleted), "what stays, stays whole"
        else:
            assert verdict.age is not None and verdict.age > timedelta(days=days)
    assert {it.root for it in found} == set(inventory.roots)
    aged = [it for it in found if it.age is not None]
    assert not any(it.goes for it in aged[:keep])
