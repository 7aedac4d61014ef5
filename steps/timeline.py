"""What ran in a stack and when, put together from its history, its outputs, and what the registry knows.

A history keeps settings and times, but no digests. So a digest is taken from the outputs for what runs today, from the
stack's own signed proof of that time, or from the tag of the version that was set then; where none of them says it, it
is left out.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from components.artifact import Digest, ImageReference
from steps.proofs import DEPLOYED, Approval, Proof, moment
from steps.stacks import Update

OUTPUTS, PROOF, TAG = "outputs", "proof", "tag"
_WORKLOADS = (
    "docker:index/container:Container",
    "docker:index/service:Service",
    "docker:index/remoteImage:RemoteImage",
)
"""Resources that are replaced where another digest comes; others are updated and keep the time of their creation."""


@dataclass(frozen=True)
class Running:
    """What a stack says about one service today."""

    service: str
    reference: ImageReference
    version: str
    tag: str
    revision: str = "unknown"
    """Commit of its source."""
    container: str | None = None
    """Id of the container; None where nothing runs."""
    url: str = ""
    """Where it answers; empty where it has no port."""
    since: datetime | None = None
    """Since when the stack has this digest without a break; None where the state does not say."""
    update: Update | None = None
    """The update that brought it."""


@dataclass(frozen=True)
class Known:
    """What the registry knows of one service of a stack."""

    tags: Mapping[str, Digest] = field(default_factory=dict)
    """What the tags of its repository name."""
    proofs: Mapping[Digest, Sequence[Proof]] = field(default_factory=dict)
    """What the stack itself has proved, verified with its key."""
    approvals: Mapping[Digest, Sequence[Approval]] = field(default_factory=dict)
    """What was approved for this stack, verified with the approvers' keys."""
    problem: str = ""
    """Why the registry says nothing."""


@dataclass(frozen=True)
class Ran:
    """What one update deployed of one service; a destroy ended them all, and names none."""

    update: Update
    service: str
    version: str | None
    digest: Digest | None
    known_from: str | None
    """`outputs`, `proof` or `tag`; None where nothing says the digest."""


def running(outputs: Mapping[str, Any], state: Mapping[str, Any], history: Sequence[Update]) -> list[Running]:
    """The services of a stack, by name.

    Args:
        outputs: the stack's outputs.
        state: its exported state.
        history: its updates, the latest first.
    """
    return [
        _running(service, output, state, history)
        for service, output in sorted(outputs.items())
        if isinstance(output, dict) and _is_record(output.get("release"))
    ]


def _is_record(record: Any) -> bool:
    return isinstance(record, dict) and all(isinstance(record.get(key), str) for key in ("reference", "version", "tag"))


def _running(service: str, output: Mapping[str, Any], state: Mapping[str, Any], history: Sequence[Update]) -> Running:
    record = output["release"]
    reference = ImageReference.parse(record["reference"])
    since = _since(state, str(reference.digest))
    return Running(
        service=service,
        reference=reference,
        version=record["version"],
        tag=record["tag"],
        revision=str(record.get("revision", "unknown")),
        container=output.get("container"),
        url=str(output.get("url") or ""),
        since=since,
        update=next((it for it in history if since and it.start <= since), None),
    )


def _since(state: Mapping[str, Any], digest: str) -> datetime | None:
    """When the stack got a digest: when what runs it was made, or else when the first step of it last changed."""
    carrying = [it for it in (state.get("deployment") or {}).get("resources") or () if _carries(it, digest)]
    made = [_time(it, "created") for it in carrying if it["type"] in _WORKLOADS]
    times = made or [_time(it, "modified") for it in carrying if it.get("custom")]
    return min((it for it in times if it), default=None)


def _carries(resource: Mapping[str, Any], digest: str) -> bool:
    return not resource.get("delete") and digest in str(resource.get("outputs"))


def _time(resource: Mapping[str, Any], key: str) -> datetime | None:
    return moment(resource[key]) if resource.get(key) else None


def timeline(history: Sequence[Update], today: Sequence[Running], known: Mapping[str, Known]) -> list[Ran]:
    """What each update deployed, the latest first.

    Args:
        history: the stack's updates, the latest first.
        today: what it says today.
        known: what the registry knows of each service.
    """
    found = []
    after: datetime | None = None
    latest = next((it for it in history if it.kind in ("update", "destroy") and it.result != "in-progress"), None)
    for update in history:
        if update.kind == "destroy" and update.result == "succeeded":
            found.append(Ran(update, "", None, None, None))
        if update.deployed:
            now = {it.service: it for it in today if update is latest or _has_it_since(it, update)}
            services = _versions(update)
            for service in sorted(services | dict.fromkeys(now)):
                about = known.get(service, Known())
                found.append(_ran(update, after, (service, services.get(service)), now.get(service), about))
        after = update.start
    return found


def changes(ran: Sequence[Ran], history: Sequence[Update]) -> list[Ran]:
    """The updates that brought another release of a service, of all that deployed some.

    Args:
        ran: what each update deployed, the latest first.
        history: the stack's updates, the latest first.
    """
    found: list[Ran] = []
    before: dict[str, Digest | None] = {}
    for update in reversed(history):
        now = [it for it in ran if it.update is update]
        found += [it for it in reversed(now) if it.digest is None or before.get(it.service) != it.digest]
        if now or update.deployed:
            before = {it.service: it.digest for it in now}  # one that was not there for a while comes anew
    return found[::-1]


def _has_it_since(now: Running, update: Update) -> bool:
    """Whether the stack has had today's digest since this update, or an earlier one."""
    return now.update is not None and now.update.start <= update.start


def _versions(update: Update) -> dict[str, str | None]:
    services = update.config.get("slipway:services")
    if not isinstance(services, dict):
        return {}
    return {name: it.get("version") for name, it in services.items() if isinstance(it, dict)}


def _ran(
    update: Update, after: datetime | None, service: tuple[str, str | None], now: Running | None, known: Known
) -> Ran:
    name, version = service
    if now:
        return Ran(update, name, now.version, now.reference.digest, OUTPUTS)
    if digest := _proved(update, after, known):
        return Ran(update, name, version or _version(known, digest), digest, PROOF)
    named = set(_named(known, version)) if version else set()
    if len(named) == 1:
        return Ran(update, name, version, named.pop(), TAG)
    return Ran(update, name, version, None, None)


def _proved(update: Update, after: datetime | None, known: Known) -> Digest | None:
    """The digest that the stack has proved in this update.

    Pulumi keeps times in whole seconds, and the next update may begin in the one in which this one has proved its own.
    """
    found = [
        (proof.time, digest)
        for digest, proofs in known.proofs.items()
        for proof in proofs
        if proof.kind == DEPLOYED and update.start <= proof.time
        if not after or proof.time < after or (update.end and proof.time <= update.end)
    ]
    return max(found, key=lambda it: it[0])[1] if found else None


def _named(known: Known, version: str) -> Iterator[Digest]:
    """What may be meant by a version: the release, or else every build of a channel that is called so."""
    if version in known.tags:
        yield known.tags[version]
        return
    for tag, digest in known.tags.items():
        if tag.startswith((f"{version}-", f"{version}.")) and digest.is_in_tag(tag):
            yield digest


def _version(known: Known, digest: Digest) -> str | None:
    """The shortest tag of a digest: 1.4.0 rather than 1.4.0-dev.0123456789ab."""
    tags = [tag for tag, it in known.tags.items() if it == digest and tag.count(".") >= 2]  # 1.4 moves on
    return min(tags, key=len, default=None)
