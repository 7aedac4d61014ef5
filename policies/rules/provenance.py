"""Rules about from what an image was built, as signed provenance says."""

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from pulumi_policy import Severity

from judging.proven import ATTEST, each_evidence, found_instead, missing_setting
from judging.rule import NotApplicable, Problem, Rule, Source, Subject
from rules.sources import CIS
from verification.evidence import Evidence
from verification.origins import base_image, is_allowed_base, is_allowed_source, source_repository
from verification.predicates import Provenance

SLSA = Source("SLSA", "1.1", "Verifying artifacts", "https://slsa.dev/spec/v1.1/verifying-artifacts")


def has_provenance(subject: Subject) -> Iterator[Problem]:
    """Without provenance nobody knows from which source an image was built, nor whether anybody reviewed that."""

    def judge(evidence: Evidence) -> Iterator[Problem]:
        found = _provenances(evidence)
        if not found:
            yield Problem(f"{evidence.reference} has no provenance{found_instead(evidence, 'provenance')}", ATTEST)
        for provenance in found:
            if not provenance.source or not provenance.commit:
                missing = "source repository" if not provenance.source else "commit"
                yield Problem(f"the provenance of {evidence.reference} names no {missing}", "build from a commit")

    yield from each_evidence(subject, judge)


def source_is_allowed(subject: Subject) -> Iterator[Problem]:
    """A copy of a repository can be built and signed by the same pipeline, without anyone having reviewed it."""
    allowed = subject.settings.source_repositories

    def judge(evidence: Evidence) -> Iterator[Problem]:
        for provenance in _some_provenances(evidence):
            if not allowed:
                yield missing_setting("sourceRepositories", "no source repository is known to be reviewed")
            elif provenance.source and not is_allowed_source(provenance.source, allowed):
                yield Problem(
                    f"{evidence.reference} was built from {source_repository(provenance.source)}, which is on no list",
                    f"build it from {', '.join(allowed)}",
                )

    yield from each_evidence(subject, judge)


def tree_is_clean(subject: Subject) -> Iterator[Problem]:
    """What was built from changes that are in no commit can be reviewed by nobody, and built again by nobody.

    That stops a release stack; elsewhere, where people try things, it is advice.
    """
    stack = subject.stack.lower()
    release = any(fnmatchcase(stack, pattern.lower()) for pattern in subject.settings.release_stacks)

    def judge(evidence: Evidence) -> Iterator[Problem]:
        for provenance in _some_provenances(evidence):
            if provenance.dirty:
                yield Problem(
                    f"{evidence.reference} was built from changes that are in no commit, on top of {provenance.commit}",
                    "commit them, and build again",
                    advisory=not release,
                )

    yield from each_evidence(subject, judge)


def bases_are_allowed(subject: Subject) -> Iterator[Problem]:
    """An image is as trustworthy as what it was built on, and nearly all that is in it comes from there.

    Provenance that names no base image is advised against: only an image that was built from nothing has none.
    """
    allowed = subject.settings.base_images

    def judge(evidence: Evidence) -> Iterator[Problem]:
        bases = dict.fromkeys(base for provenance in _some_provenances(evidence) for base in provenance.bases)
        if not bases:
            yield Problem(
                f"the provenance of {evidence.reference} names no base image",
                "let the build name its base images; an image built FROM scratch has none",
                advisory=True,
            )
        elif not allowed:
            yield missing_setting("baseImages", "no base image is known to be reviewed")
            return
        for base in bases:
            if not is_allowed_base(base.uri, allowed):
                yield Problem(
                    f"{evidence.reference} was built on {base_image(base.uri) or base.uri}, which is on no list",
                    f"build it on {', '.join(allowed)}",
                )

    yield from each_evidence(subject, judge)


def _provenances(evidence: Evidence) -> Sequence[Provenance]:
    """The provenance of the whole image, else that of its platforms where each has one."""
    parts = evidence.platforms.values()
    if evidence.provenances or not all(part.provenances for part in parts):
        return evidence.provenances
    return list(dict.fromkeys(it for part in parts for it in part.provenances))


def _some_provenances(evidence: Evidence) -> Sequence[Provenance]:
    found = _provenances(evidence)
    if not found:
        raise NotApplicable("image-has-provenance judges images without provenance")
    return found


RULES: tuple[Rule, ...] = (
    Rule(
        name="image-has-provenance",
        statement="Provenance, signed by somebody whom this pack trusts, names the source repository and the commit",
        check=has_provenance,
        source=SLSA,
        severity=Severity.HIGH,
        fix="Have the builder write SLSA provenance, and attest it: cosign attest --type slsaprovenance1.",
    ),
    Rule(
        name="image-is-built-from-an-allowed-repository",
        statement="The source repository that provenance names is on the list",
        check=source_is_allowed,
        source=SLSA,
        severity=Severity.HIGH,
        fix="Build from a listed repository, or have the list of sourceRepositories extended after a review.",
    ),
    Rule(
        name="image-is-built-from-a-clean-tree",
        statement="A release was built from a commit, without changes beside it",
        check=tree_is_clean,
        source=SLSA,
        severity=Severity.HIGH,
        fix="Commit all changes, and build again.",
    ),
    Rule(
        name="image-is-built-on-allowed-bases",
        statement="The base images that provenance names are on the list",
        check=bases_are_allowed,
        source=CIS("4.2"),
        severity=Severity.HIGH,
        fix="Build on a listed base image, or have the list of baseImages extended after a review.",
    ),
)
