"""`slipway evidence REFERENCE`: who signed an artifact, what was found in it, from what it was built.

Exit codes: 0, the evidence is complete; 1, something is missing or another key's; 2, it could not be read.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from components.artifact import ImageReference
    from steps.choose import Registries
    from steps.evidence import Key

EVIDENCE_VERSION = 1


def evidence(
    reference: Annotated[str, typer.Argument(help="The artifact: REPOSITORY@sha256:… or REPOSITORY:TAG.")],
    key: Annotated[
        str | None, typer.Option(help="Public key: a file or a KMS reference; the stack's if left out.")
    ] = None,
    stack: Annotated[
        str | None, typer.Option(help="Whose key and logins count; the selected stack if left out.")
    ] = None,
    certificate_authority: Annotated[Path | None, typer.Option(help="PEM file of the registry's authority.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print data instead of tables.")] = False,
) -> None:
    """Show what is known about an artifact, as far as it verifies with one public key.

    With --key and no --stack nothing of Pulumi is needed: logins are then those of the Docker configuration.
    """
    from json import dumps

    from commands.operations.words import SHORT, told

    with told(), _reach(reference, key, stack, certificate_authority) as (known, asked):
        from steps.evidence import dossier

        found = dossier(known, asked)
    if json:
        sys.stdout.write(dumps({"schema_version": EVIDENCE_VERSION, **found}, indent=2) + "\n")
    else:
        _show(found)
    if found["lacking"]:
        raise typer.Exit(SHORT)


@contextmanager
def _reach(
    text: str, key: str | None, stack: str | None, authority: Path | None
) -> Iterator[tuple[ImageReference, Key]]:
    """The artifact by its digest, and the key with the way to its registry."""
    from steps.evidence import Key

    repository = _repository(text)
    with _explained(repository.registry), _registries(repository.registry, key, stack) as (registries, public_key):
        trusted = str(authority) if authority else registries.authority(repository)
        reference = _reference(text, registries, trusted)
        yield reference, Key(public_key, registries.environment, trusted)


@contextmanager
def _explained(address: str) -> Iterator[None]:
    """Say which option helps where a registry's certificate is by an authority of its own."""
    from steps.tool import StepError

    try:
        yield
    except StepError as error:
        from steps.registry import WANTS_TLS

        text = str(error)
        # On loopback the tools speak plain HTTP as long as no authority is named.
        if not re.search(rf"unknown authority|{WANTS_TLS}", text):
            raise
        raise StepError(
            f"registry {address} has no certificate by an authority that is trusted here: "
            f"write the PEM file of its own one, --certificate-authority FILE.\n{text}"
        ) from None


@contextmanager
def _registries(address: str, key: str | None, stack: str | None) -> Iterator[tuple[Registries, str]]:
    from steps.choose import Registries
    from steps.credentials import registry_credentials

    if key and not stack:
        with registry_credentials({}, [address]) as credentials:
            yield Registries(credentials), key
        return
    from commands.operations.access import member, reach
    from commands.selection import chosen

    its = member(chosen(stack))
    with reach([its]) as registries:
        yield registries, key or its.settings.sign.public_key


def _repository(text: str) -> Any:
    from components.artifact import ImageReference, Repository

    name, at, _ = text.partition("@")
    if at:
        return ImageReference.parse(text).repository
    registry, _, path = name.partition("/")
    return Repository(registry, path.partition(":")[0])


def _reference(text: str, registries: Registries, authority: str | None) -> ImageReference:
    """The artifact that is named now; a tag may name another one later, so its digest is what is shown."""
    from components.artifact import ImageReference
    from steps.registry import digest_of_tag

    if "@" in text:
        return ImageReference.parse(text)
    repository = _repository(text)
    tag = text.removeprefix(str(repository)).removeprefix(":")
    if not tag:
        raise ValueError(f"{text!r} names no artifact: write REPOSITORY@sha256:… or REPOSITORY:TAG")
    digest = digest_of_tag(repository, tag, registries.credentials, authority)
    if digest is None:
        raise ValueError(f"{text} is not there: the repository has no such tag")
    found: ImageReference = repository.at(digest)
    return found


def _show(found: Mapping[str, Any]) -> None:
    from commands.console import console_of
    from commands.operations.words import plain

    console = console_of()
    console.print(f"[bold]{plain(found['reference'])}[/bold]", highlight=False, soft_wrap=True)
    console.print(f"as {plain(found['public_key'])} says", highlight=False, soft_wrap=True)
    for table in (_signatures(found), _reports(found), _findings(found), _contents(found), _origin(found)):
        if table.row_count:
            console.print()
            console.print(table)
    _problems(console, found)


def _problems(console: Console, found: Mapping[str, Any]) -> None:
    from commands.operations.words import plain

    others = {name: count for name, count in found["unverified"].items() if count > 0}
    if others:
        listed = ", ".join(f"{count} of {name}" for name, count in others.items())
        console.print(f"\nnot by this key, and not shown: {plain(listed)}", highlight=False)
    for problem in found["lacking"]:
        console.print(f"[red]missing:[/red] {plain(problem)}", highlight=False, soft_wrap=True)


def _table(title: str, *columns: str) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _row(table: Table, *cells: str) -> None:
    """Add a row of what others have written."""
    from commands.operations.words import plain

    table.add_row(*map(plain, cells))


def _signatures(found: Mapping[str, Any]) -> Table:
    table = _table("Who signed", "of", "digest", "says")
    digests = {"index": found["digest"]} | {name: it["digest"] for name, it in found["platforms"].items()}
    for name, signatures in found["signatures"].items():
        for says in signatures:
            text = ", ".join(f"{key} {value}" for key, value in sorted(says.items()))
            _row(table, name, digests[name].removeprefix("sha256:")[:12], text)
    return table


def _reports(found: Mapping[str, Any]) -> Table:
    table = _table("What was found (times in UTC)", "platform", "scanned", "database of", "findings", "scanner")
    for name, platform in found["platforms"].items():
        for it in platform["reports"]:
            counts = ", ".join(f"{count} {severity}" for severity, count in it["counts"].items() if count)
            found_none = "none" if it["counts"] else "in a form of its own"
            scanner = it["scanner"].rpartition("/")[2]
            _row(table, name, _minute(it["finished"]), _minute(it["database"]), counts or found_none, scanner)
    return table


def _findings(found: Mapping[str, Any]) -> Table:
    """The findings of the latest report of each platform."""
    table = _table(
        "Findings of the latest reports", "severity", "vulnerability", "package", "installed", "fixed in", "of"
    )
    for name, platform in found["platforms"].items():
        for it in platform["reports"][0]["findings"] if platform["reports"] else ():
            cells = (it["severity"], it["vulnerability"], it["package"], it["installed"], it["fixed"], name)
            _row(table, *cells)
    return table


def _contents(found: Mapping[str, Any]) -> Table:
    table = _table("What is in it", "platform", "components", "format", "made")
    for name, platform in found["platforms"].items():
        for it in platform["sboms"]:
            _row(table, name, str(it["components"]), it["format"], _minute(it["made"]))
    return table


def _origin(found: Mapping[str, Any]) -> Table:
    table = _table("From what it was built", "what", "which")
    for predicate in found["provenance"]:
        definition, run = predicate["buildDefinition"], predicate["runDetails"]
        for it in definition.get("resolvedDependencies") or ():
            digest = " ".join(f"{kind}:{value}" for kind, value in (it.get("digest") or {}).items())
            dirty = " (with changes that are not committed)" if (it.get("annotations") or {}).get("dirty") else ""
            _row(table, it.get("name") or it.get("uri", ""), f"{it.get('uri', '')} {digest}".strip() + dirty)
        for name, value in sorted((definition.get("externalParameters") or {}).items()):
            _row(table, name, _text(value))
        version = (run["builder"].get("version") or {}).get("buildkit", "")
        _row(table, "builder", f"{run['builder']['id']} {version}".strip())
        times = run.get("metadata") or {}
        if "startedOn" in times:
            _row(table, "built", f"{times['startedOn']} to {times.get('finishedOn', '')}")
    return table


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={item}" for name, item in sorted(value.items()))
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _minute(time: str) -> str:
    """A moment of RFC 3339 as a person reads it; empty where there is none."""
    return time[:16].replace("T", " ")
