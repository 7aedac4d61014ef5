"""Rules about the images that a program names: pinned, from an allowed place, for every platform, with honest tags."""

import re
from collections.abc import Callable, Iterable, Iterator

from pulumi.runtime import is_dry_run
from pulumi_policy import Severity

from judging.images import Image, each_image, place_of
from judging.node import Node
from judging.pushes import Push, pushes
from judging.rule import NotApplicable, Problem, Rule, Source, Subject
from rules.sources import CIS
from verification.evidence import begin, evidence_of, tag_digest
from verification.references import Reference, is_semver

DIGEST_IS_IDENTITY = Source("Slipway", "", "digest is identity", "")
_MOVING = (
    "latest main master trunk head edge nightly canary next current rolling stable beta alpha rc snapshot "
    "dev devel develop development test testing qa staging stage preview prod production live release"
)
MOVING_TAGS = _MOVING.split()
_RUNS = "slipway:index:HardenedContainer"
_SERIES = re.compile(r"v?[0-9]+(?:\.[0-9]+)?(?:-[A-Za-z].*)?")
"""A series of versions: `1`, `1.4`, `v1.4`, `3.12-slim`."""


def pinned_by_digest(subject: Subject) -> Iterator[Problem]:
    """A tag can be moved, by an attacker or by the next push: what was verified is what runs only by digest.

    A local image id is no digest of a manifest: it names what one engine has unpacked, and no registry knows it.
    """
    _read_ahead(subject)
    yield from each_image(subject, lambda image: _unpinned(image, subject))


def _read_ahead(subject: Subject) -> None:
    """Begin to read the evidence of what a component is about to run, before a resource of its own comes.

    In a preview also of what one is about to sign or to publish, which most often was published before: then it is at
    hand when the container comes. In an update the steps before the container may add to it, so it begins no earlier.
    """
    if not subject.type.startswith("slipway:") or not (is_dry_run() or subject.type == _RUNS):
        return
    root = Node(subject.properties)
    reference = _parsed(root.label("reference") or "")
    if not reference or not reference.digest:
        return
    repository = root.label("repository") or root.label("annotations", "repository")
    target = _parsed(f"{repository}@{reference.digest}") if repository else reference
    if target and place_of(target, subject.settings) == "private":
        begin(target, subject.settings)


def _unpinned(image: Image, subject: Subject) -> Iterator[Problem]:
    try:
        reference = image.reference
    except ValueError as error:
        seen = f"cannot be pulled: {error}" if image.text.strip() else "is not set"
        yield Problem(f"{image.path} {seen}", "name it as a registry does", image.where)
        return
    if reference.digest:
        begin(reference, subject.settings)  # what other rules ask about it is read in the meantime
        return
    yield Problem(
        f"{image.path} is {image.text}, which has no digest",
        f"write {reference}@sha256:… with the digest that was verified",
        image.where,
    )


def tag_does_not_move(subject: Subject) -> Iterator[Problem]:
    """`latest`, a branch, an environment or a series names something else tomorrow: nobody can say what it was.

    No tag at all means `latest`. Beside a digest the tag decides nothing, so there it is only advised against.
    """
    moving = subject.options["movingTags"]
    yield from _each_tag(subject, lambda tag: _moving(tag, moving))


def _moving(tag: str | None, moving: Iterable[str]) -> str:
    if tag is None:
        return "has no tag, which means latest"
    if is_semver(tag) or not (tag.lower() in moving or _SERIES.fullmatch(tag)):
        return ""
    return f"has the tag {tag}, which moves"


def tag_is_a_version(subject: Subject) -> Iterator[Problem]:
    """A tag is a label for people: a semantic version says which release it is, and which came before it.

    One with a channel, such as 1.4.0-dev.0123456789ab, names a candidate. Beside a digest it is only advised.
    """
    yield from _each_tag(subject, lambda tag: "" if tag is None or is_semver(tag) else f"has the tag {tag}")


def _each_tag(subject: Subject, wrong: Callable[[str | None], str]) -> Iterator[Problem]:
    """The problems with tags that are pulled, and with those that are put."""
    write = "write a semantic version, such as 1.4.0 or 1.4.0-dev.0123456789ab"
    for push in pushes(subject) if not subject.type.startswith("command:") else ():
        reference = _parsed(push.name)
        if _puts_a_tag(push) and reference and (said := wrong(reference.tag)):
            verb = "names" if push.kind == "local tag" else "pushes"
            yield Problem(f"{push.path} {verb} {push.name}: it {said}", write)

    def judge(image: Image) -> Iterator[Problem]:
        reference = _parsed(image.text)
        beside_digest = reference is not None and reference.digest is not None
        if reference and not (beside_digest and reference.tag is None) and (said := wrong(reference.tag)):
            yield Problem(f"{image.path} is {image.text}: it {said}", write, image.where, advisory=beside_digest)

    yield from each_image(subject, judge)


def _puts_a_tag(push: Push) -> bool:
    """Whether a tag gets into a registry: a local one can where it names the registry's host, as a push needs it."""
    host, _, path = push.name.partition("/")
    stays = push.kind == "local tag" and not (path and (re.search("[.:]", host) or host == "localhost"))
    return push.kind != "cache" and not push.by_digest and not stays


def _parsed(text: str) -> Reference | None:
    """The image's name; what is none is a problem of another rule."""
    try:
        return Reference.parse(text)
    except ValueError:
        return None


def tag_names_its_digest(subject: Subject) -> Iterator[Problem]:
    """A release's tag is put once. One that names another digest today was put again, or the wrong digest was copied.

    What runs is decided by the digest, so elsewhere than among our own releases, where others may move their tags, it
    is only worth knowing.
    """

    def judge(image: Image) -> Iterator[Problem]:
        reference = image.pinned
        if reference is None or reference.tag is None or not is_semver(reference.tag):
            return
        found = tag_digest(reference, subject.settings)
        ours = place_of(reference, subject.settings) == "private"
        if found.problem:
            yield Problem(found.problem, "make the registry answer", image.where, advisory=not ours)
        elif found.digest is None:
            yield Problem(
                f"{reference.repository} has no tag {reference.tag}", "name the one it has", image.where, advisory=True
            )
        elif found.digest != reference.digest:
            yield Problem(
                f"the tag {reference.tag} of {reference.repository} names {found.digest} today, not {reference.digest}",
                "find out who put it again, and name the digest that was verified",
                image.where,
                advisory=not ours,
            )

    yield from each_image(subject, judge)


def from_allowed_repository(subject: Subject) -> Iterator[Problem]:
    """Only what was published has passed every gate, and only into the listed places do releases get published.

    Quarantine is none of them: what lies there waits for its gates, or did not pass them.
    """

    def judge(image: Image) -> Iterator[Problem]:
        reference = _parsed(image.text)
        if reference is None:
            raise NotApplicable("image-is-pinned-by-digest judges what is no name of an image")
        allowed = ", ".join(subject.settings.private_registries)
        place = place_of(reference, subject.settings)
        if not allowed:
            yield Problem(
                "the pack's configuration names no privateRegistries, so no image is known to be published",
                "set privateRegistries in the configuration of pack-is-configured",
                image.where,
            )
        elif place != "private":
            why = "which is quarantine" if place == "quarantine" else "which is on no list"
            yield Problem(
                f"{image.path} is from {reference.repository}, {why}", f"publish it to {allowed} first", image.where
            )

    yield from each_image(subject, judge)


def has_every_platform(subject: Subject) -> Iterator[Problem]:
    """One digest must be what runs everywhere: an index that lacks a platform makes somebody build another one.

    Read from the registry by digest, not from what the program says.
    """

    def judge(image: Image) -> Iterator[Problem]:
        reference = image.pinned
        if reference is None:
            raise NotApplicable("image-is-pinned-by-digest judges images without a digest")
        evidence = evidence_of(reference, subject.settings)
        if evidence.problem:
            yield Problem(evidence.problem, "make the registry answer", image.where)
            return
        missing = [it for it in subject.settings.platforms if it not in evidence.platforms]
        if missing:
            yield Problem(
                f"{reference.pinned} is for {', '.join(evidence.platforms)}, not for {', '.join(missing)}",
                "name an index that holds every platform, built at once",
                image.where,
            )

    yield from each_image(subject, judge)


RULES: tuple[Rule, ...] = (
    Rule(
        name="image-is-pinned-by-digest",
        statement="What runs or is pulled is named by the digest of its manifest",
        check=pinned_by_digest,
        source=DIGEST_IS_IDENTITY,
        severity=Severity.CRITICAL,
        fix="Write REPOSITORY@sha256:… with the digest that the gates have passed; a tag beside it is fine.",
    ),
    Rule(
        name="image-tag-does-not-move",
        statement="No tag is used that names something else tomorrow",
        check=tag_does_not_move,
        source=DIGEST_IS_IDENTITY,
        severity=Severity.HIGH,
        fix="Use a full semantic version as tag, such as 1.4.0; never latest, a branch, an environment or a series.",
        options={
            "movingTags": {
                "type": "array",
                "items": {"type": "string"},
                "default": MOVING_TAGS,
                "description": "tags that move, in lower case; series such as 1, 1.4 and 3.12-slim need not be listed",
            }
        },
    ),
    Rule(
        name="image-tag-is-a-version",
        statement="A tag is a semantic version, alone or with a channel",
        check=tag_is_a_version,
        source=Source("Semantic Versioning", "2.0.0", "", "https://semver.org/spec/v2.0.0.html"),
        severity=Severity.MEDIUM,
        fix="Tag releases as 1.4.0, and candidates as 1.4.0-CHANNEL.DIGEST.",
    ),
    Rule(
        name="image-tag-names-its-digest",
        statement="A version beside a digest is the registry's tag of that digest",
        check=tag_names_its_digest,
        source=DIGEST_IS_IDENTITY,
        severity=Severity.HIGH,
        fix="Find out who put the tag again. Name the digest that was verified, with its own tag or none.",
    ),
    Rule(
        name="image-comes-from-an-allowed-repository",
        statement="What runs or is pulled comes from a registry that releases are published to",
        check=from_allowed_repository,
        source=CIS("4.2"),
        severity=Severity.CRITICAL,
        fix="Publish the image to a listed registry through the gates, or have the list of privateRegistries extended.",
    ),
    Rule(
        name="image-has-every-platform",
        statement="The index that runs or is pulled holds every required platform",
        check=has_every_platform,
        source=DIGEST_IS_IDENTITY,
        severity=Severity.MEDIUM,
        fix="Build all platforms at once, and name the digest of the index instead of one platform's manifest.",
    ),
)
