"""Verify that a stack may take a release that others made: during preview already, as its digest is known by then.

Nothing is built, signed or changed. The release is chosen (what the first stack runs, or the version or digest that is
pinned), then everything is verified where it lies: the index with all platforms, signatures, evidence, who proved and
who approved it, and for a digest's first time in this stack today's vulnerabilities. What this stack has proved itself
is verified in its own registry, so that a rollback needs nobody else; it is told what is known today, and goes through.
The answer is a sentence, not an exit code: a preview shows it as the program's own error.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from components.artifact import Digest, ImageReference, Platform, Repository
from steps.choose import Candidate, Registries, Upstream, Wanted, choose, is_there, repositories_of
from steps.credentials import Logins, add_registry_flags, registry_credentials, registry_logins
from steps.once import once_a_run
from steps.predicates import APPROVED, PROVED, SBOM, SIGNATURE, evidence_of, provenance_at
from steps.proofs import Approval, Proof, Rule, StackName, duration, missing, proved_by, readable, spelled
from steps.publish import explain
from steps.registry import platforms_of
from steps.scan import add_policy_flags, table
from steps.scanned import Policy, todays_findings, todays_findings_by_sbom
from steps.statements import key_file, make_sure, predicates, report_age, says_nothing
from steps.tool import StepError, ToolError, read_secrets, run_step
from steps.verify import Statement, lacking, proven

_SOURCE_SETTING = "promote.registries"


@dataclass(frozen=True)
class Request:
    """Which release a stack wants to take, and what it asks of it."""

    service: str
    target: StackName
    """The stack that takes it."""
    wanted: Wanted
    upstreams: Sequence[Upstream]
    """The stacks that it takes from; the release is the first one's."""
    public_key: str
    """What signatures and evidence verify with."""
    own_key: str | None
    """What this stack's own proofs verify with; None where it makes none."""
    approvers: Mapping[str, str]
    """The public key of everyone who may approve, by name."""
    rule: Rule
    policy: Policy
    """What may not ship."""
    report_age: timedelta = timedelta(days=7)
    """How old the newest report may be when this stack takes a release for the first time."""
    running: Digest | None = None
    """What this stack runs now."""


def promote(request: Request, registries: Registries) -> dict[str, Any]:
    """Choose and verify.

    Raises:
        StepError: it may not be promoted; with everything that is missing.
        ToolError: a registry does not answer or refuses.
    """
    candidate = choose(request.wanted, request.upstreams, registries)
    here = request.wanted.repository.at(candidate.reference.digest)
    own = _own_proofs(request, here, registries)
    place = here if own else candidate.reference
    name = f"{request.service} {candidate.version or ''}".strip() + f" ({place.digest})"
    if not is_there(place, registries):
        raise StepError(f"{name} cannot be promoted: {_gone(place, candidate)}")
    platforms = platforms_of(place, registries.environment, registries.authority(place.repository))
    with ThreadPoolExecutor() as pool:
        verified = pool.submit(_verified, request, candidate, place, platforms, registries)
        proofs = pool.submit(_proofs, request, [place], registries)
        approvals = pool.submit(_approvals, request, [place], registries)
        scanned = pool.submit(_scanned, request, place, platforms, bool(own), registries)
        old = pool.submit(_old_reports, request, place, {} if own else platforms, registries)
        provenance = pool.submit(provenance_at, place, registries.environment, registries.authority(place.repository))
        said, approved, unread = _enough(request, place, candidate, (proofs.result(), approvals.result()), registries)
        (says, wrong), (failing, warnings) = verified.result(), scanned.result()
    lacks = missing(request.rule, said, approved, request.target, datetime.now(UTC))
    problems = [*wrong, *unread, *lacks, *failing, *old.result()]
    if problems:
        listed = "\n".join(f"  - {_indented(problem)}" for problem in problems)
        raise StepError(f"{name} cannot be promoted to {request.target.name}; nothing was changed:\n{listed}")
    return {
        # Where it was made, wherever it was verified: so that the second run hands on what the first one did.
        "reference": str(_origin(request, candidate.reference, place, registries)),
        "version": says["version"],
        "repository": says["repository"],
        "platforms": sorted(map(str, platforms)),
        "here": bool(own),
        "provenance": provenance.result(),
        "revision": _revision(request, said, candidate),
        "warnings": warnings,
        "told": [] if own and request.running == place.digest else [_told(request, name, said, approved, bool(own))],
    }


def _origin(
    request: Request, candidate: ImageReference, place: ImageReference, registries: Registries
) -> ImageReference:
    """Where the artifact was made, which stays the same once it is in this stack's own registry too."""
    if place.repository != request.wanted.repository:
        return candidate
    named = (it.reference for it in request.upstreams if it.reference and it.reference.digest == place.digest)
    made = [it.at(place.digest) for it in repositories_of(request.upstreams)]
    return next(named, None) or _first_holder(made, registries) or place


def _first_holder(made: Sequence[ImageReference], registries: Registries) -> ImageReference | None:
    """The first place that holds it, as the first run found it; the first of all where none does.

    A single place is not asked: what this stack has proved needs nobody else. One that does not answer may hold it.
    """
    for place in made if len(made) > 1 else ():
        try:
            if is_there(place, registries):
                return place
        except ToolError:
            return place
    return made[0] if made else None


def _own_proofs(request: Request, here: ImageReference, registries: Registries) -> list[Proof]:
    """What this stack itself has said about the digest, in its own registry."""
    if request.own_key is None:
        return []
    said = _statements(here, PROVED, request.own_key, registries)
    return proved_by(request.target, readable(Proof.parse, said))


def _gone(place: ImageReference, candidate: Candidate) -> str:
    known = f"; {candidate.known_from}" if candidate.known_from else ""
    return (
        f"{place.repository} does not hold it{known}. Somebody has deleted it there: "
        "bring that stack up again to get it back, or pin another version"
    )


def _verified(
    request: Request,
    candidate: Candidate,
    place: ImageReference,
    platforms: Mapping[Platform, Digest],
    registries: Registries,
) -> tuple[Mapping[str, str], list[str]]:
    """What the signature says, and everything that is wrong with platforms, signatures and evidence."""
    problems = []
    if absent := sorted(str(it) for it in set(candidate.platforms) - platforms.keys()):
        problems.append(f"its index lacks {', '.join(absent)}, which the release's record names")
    with ThreadPoolExecutor() as pool:
        there = pool.map(lambda digest: is_there(place.repository.at(digest), registries), platforms.values())
        if gone := sorted(str(platform) for platform, yes in zip(platforms, there, strict=True) if not yes):
            problems.append(f"{place.repository} has lost the manifest of {', '.join(gone)}")
    wanted = evidence_of(place, platforms)
    authority = registries.authority(place.repository)
    try:
        found = proven(list(wanted), request.public_key, registries.environment, authority)
    except ToolError as error:
        if not says_nothing(error):
            raise
        make_sure(list(wanted), registries.environment, authority)
        return {}, [*problems, f"it is not signed with {request.public_key} ({_first_line(error)})"]
    says, wrong = _signature(request, candidate, found[str(place)])
    return says, [*problems, *wrong, *(lacking(wanted, found, says) if says else ())]


def _signature(
    request: Request, candidate: Candidate, statements: Sequence[Statement]
) -> tuple[Mapping[str, str], list[str]]:
    """What the signature of the index says, if that is this service at the version that is wanted."""
    path, wanted = request.wanted.repository.path, candidate.version or request.wanted.version
    seen = [it.annotations for it in statements if it.predicate == SIGNATURE]
    for says in seen:
        signed_path = says.get("repository", "").partition("/")[2]
        if signed_path == path and says.get("version") and wanted in (None, says["version"]):
            return says, []
    told = " or ".join(f"{it.get('repository')} {it.get('version')}" for it in seen) or "nothing"
    return {}, [f"its signature says {told}, not {path} {wanted or 'of any version'}: it is another release"]


def _proofs(request: Request, places: Sequence[ImageReference], registries: Registries) -> list[Proof]:
    def read(upstream: Upstream, place: ImageReference) -> list[Proof]:
        said = readable(Proof.parse, _statements(place, PROVED, upstream.public_key, registries))
        return proved_by(upstream.stack, said)  # no stack speaks for another one

    with ThreadPoolExecutor() as pool:
        asked = [pool.submit(read, upstream, place) for upstream in request.upstreams for place in places]
        return [proof for it in asked for proof in it.result()]


def _approvals(request: Request, places: Sequence[ImageReference], registries: Registries) -> list[Approval]:
    def read(name: str, key: str, place: ImageReference) -> list[Approval]:
        said = _statements(place, APPROVED, key, registries)
        return readable(lambda it: Approval.parse(it, name), said)

    with ThreadPoolExecutor() as pool:
        asked = [pool.submit(read, name, key, at) for name, key in request.approvers.items() for at in places]
        return [approval for it in asked for approval in it.result()]


def _enough(
    request: Request,
    place: ImageReference,
    candidate: Candidate,
    known: tuple[list[Proof], list[Approval]],
    registries: Registries,
) -> tuple[list[Proof], list[Approval], list[str]]:
    """What is said about the digest: where it lies, and where that is not enough in the other stacks' registries."""
    proofs, approvals = known
    repositories = (candidate.reference.repository, *repositories_of(request.upstreams))
    others = [it.at(place.digest) for it in dict.fromkeys(repositories) if it != place.repository]
    if not others or not missing(request.rule, proofs, approvals, request.target, datetime.now(UTC)):
        return proofs, approvals, []
    unread = []
    for other in others:
        try:
            proofs = [*proofs, *_proofs(request, [other], registries)]
            approvals = [*approvals, *_approvals(request, [other], registries)]
        except ToolError as error:
            unread.append(f"what is said about it in {other.repository} cannot be read: {_first_line(error)}")
    return proofs, approvals, unread


def _scanned(
    request: Request,
    place: ImageReference,
    platforms: Mapping[Platform, Digest],
    proved: bool,
    registries: Registries,
) -> tuple[list[str], list[str]]:
    """What today's vulnerabilities stop, and what they only tell: nothing stops what this stack has proved."""
    if proved and request.running == place.digest:
        return [], []
    try:
        if proved:
            failing = todays_findings_by_sbom(_sboms(request, place, platforms, registries), request.policy)
        else:
            failing = todays_findings(place, list(platforms), request.policy, registries)
    except (StepError, OSError, ValueError) as error:
        if not proved:
            return [str(error)], []
        return [], [f"{request.service}: today's database could not be asked about it: {error}"]
    if not failing:
        return [], []
    severities = " or ".join(request.policy.fail_on)
    told = f"{len(failing)} finding(s) of severity {severities} are known today:\n{table(failing)}"
    if proved:
        return [], [f"{request.service}: {told}\nThis stack has proved {place.digest} before, so it goes through."]
    return [f"{told}\nUpdate the packages, or accept a finding for a time under scan.ignore"], []


def _old_reports(
    request: Request, place: ImageReference, platforms: Mapping[Platform, Digest], registries: Registries
) -> list[str]:
    """Reports that are too old for a first time: the policies would stop it, but only once it has been copied."""
    authority = registries.authority(place.repository)

    def age(digest: Digest) -> timedelta | None:
        return report_age(place.repository.at(digest), request.public_key, registries.environment, authority)

    with ThreadPoolExecutor() as pool:
        ages = dict(zip(map(str, platforms), pool.map(age, platforms.values()), strict=True))
    stack, most = request.upstreams[0].stack, request.report_age
    where = "" if stack.project == request.target.project else f" in project {stack.project}"
    told = []
    if none := sorted(name for name, its in ages.items() if its is None):
        told.append(f"it has no vulnerability report for {', '.join(none)} that says when it was made")
    if old := {name: its for name, its in ages.items() if its and its > most}:
        names, oldest = ", ".join(sorted(old)), duration(max(old.values()))
        told.append(f"its newest vulnerability report for {names} is {oldest} old, more than {duration(most)}")
    return [f"{it} (promote.report_age): `slipway rescan {stack.name}`{where} attests today's" for it in told]


def _sboms(
    request: Request, place: ImageReference, platforms: Mapping[Platform, Digest], registries: Registries
) -> dict[str, dict[str, Any]]:
    """What each platform is made of, as it was signed; one without is told where the evidence is verified."""

    def signed(digest: Digest) -> list[dict[str, Any]]:
        return _statements(place.repository.at(digest), SBOM, request.public_key, registries)

    with ThreadPoolExecutor() as pool:
        found = zip(platforms, pool.map(signed, platforms.values()), strict=True)
        return {str(platform): said[0] for platform, said in found if said}


def _told(request: Request, name: str, proofs: Sequence[Proof], approvals: Sequence[Approval], proved: bool) -> str:
    now = datetime.now(UTC)
    parts = ["signature, platforms and evidence verified"]
    for upstream in request.upstreams:
        if known := proved_by(upstream.stack, proofs):
            parts.append(f"proved by {upstream.stack} at {spelled(known[0].time)}, {duration(now - known[0].time)} ago")
    parts += [f"approved by {it.approver}" for it in approvals if it.stack == request.target]
    parts.append("this stack has proved it before" if proved else "nothing in it stops today's scan")
    return f"{name}: {'; '.join(parts)}"


def _revision(request: Request, proofs: Sequence[Proof], candidate: Candidate) -> str:
    known = [it.commit for upstream in request.upstreams for it in proved_by(upstream.stack, proofs)]
    return candidate.revision or next(iter(known), "unknown")


def _statements(place: ImageReference, type_: str, key: str, registries: Registries) -> list[dict[str, Any]]:
    return predicates(place, type_, key, registries.environment, registries.authority(place.repository))


def _first_line(error: ToolError) -> str:
    return next((line.strip() for line in error.output.splitlines() if line.strip().startswith("Error")), str(error))


def _indented(text: str) -> str:
    return text.replace("\n", "\n    ")


def request_of(it: argparse.Namespace) -> Request:
    """The request that a command line makes."""
    stacks = [Upstream.of(entry) for entry in json.loads(it.upstreams)]
    approvers: dict[str, str] = json.loads(it.approvers)
    rule = Rule(
        [upstream.stack for upstream in stacks],
        it.requires == "all",
        timedelta(hours=it.soak),
        it.held,
        sorted(approvers),
        it.approval,
    )
    return Request(
        service=it.service,
        target=StackName(it.project, it.stack),
        wanted=Wanted(it.repository, it.version, it.digest),
        upstreams=stacks,
        public_key=it.public_key,
        own_key=it.own_key,
        approvers=approvers,
        rule=rule,
        policy=Policy.of(it),
        report_age=timedelta(days=it.report_age),
        running=it.running,
    )


def main() -> dict[str, Any]:
    """Answer with the release that may be promoted, or with the problem."""
    it = _parser().parse_args()
    logins = registry_logins(it, read_secrets())
    request = request_of(it)
    keys = {request.public_key, *request.approvers.values(), *(upstream.public_key for upstream in request.upstreams)}
    keys |= {request.own_key} if request.own_key else set()
    question = {"arguments": sys.argv[1:], "keys": {key: key_file(key) for key in keys}}
    return once_a_run(question, lambda: _answer(it, request, logins), lambda answer: not answer["problem"])


def _answer(it: argparse.Namespace, request: Request, logins: Logins) -> dict[str, Any]:
    others = repositories_of(request.upstreams)
    with registry_credentials(logins, [at.registry for at in (it.repository, *others)]) as credentials:
        try:
            return promote(request, Registries(credentials, dict(it.authority))) | {"problem": ""}
        except ToolError as error:
            blamed = next((at for at in others if at.registry in error.output), None)
            return {"problem": f"{request.service}: {explain(error, it.repository, blamed, _SOURCE_SETTING)}"}
        except StepError as error:
            return {"problem": str(error)}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m steps.promote", description=__doc__)
    parser.add_argument("--service", required=True, help="name of the service, in all stacks")
    parser.add_argument("--project", required=True, help="of the stack that takes it")
    parser.add_argument("--stack", required=True, help="the stack that takes it")
    parser.add_argument("--repository", required=True, type=Repository.parse, help="where its releases live")
    parser.add_argument("--upstreams", required=True, help="JSON list of the stacks to take from, see steps.choose")
    parser.add_argument("--public-key", required=True, help="what signatures and evidence verify with")
    parser.add_argument("--own-key", help="what this stack's own proofs verify with")
    parser.add_argument("--approvers", default="{}", help="JSON object: public keys by name")
    parser.add_argument(
        "--requires", choices=["all", "any"], default="all", help="how many of the stacks must prove it"
    )
    parser.add_argument("--soak", type=float, default=0.0, help="hours since a stack first proved it")
    parser.add_argument("--held", action="store_true", help="ask for a proof from after the soak, too")
    parser.add_argument("--report-age", type=float, default=7.0, help="days that its newest report may be old")
    parser.add_argument("--approval", choices=["none", "besides", "instead"], default="none")
    parser.add_argument("--version", help="the version that is pinned")
    parser.add_argument("--digest", type=Digest, help="the artifact that is pinned")
    parser.add_argument(
        "--running", type=lambda it: Digest(it) if it else None, help="what this stack runs now; empty for nothing"
    )
    add_registry_flags(parser)
    add_policy_flags(parser)
    return parser


if __name__ == "__main__":
    run_step(main)
