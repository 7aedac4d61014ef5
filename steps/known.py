"""What a registry knows of a service: its tags, and what stacks have proved and people approved, all of it verified."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from components.artifact import Digest, Repository
from steps.choose import Registries
from steps.predicates import APPROVED, PROVED
from steps.proofs import Approval, Proof, StackName, readable
from steps.registry import digest_of_tag, referrers_of, tags_of
from steps.statements import predicates
from steps.timeline import Known

_Statement = TypeVar("_Statement", Proof, Approval)
_AT_ONCE = 8


def known_of(
    repository: Repository,
    registries: Registries,
    stack: StackName,
    keys: tuple[str | None, Mapping[str, str]],
    running: Iterable[Digest] = (),
) -> Known:
    """What is known of a service in the registry that a stack takes it from.

    Args:
        repository: where the stack keeps the service's releases.
        registries: how to reach it.
        stack: the stack; what others have proved or what was approved for others is left out.
        keys: what the stack's own proofs verify with, and the public key of each approver by name.
        running: digests to ask about whatever the tags say.

    Raises:
        ToolError: the registry does not answer or refuses.
    """
    own_key, approvers = keys
    authority = registries.authority(repository)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        tags = _tags(repository, registries, pool)
        digests = sorted({*tags.values(), *running}, key=str)
        references = {digest: repository.at(digest) for digest in digests}
        there = [it for it in digests if it in tags.values()]
        listed = referrers_of([str(references[it]) for it in there], registries.environment, authority)
        types = {it: {*listed[str(references[it])].values()} for it in there} | {
            it: {PROVED, APPROVED} for it in digests if it not in there
        }

        def said(digest: Digest, type_: str, key: str) -> list[dict[str, Any]]:
            if type_ not in types[digest]:
                return []
            return predicates(references[digest], type_, key, registries.environment, authority)

        def proofs(digest: Digest) -> list[Proof]:
            return readable(Proof.parse, said(digest, PROVED, own_key)) if own_key else []

        def approvals(digest: Digest) -> list[Approval]:
            found = []
            for name, key in approvers.items():
                found += readable(partial(Approval.parse, approver=name), said(digest, APPROVED, key))
            return found

        proved = dict(zip(digests, pool.map(proofs, digests), strict=True))
        approved = dict(zip(digests, pool.map(approvals, digests), strict=True))
    return Known(tags, _of_stack(proved, stack), _of_stack(approved, stack))


def _tags(repository: Repository, registries: Registries, pool: ThreadPoolExecutor) -> dict[str, Digest]:
    listed = tags_of(repository, registries.credentials, registries.authority(repository))

    def named(tag: str) -> Digest | None:
        return digest_of_tag(repository, tag, registries.credentials, registries.authority(repository))

    return {tag: digest for tag, digest in zip(listed, pool.map(named, listed), strict=True) if digest}


def _of_stack(said: Mapping[Digest, Sequence[_Statement]], stack: StackName) -> dict[Digest, list[_Statement]]:
    own = {
        digest: sorted((it for it in of if it.stack == stack), key=lambda it: it.time) for digest, of in said.items()
    }
    return {digest: of for digest, of in own.items() if of}
