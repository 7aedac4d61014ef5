"""The evidence of every image of a resource, for the rules that judge it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from judging.images import Image, each_image
from judging.rule import NotApplicable, Problem, Subject
from verification.evidence import Evidence, evidence_of

ATTEST = "have its pipeline attest it with a key that this pack trusts"
_CONFIGURATION = "in the configuration of pack-is-configured"
_MOST_FOUND = 3


def each_evidence(
    subject: Subject,
    judge: Callable[[Evidence], Iterable[Problem]],
    unpinned: Callable[[Image], Problem] | None = None,
) -> Iterator[Problem]:
    """The problems with the evidence of every image."""

    def judge_image(image: Image) -> Iterator[Problem]:
        reference, settings = image.pinned, subject.settings
        if reference is None:
            if unpinned is None:
                raise NotApplicable("image-is-signed judges images without a digest")
            yield replace(unpinned(image), where=image.where)
        elif not settings.public_keys and not settings.identities:
            yield replace(
                missing_setting("publicKeys and no identities", "nobody's signature counts"), where=image.where
            )
        elif (evidence := evidence_of(reference, settings)).problem:
            yield Problem(
                f"nothing is proven of {evidence.reference}: {evidence.problem}",
                "make the registry answer, and try again",
                image.where,
            )
        else:
            yield from (replace(problem, where=image.where) for problem in judge(evidence))

    yield from each_image(subject, judge_image)


def missing_setting(setting: str, consequence: str) -> Problem:
    """The problem that a setting is missing which the rule cannot judge without."""
    return Problem(f"the pack's configuration names no {setting}, so {consequence}", f"set it {_CONFIGURATION}")


def found_instead(evidence: Evidence, what: str) -> str:
    """What was found in the place of a piece of evidence, and why it does not count."""
    found = [text for text in evidence.rejected if text.startswith((what, "statement", "attestations"))]
    return f" (found: {'; '.join(found[:_MOST_FOUND])})" if found else ""
