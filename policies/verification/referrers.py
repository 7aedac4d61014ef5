"""What refers to one manifest and was signed by a trusted key, found without reading more than is needed.

Where things lie is taken from descriptors, which anyone who can write to the registry may set: they decide what is read
first and never what is believed. Sources: opencontainers/image-spec, "Annotations"; sigstore/cosign,
`specs/BUNDLE_SPEC.md` and `specs/SIGNATURE_SPEC.md`; moby/buildkit, `docs/attestations/attestation-storage.md`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from verification.credentials import CredentialsError
from verification.envelope import (
    BUNDLE,
    DSSE,
    SIGNATURE_NOTE,
    SIMPLE_SIGNING,
    EnvelopeError,
    Statement,
    UntrustedError,
    open_bundle,
    open_envelope,
    open_simple_signing,
    statement_about,
)
from verification.keyless import Keyless, KeylessError
from verification.keys import TrustedKey
from verification.predicates import NAMES, Content, Kind, Proof, Signature, kind_of, read
from verification.registry import Descriptor, Registry, RegistryError
from verification.transport import Deadline

LARGEST_STATEMENT = 32 * 2**20
"""Bytes of a bundle; the reports and SBOMs of very large images have a tenth of it."""
_MOST_READ = 400
"""Statements of one kind that are read about one manifest before it counts as having no more that are trusted."""
_CREATED = "org.opencontainers.image.created"
_BUNDLE_TYPE = "dev.sigstore.bundle.predicateType"
_IN_TOTO = "application/vnd.in-toto+json"
_DSSE_TYPE = "predicateType"
_IN_TOTO_TYPE = "in-toto.io/predicate-type"


@dataclass(frozen=True)
class Source:
    """Where to look, whom to trust, and how long."""

    registry: Registry
    path: str
    keys: Sequence[TrustedKey]
    deadline: Deadline
    pool: Executor
    """Runs single requests side by side; a task in it waits for no other."""
    keyless: Keyless | None = None
    """Asked for what no key has signed."""
    proof_keys: Sequence[TrustedKey] | None = None
    """Who alone may state that a stack has proved the image, and nothing else; None for whoever may state the rest."""

    def trusted(self, open_it: Callable[[Sequence[TrustedKey]], Statement]) -> Statement:
        """Open a statement, and make sure that its signer may state that.

        Raises:
            EnvelopeError: it proves nothing.
        """
        if self.proof_keys is None:
            return open_it(self.keys)
        # What it states is known once it is opened; then it counts by the keys for that, however many have signed it.
        proves = kind_of(open_it([*self.keys, *self.proof_keys]).predicate_type) is Proof
        try:
            return open_it(self.proof_keys if proves else self.keys)
        except UntrustedError:
            told = "no key of proofKeys has signed it" if proves else "a key of proofKeys alone has signed it"
            raise UntrustedError(told) from None

    def blob(self, layer: Descriptor) -> bytes:
        """The bytes of a statement."""
        return self.registry.blob(self.path, layer.digest, LARGEST_STATEMENT, self.deadline)

    def layers(self, digest: str) -> Sequence[Descriptor]:
        """What the manifest with this digest is made of.

        Raises:
            EnvelopeError: there is no such manifest.
        """
        manifest = self.registry.manifest(self.path, digest, self.deadline)
        if manifest is None:
            raise EnvelopeError("it is listed, but not there")
        return manifest.entries("layers")


class _Place:
    """Where a statement may lie; it is opened once."""

    def __init__(self, kind: type[Content] | None, created: str, open_it: Callable[[], Statement]) -> None:
        """Know a place.

        Args:
            kind: of the statement, as the registry says; None where it does not.
            created: when, as the registry says.
            open_it: fetches and verifies the statement.
        """
        self.kind, self.created, self._open = kind, created, open_it
        self._content: list[Content | str | None] = []

    def content(self) -> Content | str | None:
        """What a trusted key states there; a text says why it proves nothing."""
        if not self._content:
            try:
                self._content.append(read(self._open()))
            except (EnvelopeError, RegistryError) as error:
                self._content.append(f"{NAMES[self.kind] if self.kind else 'statement'}: {error}")
        return self._content[0]


class Referrers:
    """The statements about one manifest."""

    def __init__(self, source: Source, digest: str) -> None:
        """Know a manifest; nothing is asked yet."""
        self._source = source
        self._digest = digest
        self.rejected: dict[str, None] = {}
        """What was found and proves nothing, each once, in order."""
        self._listed: list[_Place] = []
        self._tagged: list[_Place] | None = None

    def look(self) -> None:
        """Ask the registry what refers to the manifest; what it names is not fetched yet.

        Raises:
            RegistryError: the registry does not say it.
        """
        source = self._source
        for entry in source.registry.referrers(source.path, self._digest, source.deadline):
            kind = kind_of(entry.annotations.get(_BUNDLE_TYPE, ""))
            if entry.artifact_type.startswith(BUNDLE) and (kind or _BUNDLE_TYPE not in entry.annotations):
                created = entry.annotations.get(_CREATED, "")
                self._listed.append(_Place(kind, created, partial(self._open_bundle, entry)))

    def likely(self, kinds: Mapping[type[Content], int]) -> list[Callable[[], object]]:
        """What fetches the newest of each kind, to be run side by side before they are asked for one kind at a time."""
        places = []
        for kind, enough in kinds.items():
            places += self._waiting(self._listed, kind)[:enough]
        return [place.content for place in dict.fromkeys(places)]

    def newest(self, kind: type[Kind], enough: int, moments: Iterable[datetime] = ()) -> list[Kind]:
        """The newest trusted statements of a kind.

        Args:
            kind: what is asked for.
            enough: how many are enough.
            moments: for each of them, the newest statement that was there at that moment is read as well.

        Raises:
            RegistryError: the registry does not list what refers to the manifest.
        """
        found: list[Kind] = []
        for places in (lambda: self._listed, self._older_formats):
            waiting = self._waiting(places(), kind)
            for position in range(0, len(waiting), enough):
                if len(found) < enough:
                    found += self._read(kind, waiting[position : position + enough])
            for moment in moments:
                until = f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
                found += self._newest_of(kind, [it for it in waiting if it.created <= until])
            if found:
                return list(dict.fromkeys(found))
        by_keys_alone = kind is Proof and self._source.proof_keys is not None
        return self._without_key(kind, self._source.keyless) if self._source.keyless and not by_keys_alone else []

    def take_from_index(self, manifest: str, signer: str) -> None:
        """Count the statements that BuildKit put into the index itself, beside the manifest that they are about.

        Args:
            manifest: digest of BuildKit's attestation manifest.
            signer: who signed the index; as the index names that manifest's digest, its content is signed, too.

        Raises:
            RegistryError: the registry does not give it.
            EnvelopeError: it is not there.
        """
        for layer in self._source.layers(manifest):
            kind = kind_of(layer.annotations.get(_IN_TOTO_TYPE, ""))
            if layer.media_type == _IN_TOTO and kind:
                self._listed.append(_Place(kind, "", partial(self._open_unsigned, layer, signer)))

    def _newest_of(self, kind: type[Kind], places: Sequence[_Place]) -> list[Kind]:
        return next(filter(None, (self._read(kind, [place]) for place in places)), [])

    def _read(self, kind: type[Kind], places: Sequence[_Place]) -> list[Kind]:
        contents = list(self._source.pool.map(_Place.content, places))
        self.rejected |= dict.fromkeys(content for content in contents if isinstance(content, str))
        return [content for content in contents if isinstance(content, kind)]

    def _without_key(self, kind: type[Kind], keyless: Keyless) -> list[Kind]:
        try:
            contents = keyless.contents(self._digest, kind)
        except (KeylessError, CredentialsError) as error:
            self.rejected |= {f"{NAMES[kind]} without a key: {error}": None}
            return []
        return [content for content in contents if isinstance(content, kind)]

    @staticmethod
    def _waiting(places: Iterable[_Place], kind: type[Content]) -> list[_Place]:
        """The places that may hold a statement of a kind, the newest first; of very many, the newest and the oldest."""
        wanted = [place for place in places if place.kind in (kind, None)]
        wanted.sort(key=lambda place: place.created, reverse=True)
        return wanted if len(wanted) <= _MOST_READ else wanted[: _MOST_READ // 2] + wanted[-_MOST_READ // 2 :]

    def _older_formats(self) -> Sequence[_Place]:
        """What cosign's older versions put under tags that are made of the digest; asked for where nothing else is."""
        if self._tagged is None:
            source, name = self._source, self._digest.replace(":", "-")
            tags = (f"{name}.sig", f"{name}.att")
            manifests = source.pool.map(lambda tag: source.registry.manifest(source.path, tag, source.deadline), tags)
            layers = [layer for manifest in manifests if manifest for layer in manifest.entries("layers")]
            self._tagged = list(filter(None, map(self._tagged_place, layers)))
        return self._tagged

    def _tagged_place(self, layer: Descriptor) -> _Place | None:
        named = layer.annotations.get(_DSSE_TYPE, "")
        if layer.media_type == SIMPLE_SIGNING:
            return _Place(Signature, "", partial(self._open_simple, layer))
        if layer.media_type == DSSE and (kind_of(named) or not named):
            return _Place(kind_of(named), "", partial(self._open_envelope, layer))
        return None

    def _open_bundle(self, entry: Descriptor) -> Statement:
        layers = self._source.layers(entry.digest)
        if len(layers) != 1:
            raise EnvelopeError(f"its manifest has {len(layers)} layers, not the one that is a bundle")
        content = self._source.blob(layers[0])
        return self._source.trusted(lambda keys: open_bundle(content, self._digest, keys))

    def _open_envelope(self, layer: Descriptor) -> Statement:
        content = self._source.blob(layer)
        return self._source.trusted(lambda keys: open_envelope(content, self._digest, keys))

    def _open_simple(self, layer: Descriptor) -> Statement:
        signature = layer.annotations.get(SIGNATURE_NOTE, "")
        return open_simple_signing(self._source.blob(layer), signature, self._digest, self._source.keys)

    def _open_unsigned(self, layer: Descriptor, signer: str) -> Statement:
        return statement_about(self._source.blob(layer), self._digest, signer)
