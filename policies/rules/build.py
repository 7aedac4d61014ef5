"""Rules about builds: what they push, and where to."""

from collections.abc import Iterator

from pulumi_policy import Severity

from judging.configuration import Settings
from judging.images import place_of
from judging.pushes import BUILD, Push, pushes
from judging.rule import Problem, Rule, Source, Subject
from verification.references import Reference

DESIGN = Source("Slipway", "", "nothing unverified reaches the registry", "")
_MISSING = Problem(
    "the pack's configuration names no quarantine, so no place is known that a build may push to",
    "set quarantine in the configuration of pack-is-configured",
)


def pushes_to_quarantine(subject: Subject) -> Iterator[Problem]:
    """What was just built is neither scanned nor signed: where hosts pull from, it runs before anyone looked at it.

    Pushing first and scanning afterwards is how that happens.
    """
    for push in pushes(subject):
        problem = _misplaced(push, subject)
        if problem:
            yield problem


def _misplaced(push: Push, subject: Subject) -> Problem | None:
    quarantine = ", ".join(subject.settings.quarantine)
    try:
        reference = push.reference
    except ValueError as error:
        # What a shell will put in the place of a variable is not known here.
        variable = subject.type.startswith("command:") and "$" in push.name
        known = _before_a_variable(push.name, subject.settings) if variable else None
        if known is None:
            why = error if push.name else "no name is written there"
            seen = f"{push.path} pushes to a place that cannot be read: {why}"
            return Problem(seen, "write it out", advisory=variable)
        reference = known
    place = place_of(reference, subject.settings)
    if place == "quarantine" or (push.kind == "local tag" and place is None):
        return None
    if not subject.settings.quarantine:
        return _MISSING
    what = {"image": "pushes to", "cache": "pushes its cache to", "local tag": "names an image for a push to"}[
        push.kind
    ]
    where = "which is where releases are" if place == "private" else "which is no quarantine"
    return Problem(
        f"{push.path} {what} {reference.repository}, {where}",
        f"push to {quarantine}, and publish by digest what has passed every gate",
    )


def _before_a_variable(name: str, settings: Settings) -> Reference | None:
    """The repository, if only a tag or its last names are a variable's; None where it may be in quarantine, or not."""
    written, _, _ = name.partition("$")
    if written.endswith("/") and not any(
        it.removeprefix("docker.io/").startswith(written) for it in settings.quarantine
    ):
        written += "any:"
    elif "/" not in written or not written.endswith((":", "@")):
        return None
    try:
        return Reference.parse(written.rstrip(":@"))
    except ValueError:
        return None


def preview_pushes_nothing(subject: Subject) -> Iterator[Problem]:
    """A preview shows what would happen; to what it already puts into a registry, nobody has agreed.

    The provider builds during previews unless it is told not to, and exports the cache of that build. Pulumi goes on
    with a preview after a violation, to show all of them: the first such preview has pushed by then. It fails, and no
    `up` follows.
    """
    if subject.type != BUILD or subject.properties.get("buildOnPreview") is False:
        return
    for push in pushes(subject):
        if push.kind == "cache":
            yield Problem(
                f"a preview builds the image and pushes its cache ({push.path}) to {push.name}",
                "set buildOnPreview to false",
            )


RULES: tuple[Rule, ...] = (
    Rule(
        name="build-pushes-to-quarantine",
        statement="A build pushes to a quarantine repository, and never to where releases are",
        check=pushes_to_quarantine,
        source=DESIGN,
        severity=Severity.CRITICAL,
        fix="Push to a repository that no host pulls from. Scan and sign the digest there, then copy it by digest.",
    ),
    Rule(
        name="preview-pushes-nothing",
        statement="A preview puts nothing into a registry",
        check=preview_pushes_nothing,
        source=Source("Slipway", "", "nothing ships that a preview did not show", ""),
        severity=Severity.MEDIUM,
        fix="Set buildOnPreview to false where a build exports its cache to a registry.",
    ),
)
