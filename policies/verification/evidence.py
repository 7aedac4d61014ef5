"""What is proven about an image by its digest, read once a run: begun early in a thread, waited for by the rules.

Whatever prevents an answer is a problem that the answer carries: rules fail closed on it.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as WaitingTimeout
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Generic, Protocol, TypeVar

from verification.collection import Evidence, PlatformEvidence, collect
from verification.images import ImageConfig, read_config, read_contents, read_manifest
from verification.keyless import Identity, Keyless
from verification.keys import TrustedKey, read_keys
from verification.references import Reference, is_loopback, registry_identity
from verification.referrers import Source
from verification.registry import Access, Registry, RegistryError
from verification.transport import Deadline, Transport

__all__ = ["Evidence", "ImageConfigs", "PlatformEvidence", "TagDigest", "Trust", "begin", "evidence_of", "image_config"]
_SIDE_BY_SIDE = 4
"""Images that are read at a time."""
_REQUESTS = 8
"""Requests under way at a time, all images together."""
_OUTAGE = 60.0
"""Seconds for which a registry that did not answer in time is not asked again: else each image would wait for it."""
_GRACE = 1.0
"""Seconds beyond the timeout, in which an answer that ran into it can say so."""


class Trust(Protocol):
    """Whom the pack trusts, and how it reaches the registries; the pack's settings say it."""

    @property
    def public_keys(self) -> tuple[str, ...]:
        """PEM texts of the keys that may sign."""

    @property
    def identities(self) -> Sequence[Identity]:
        """Who may sign without a key."""

    @property
    def proof_keys(self) -> tuple[str, ...] | None:
        """PEM texts of the keys that may state that a stack has proved an image; None for whoever may sign."""

    @property
    def registries(self) -> Mapping[str, Access]:
        """How registries are reached, by HOST[:PORT]."""

    @property
    def timeout(self) -> float:
        """Seconds for the evidence of one image."""


@dataclass(frozen=True)
class ImageConfigs:
    """What an image does on each platform unless it is told otherwise."""

    reference: str
    problem: str = ""
    """Why it could not be read; all else is empty then."""
    platforms: Mapping[str, ImageConfig] = field(default_factory=dict)


@dataclass(frozen=True)
class TagDigest:
    """What a tag names."""

    reference: str
    problem: str = ""
    """Why it could not be read."""
    digest: str | None = None
    """None where there is no such tag."""


def prepare(trust: Trust) -> None:
    """Get ready to ask the configured registries; none is asked, and nothing is waited for.

    Args:
        trust: the pack's settings.
    """
    _verifier(trust)


def begin(reference: Reference, trust: Trust) -> None:
    """Begin to read the evidence of an image, if that has not begun yet; nothing is waited for.

    Args:
        reference: one without a digest is passed over.
        trust: the pack's settings.
    """
    if reference.digest:
        _verifier(trust).evidence.begin(replace(reference, tag=None))


def evidence_of(reference: Reference, trust: Trust) -> Evidence:
    """What is proven about an image; waits for it.

    Args:
        reference: with a digest.
        trust: the pack's settings.
    """
    return _verifier(trust).evidence.wait(replace(reference, tag=None))


def image_config(reference: Reference, trust: Trust) -> ImageConfigs:
    """What an image does on each platform unless it is told otherwise; waits for it.

    Args:
        reference: with a digest.
        trust: the pack's settings.
    """
    return _verifier(trust).configs.wait(replace(reference, tag=None))


def tag_digest(reference: Reference, trust: Trust) -> TagDigest:
    """What the registry's tag names today; waits for it.

    Args:
        reference: with a tag.
        trust: the pack's settings.
    """
    return _verifier(trust).tags.wait(replace(reference, digest=None))


def forget() -> None:
    """Forget every answer, as a new process would."""
    with _lock:
        _verifiers.clear()


class _Answer(Protocol):
    @property
    def problem(self) -> str: ...


Answer = TypeVar("Answer", bound=_Answer)


@dataclass
class _Sought(Generic[Answer]):
    future: "Future[Answer]"
    early: bool


class _Answers(Generic[Answer]):
    """Answers about images, each sought once.

    One that was begun early may have been sought before the image was signed, by a step of the same run. So it counts
    only if nothing is missing in it; else it is sought once more as soon as somebody waits for it.
    """

    def __init__(
        self,
        seek: Callable[[Reference], Answer],
        fail: Callable[[str, str], Answer],
        is_final: Callable[[Answer], bool],
        pool: ThreadPoolExecutor,
        timeout: float,
    ) -> None:
        self._seek, self._fail, self._is_final, self._pool, self._timeout = seek, fail, is_final, pool, timeout
        self._sought: dict[str, _Sought[Answer]] = {}
        self._lock = Lock()

    def begin(self, reference: Reference, *, early: bool = True) -> _Sought[Answer]:
        """Begin to seek an answer, if that has not begun yet."""
        with self._lock:
            sought = self._sought.get(str(reference))
            if sought is None:
                sought = _Sought(self._pool.submit(self._answer, reference), early)
                self._sought[str(reference)] = sought
            return sought

    def wait(self, reference: Reference) -> Answer:
        """Wait for the answer, as long as the timeout allows."""
        sought = self.begin(reference, early=False)
        answer = self._result(reference, sought)
        if sought.early and not self._is_final(answer):
            with self._lock:
                if self._sought.get(str(reference)) is sought:
                    del self._sought[str(reference)]
            answer = self._result(reference, self.begin(reference, early=False))
        return answer

    def _result(self, reference: Reference, sought: _Sought[Answer]) -> Answer:
        try:
            return sought.future.result(self._timeout + _GRACE)
        except WaitingTimeout:
            answer = self._fail(str(reference), f"registry {reference.registry}: no answer within {self._timeout:g} s")
            done: Future[Answer] = Future()
            done.set_result(answer)
            sought.future = done
            return answer

    def _answer(self, reference: Reference) -> Answer:
        try:
            return self._seek(reference)
        except RegistryError as error:
            return self._fail(str(reference), str(error))
        except Exception as error:
            # What a registry holds was made by others. Whatever it breaks here must stop the deployment in words, not
            # in a traceback of another thread.
            return self._fail(str(reference), f"its evidence cannot be read ({type(error).__name__}: {error})")


class _Verifier:
    """All that is known under one set of settings."""

    def __init__(self, trust: Trust) -> None:
        self._trust = trust
        self._requests = ThreadPoolExecutor(_REQUESTS, "slipway-request")
        self._registries: dict[tuple[str, str], Registry] = {}
        # Of several spellings of one registry, the first one counts.
        self._accesses = {registry_identity(name): it for name, it in reversed(list(trust.registries.items()))}
        self._transports: dict[tuple[str, str], Transport] = {}
        self._outages: dict[str, tuple[float, str]] = {}
        self._lock = Lock()
        images = ThreadPoolExecutor(_SIDE_BY_SIDE, "slipway-image")
        self.evidence = _Answers(self._collect, Evidence, _is_complete, images, trust.timeout)
        self.configs = _Answers(
            self._read_configs,
            ImageConfigs,
            lambda answer: not answer.problem,
            images,
            trust.timeout,
        )
        self.tags = _Answers(self._resolve, TagDigest, lambda answer: not answer.problem, images, trust.timeout)
        # The system's authorities take longer to load than the registry to answer; meanwhile the program starts.
        for identity, access in self._accesses.items():
            if access.certificate_authority or not is_loopback(identity[0]):
                self._transports[identity] = Transport(access.certificate_authority)
                self._requests.submit(self._transports[identity].prepare)

    def _collect(self, reference: Reference) -> Evidence:
        keys = _keys("publicKeys", self._trust.public_keys)
        proofs = self._trust.proof_keys
        proof_keys = None if proofs is None else _keys("proofKeys", proofs)
        deadline = Deadline(self._trust.timeout)
        registry = self._registry(reference.registry)
        identities = self._trust.identities
        keyless = Keyless(registry, reference.repository, identities, deadline) if identities else None
        source = Source(registry, reference.path, keys, deadline, self._requests, keyless, proof_keys)
        evidence = self._unless_down(registry, lambda: collect(source, str(reference), reference.digest or ""))
        self.configs.begin(reference)  # what the image says for itself is asked for next
        return evidence

    def _read_configs(self, reference: Reference) -> ImageConfigs:
        registry, deadline = self._registry(reference.registry), Deadline(self._trust.timeout)

        def read() -> ImageConfigs:
            manifest = read_manifest(registry, reference.path, reference.digest or "", deadline)
            contents = read_contents(registry, reference.path, manifest, deadline)
            configs = self._requests.map(
                lambda digest: read_config(registry, reference.path, digest, deadline), contents.platforms.values()
            )
            return ImageConfigs(str(reference), platforms=dict(zip(contents.platforms, configs, strict=True)))

        return self._unless_down(registry, read)

    def _resolve(self, reference: Reference) -> TagDigest:
        registry, deadline = self._registry(reference.registry), Deadline(self._trust.timeout)

        def read() -> TagDigest:
            manifest = registry.manifest(reference.path, reference.tag or "", deadline)
            return TagDigest(str(reference), digest=manifest.digest if manifest else None)

        return self._unless_down(registry, read)

    def _registry(self, address: str) -> Registry:
        identity = registry_identity(address)
        with self._lock:
            if identity not in self._registries:
                access, transport = self._accesses.get(identity), self._transports.get(identity)
                self._registries[identity] = Registry(address, access, transport)
            return self._registries[identity]

    def _unless_down(self, registry: Registry, ask: Callable[[], Answer]) -> Answer:
        since, why = self._outages.get(registry.address, (-_OUTAGE, ""))
        start = time.monotonic()
        if start - since < _OUTAGE:
            raise RegistryError(why)
        try:
            return ask()
        except RegistryError as error:
            if time.monotonic() - start >= self._trust.timeout:
                self._outages[registry.address] = (time.monotonic(), str(error))
            raise


def _keys(setting: str, texts: tuple[str, ...]) -> Sequence[TrustedKey]:
    try:
        return read_keys(texts)
    except ValueError as error:
        raise RegistryError(f"{setting}: {error}") from None


def _is_complete(evidence: Evidence) -> bool:
    return evidence.is_complete


_verifiers: dict[object, _Verifier] = {}
_lock = Lock()


def _verifier(trust: Trust) -> _Verifier:
    identities = tuple((it.subject, it.issuer) for it in trust.identities)
    registries = tuple(sorted(trust.registries.items(), key=lambda it: it[0]))
    key = (trust.public_keys, trust.proof_keys, identities, registries, trust.timeout)
    with _lock:
        if key not in _verifiers:
            _verifiers[key] = _Verifier(trust)
        return _verifiers[key]
