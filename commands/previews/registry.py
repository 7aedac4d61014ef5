"""What the registries say of an image: its manifests, what its config is labelled with, what was attested about it.

Evidence counts only where it verifies with the stack's public key: the report of a preview is no second, weaker way to
believe something. The tools are those of the steps: oras reads, cosign verifies, trivy scans what has no evidence yet.
"""

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from commands.previews.builder import Builder, scan_layout
from commands.previews.commits import NotKnownError
from commands.previews.drafts import Access, Side
from commands.previews.layers import Layer, layers_of
from components.artifact import ImageReference, Platform, Repository
from components.secret import read_secret_file
from steps.credentials import registry_credentials
from steps.database import Databases, ensure_database
from steps.predicates import NAMES, PROVENANCE, SBOM, VULNERABILITIES
from steps.registry import platforms_of, transport_flags
from steps.statements import predicates
from steps.tool import StepError, run_tool

REVISION = "org.opencontainers.image.revision"
VERSION = "org.opencontainers.image.version"
_COMPARED = (SBOM, VULNERABILITIES)
"""The predicate types that are compared."""
_DATABASE_AGE = 7.0
"""Days."""

Statements = Mapping[str, Sequence[Mapping[str, Any]]]
"""The predicates about one manifest that verify, by their type."""


class Reader(Protocol):
    """What a preview asks about an image; each answer may be a NotKnownError."""

    def platforms(self, places: Sequence[str]) -> Mapping[str, str]:
        """The manifest of each platform, from the first of these places that has the index."""

    def layers(self, manifest: str) -> Sequence[Layer]:
        """The layers of a platform's manifest."""

    def labels(self, manifest: str) -> Mapping[str, str]:
        """The labels in a platform's config."""

    def statements(self, manifest: str, key: str) -> Statements:
        """What was attested about a platform's manifest with this key."""

    def context(self, places: Sequence[str], key: str) -> str | None:
        """The folder that an image was built from, as its provenance says; None where nobody says it."""


@dataclass(frozen=True)
class Registries:
    """The registries of a stack, with its credentials."""

    environment: Mapping[str, str]
    """Variables for the tools, beside those of this process."""
    authorities: Mapping[str, str] = field(default_factory=dict)
    """PEM file of the certificate authority by registry."""

    def _authority(self, reference: ImageReference) -> str | None:
        return self.authorities.get(reference.repository.registry)

    def platforms(self, places: Sequence[str]) -> Mapping[str, str]:
        """The manifest of each platform, from the first of these places that has the index.

        Raises:
            NotKnownError: none of them has it.
        """
        refused = []
        for place in places:
            reference = ImageReference.parse(place)
            try:
                found = platforms_of(reference, self.environment, self._authority(reference))
            except StepError as error:
                refused.append(_last_line(error))
                continue
            return {str(platform): str(reference.repository.at(digest)) for platform, digest in found.items()}
        raise NotKnownError(f"it lies in no registry that can be read: {'; '.join(refused) or 'none is known'}")

    def layers(self, manifest: str) -> Sequence[Layer]:
        """The layers of a platform's manifest.

        Raises:
            NotKnownError: it cannot be read.
        """
        return layers_of(self._fetched("fetch", manifest))

    def labels(self, manifest: str) -> Mapping[str, str]:
        """The labels in a platform's config.

        Raises:
            NotKnownError: it cannot be read.
        """
        labels: Mapping[str, str] = (self._fetched("fetch-config", manifest).get("config") or {}).get("Labels") or {}
        return labels

    def _fetched(self, verb: str, manifest: str) -> dict[str, Any]:
        reference = ImageReference.parse(manifest)
        flags = transport_flags(reference.repository, self._authority(reference))
        try:
            content: dict[str, Any] = json.loads(
                run_tool(["oras", "manifest", verb, *flags, manifest], environment=self.environment)
            )
        except (StepError, ValueError) as error:
            raise NotKnownError(f"{manifest} cannot be read: {_last_line(error)}") from None
        return content

    def statements(self, manifest: str, key: str) -> Statements:
        """What was attested about a platform's manifest with this key; a type that nobody attested is left out.

        Raises:
            NotKnownError: the registry or the key cannot be read.
        """
        if not key:
            return {}
        with ThreadPoolExecutor() as pool:
            found = pool.map(lambda type_: self._verified(manifest, key, type_), _COMPARED)
            return {type_: said for type_, said in zip(_COMPARED, found, strict=True) if said}

    def _verified(self, manifest: str, key: str, type_: str) -> list[dict[str, Any]]:
        reference = ImageReference.parse(manifest)
        try:
            return predicates(reference, type_, key, self.environment, self._authority(reference))
        except StepError as error:
            raise NotKnownError(f"{NAMES[type_]} of {manifest}: {_last_line(error)}") from None

    def context(self, places: Sequence[str], key: str) -> str | None:
        """The folder that an image was built from, as its provenance says; None where nobody says it."""
        for place in places if key else ():
            try:
                found = self._verified(place, key, PROVENANCE)
            except NotKnownError:
                continue
            for predicate in found:
                parameters = (predicate.get("buildDefinition") or {}).get("externalParameters") or {}
                if isinstance(parameters.get("context"), str):
                    return str(parameters["context"])
        return None

    def scan(
        self, manifest: str, platform: str, databases: Databases, maximum_age: float
    ) -> tuple[dict[str, Any], dict[str, Any], str]:
        """Scan a platform's manifest now: trivy's report, its bill of materials, the date of its database.

        Raises:
            StepError: it cannot be scanned.
        """
        # Only here: a preview that scans nothing need not load the scanner's step.
        from steps.scan import ScanRequest, scan_platforms
        from steps.trivy import trivy

        reference, at = ImageReference.parse(manifest), Platform(platform)
        database = ensure_database(databases, maximum_age)
        with tempfile.TemporaryDirectory(prefix="slipway-") as folder:
            bill, report = Path(folder, "bill.json"), Path(folder, f"{at.slug}.json")
            authority = self._authority(reference)
            request = ScanRequest(reference, [at], [], [], Path(folder), False, databases, authority)
            reports, _ = scan_platforms(request, database, self.environment)
            trivy(["convert", "--quiet", "--format", "cyclonedx", "--output", bill, report])
            return reports[platform], json.loads(bill.read_text()), str(database["UpdatedAt"])


def missing(type_: str, place: str, platforms: Sequence[str], key: str) -> str:
    """What is said of attestations that are not there, in words for a person.

    Args:
        type_: predicate type.
        place: the index.
        platforms: the platforms that lack it.
        key: the public key that it would have to verify with.
    """
    verifies = f"verifies with {key}" if key else "can be verified: the stack names no public key"
    return f"no {NAMES[type_]} of {place} for {', '.join(platforms)} {verifies}"


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


@contextmanager
def registries(accesses: Sequence[Access], secret: Callable[[str], str]) -> Iterator[Registries]:
    """The registries of a stack, logged in as its settings say, for as long as the report is made.

    Args:
        accesses: how the stack reaches each registry.
        secret: the value of a Pulumi secret of the stack, by its key.
    """
    logins = {it.registry: (it.username, password) for it in accesses if (password := _password(it, secret))}
    authorities = {it.registry: it.authority for it in accesses if it.authority}
    with registry_credentials(logins, [it.registry for it in accesses]) as folder:
        yield Registries({"DOCKER_CONFIG": str(folder)}, authorities)


def _password(access: Access, secret: Callable[[str], str]) -> str | None:
    """The password; None where it cannot be had: the registry then says whether it needs one."""
    try:
        if path := access.password.get("file"):
            return read_secret_file(path)
        return secret(key) if (key := access.password.get("config")) else None
    except (ValueError, StepError):
        return None


@dataclass(frozen=True)
class Images:
    """Where images are: in the registries, or only in the builder that made one for a preview."""

    registries: Registries
    cache: Path
    """Folder with the scanner's databases of each source."""
    builder: Builder | None = None
    """The builder of the stack."""

    def platforms(self, places: Sequence[str]) -> Mapping[str, str]:
        """The manifest of each platform: a reference, or a digest that the builder has.

        Raises:
            NotKnownError: nobody has it.
        """
        try:
            return self.registries.platforms(places)
        except NotKnownError:
            if not self.builder or not places:
                raise
            return self.builder.platforms(str(ImageReference.parse(places[0]).digest))

    def layers(self, manifest: str) -> Sequence[Layer]:
        """The layers of a platform's manifest.

        Raises:
            NotKnownError: it cannot be read.
        """
        builder = self._builder_of(manifest)
        return builder.layers(manifest) if builder else self.registries.layers(manifest)

    def labels(self, manifest: str) -> Mapping[str, str]:
        """The labels in a platform's config.

        Raises:
            NotKnownError: it cannot be read.
        """
        builder = self._builder_of(manifest)
        return builder.labels(manifest) if builder else self.registries.labels(manifest)

    def statements(self, manifest: str, key: str) -> Statements:
        """What was attested about a platform's manifest with this key; about what is in no registry, nothing was.

        Raises:
            NotKnownError: the registry or the key cannot be read.
        """
        return {} if self._builder_of(manifest) else self.registries.statements(manifest, key)

    def context(self, places: Sequence[str], key: str) -> str | None:
        """The folder that an image was built from, as its provenance says; None where nobody says it."""
        return self.registries.context(places, key)

    def _builder_of(self, manifest: str) -> Builder | None:
        return None if "@" in manifest else self.builder

    def scan(self, side: Side, manifest: str, platform: str) -> Statements:
        """An SBOM and a vulnerability report of a platform's manifest, made now and kept nowhere.

        Args:
            side: the service, whose settings name the vulnerability database.
            manifest: a reference, or a digest that the builder has.
            platform: its platform.

        Raises:
            NotKnownError: it cannot be scanned.
        """
        policy = side.gates.get("scan") or {}
        databases = Databases(self.cache, policy.get("database"), policy.get("java_database"))
        age = float(policy.get("database_age") or _DATABASE_AGE)
        try:
            if builder := self._builder_of(manifest):
                name = Repository.parse(str(side.quarantine)).path
                report, bill, dated = scan_layout(builder, manifest, platform, name, databases, age)
            else:
                report, bill, dated = self.registries.scan(manifest, platform, databases, age)
        except (StepError, OSError, ValueError, LookupError) as error:
            raise NotKnownError(f"{manifest} cannot be scanned: {_last_line(error)}") from None
        return {SBOM: [bill], VULNERABILITIES: [{"scanner": {"result": report, "db": {"lastUpdate": dated}}}]}
