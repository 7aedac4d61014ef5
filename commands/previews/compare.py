"""From a draft of a service to its part of the report: asks the registries and git, and says what nobody knows."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

from commands.previews.commits import NotKnownError, commits_between
from commands.previews.drafts import Draft, Side
from commands.previews.layers import Layer, layers_between
from commands.previews.packages import Packages, packages_between, packages_of
from commands.previews.packages import over_platforms as packages_over
from commands.previews.registry import REVISION, VERSION, Reader, Statements, missing
from commands.previews.report import (
    Commits,
    Layers,
    PackageChange,
    Service,
    SettingChange,
    Vulnerabilities,
    VulnerabilityChange,
)
from commands.previews.vulnerabilities import Scanned, latest, scanned, stopping, vulnerabilities_between
from commands.previews.vulnerabilities import over_platforms as vulnerabilities_over
from commands.previews.workload import Facts, facts_of, settings_between, weaknesses
from steps.predicates import SBOM, VULNERABILITIES

_NOT_BUILT = (
    "digest: it is not built yet, so its layers, packages and vulnerabilities are not known either; "
    "with slipway:build_on_preview: true a preview builds it"
)
_NOT_REMEMBERED = (
    "digest: it was built at preview, but the builder's history does not say so, or cannot be read; "
    "so its layers, packages and vulnerabilities are not known either"
)

Scan = Callable[[Side, str, str], Statements]
"""Scans what nobody has attested anything about: the service, the manifest's reference, its platform."""
Known = TypeVar("Known")


@dataclass(frozen=True)
class Image:
    """What was found out about one image; a part that is None is not known."""

    layers: Mapping[str, list[Layer]] | None = None
    """Layers by platform."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Labels in its config."""
    packages: Mapping[str, Packages] | None = None
    """Packages by platform."""
    reports: Mapping[str, Scanned] | None = None
    """What its scans say, by platform."""
    unknown: tuple[str, ...] = ()
    """Why a part is not known."""


NOTHING = Image(layers={}, packages={}, reports={})
"""The image of a service that is not there."""


def service_report(
    draft: Draft, reader: Reader, project: Path, default: Mapping[str, Any], scan: Scan | None = None
) -> Service:
    """A service's part of the report.

    Args:
        draft: what the preview alone says.
        reader: answers about images.
        project: folder of the project, for its history.
        default: settings of a workload for which nothing is written.
        scan: scans what nobody has attested anything about; None where that is not wanted.
    """
    before, after = draft.before, draft.after
    service = Service(
        name=draft.name,
        state=_state(draft),
        before=before.artifact if before else None,
        after=after.artifact if after else None,
        resources=draft.resources,
    )
    if not draft.resources or not after:
        return service.model_copy(update={"ships": draft.ships})
    settings = _settings(before, after, default)
    same = bool(before and after.artifact.digest and before.artifact.digest == after.artifact.digest)
    update: dict[str, Any] = {"ships": draft.ships, "settings": settings}
    if same:
        return service.model_copy(update=update | {"layers": (), "packages": (), "vulnerabilities": Vulnerabilities()})
    old, new = _images(before, after, reader, scan)
    unknown = list(new.unknown)
    if before:
        unknown += old.unknown if after.artifact.digest else ()
        commits, said = _told(lambda: _commits(project, before, after, old, new, reader))
        update |= {"commits": commits}
        unknown += said
    update |= {
        "before": _labelled(before, old) if before else None,
        "after": _labelled(after, new),
        "layers": _layers(old, new),
        "packages": _packages(old, new),
        "vulnerabilities": _vulnerabilities(old, new),
        "stopped_by": _stopped_by(after, new),
        "unknown": tuple(dict.fromkeys(unknown)),
    }
    return service.model_copy(update=update)


def _state(draft: Draft) -> Literal["new", "changed", "unchanged", "removed"]:
    if not draft.before or not draft.after:
        return "removed" if draft.before else "new"
    return "changed" if draft.resources else "unchanged"


def _told(answer: Callable[[], Known]) -> tuple[Known | None, list[str]]:
    """An answer, or why there is none."""
    try:
        return answer(), []
    except NotKnownError as reason:
        return None, [str(reason)]


def _images(before: Side | None, after: Side, reader: Reader, scan: Scan | None) -> tuple[Image, Image]:
    if not after.artifact.digest and before and before.artifact.revision:
        return Image(), _image("what would ship", after, reader, None)  # there is nothing to compare it with
    with ThreadPoolExecutor() as pool:
        old = pool.submit(_image, "today's image", before, reader, None) if before else None
        new = pool.submit(_image, "what would ship", after, reader, scan)
        return old.result() if old else NOTHING, new.result()


def _image(what: str, side: Side, reader: Reader, scan: Scan | None) -> Image:
    """Everything that can be found out about one image."""
    if not side.artifact.digest:
        built = _NOT_REMEMBERED if side.build_arguments else _NOT_BUILT
        return Image(unknown=(built if what == "what would ship" else f"digest of {what}: nobody says it",))
    manifests, said = _told(lambda: reader.platforms(side.places))
    if manifests is None:
        return Image(unknown=tuple(f"layers, packages and vulnerabilities of {what}: {line}" for line in said))
    with ThreadPoolExecutor() as pool:
        layers = {at: pool.submit(_told, lambda it=it: list(reader.layers(it))) for at, it in manifests.items()}
        labels = pool.submit(_told, lambda: reader.labels(next(iter(manifests.values()), "")))
        statements = {
            at: pool.submit(_told, lambda it=it, at=at: _statements(side, it, at, reader, scan))
            for at, it in manifests.items()
        }
        known_layers = {at: it.result() for at, it in layers.items()}
        known_statements = {at: it.result() for at, it in statements.items()}
    unknown = [f"layers of {what}: {line}" for _, lines in known_layers.values() for line in lines]
    unknown += [
        f"packages and vulnerabilities of {what}: {line}" for _, lines in known_statements.values() for line in lines
    ]
    found = {at: it or {} for at, (it, _) in known_statements.items()}
    for type_, part in ((SBOM, "packages"), (VULNERABILITIES, "vulnerabilities")):
        if lacking := [at for at, (it, lines) in known_statements.items() if not lines and type_ not in (it or {})]:
            unknown.append(f"{part} of {what}: {missing(type_, side.places[0], lacking, side.key)}")
    return Image(
        layers=_all({at: it for at, (it, _) in known_layers.items()}),
        labels=labels.result()[0] or {},
        packages=_all({at: packages_of(it[SBOM][-1]) if it.get(SBOM) else None for at, it in found.items()}),
        reports=_all({at: _report(it) for at, it in found.items()}),
        unknown=tuple(unknown),
    )


def _statements(side: Side, manifest: str, platform: str, reader: Reader, scan: Scan | None) -> Statements:
    found = reader.statements(manifest, side.key)
    return scan(side, manifest, platform) if scan and not found else found


def _report(statements: Statements) -> Scanned | None:
    predicate = latest(statements.get(VULNERABILITIES) or ())
    return scanned(predicate) if predicate else None


def _all(parts: Mapping[str, Known | None]) -> dict[str, Known] | None:
    """The parts of all platforms, or None: a difference between some of them would look like the whole."""
    known = {at: it for at, it in parts.items() if it is not None}
    return known if len(known) == len(parts) else None


def _commits(project: Path, before: Side, after: Side, old: Image, new: Image, reader: Reader) -> Commits:
    # A promotion does not build, so that its settings name no folder.
    context = after.context or before.context or reader.context(after.places, after.key)
    return commits_between(project, context, _revision(before, old), _revision(after, new))


def _revision(side: Side, image: Image) -> str | None:
    return image.labels.get(REVISION) or side.artifact.revision


def _labelled(side: Side, image: Image) -> Any:
    artifact = side.artifact
    version = artifact.version or image.labels.get(VERSION)
    return artifact.model_copy(update={"revision": _revision(side, image), "version": version})


def _layers(old: Image, new: Image) -> tuple[Layers, ...] | None:
    if old.layers is None or new.layers is None:
        return None
    platforms = sorted({*old.layers, *new.layers})
    return tuple(layers_between(at, old.layers.get(at), new.layers.get(at)) for at in platforms)


def _packages(old: Image, new: Image) -> tuple[PackageChange, ...] | None:
    if old.packages is None or new.packages is None:
        return None
    platforms = sorted({*old.packages, *new.packages})
    return packages_over({at: packages_between(old.packages.get(at, {}), new.packages.get(at, {})) for at in platforms})


def _vulnerabilities(old: Image, new: Image) -> Vulnerabilities | None:
    if old.reports is None or new.reports is None:
        return None
    old_packages, new_packages = old.packages or {}, new.packages or {}
    empty = Scanned(())
    return vulnerabilities_over(
        {
            at: vulnerabilities_between(
                old.reports.get(at, empty), new.reports.get(at, empty), old_packages.get(at), new_packages.get(at)
            )
            for at in sorted({*old.reports, *new.reports})
        }
    )


def _stopped_by(after: Side, new: Image) -> tuple[VulnerabilityChange, ...]:
    """What the scan would stop a build for; a promotion is judged by the program itself, at preview already."""
    if after.context is None:
        return ()
    return stopping(new.reports or {}, after.gates.get("scan") or {}, datetime.now(UTC).date())


def _settings(before: Side | None, after: Side, default: Mapping[str, Any]) -> tuple[SettingChange, ...]:
    reasons = (after.run or {}).get("reasons") or {}
    new = facts_of(after.run or {}, after.container, after.gates)
    if before is None:
        return weaknesses(_default(default, after), new, reasons)
    old = facts_of(before.run or {}, before.container, before.gates)
    if before.run is None and after.run is not None:
        return weaknesses({**old, **_default(default, after)}, new, reasons)
    return settings_between(old, new, reasons)


def _default(default: Mapping[str, Any], after: Side) -> Facts:
    """What a workload would be for which nothing is written, but for what its container has of itself."""
    hardened = {"capabilities": {"drops": ["ALL"]}, "securityOpts": ["no-new-privileges:true"]}
    return facts_of(default if after.run is not None else {}, hardened if after.container else None, after.gates)
