"""`slipway clean-registry`: remove candidates and old releases that no stack references; a dry run unless told --yes.

Exit codes: 0, done, or nothing to do; 1, not all could be deleted; 2, refused, as something could not be read, or as no
stack uses anything.
"""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from commands.operations.cleaning import Cleaning, Item, Place


def clean_registry(
    older_than: Annotated[str, typer.Option(help="Only what is older: a number and s, m, h, d or w.")] = "30d",
    keep: Annotated[int, typer.Option(min=0, help="How many of the newest stay in each repository.")] = 10,
    repository: Annotated[list[str] | None, typer.Option(help="Only this one, such as driftwood/web.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Delete; without it nothing is changed.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print data instead of a table.")] = False,
) -> None:
    """Remove candidates and old releases that no stack of this backend references. Lists them, unless told --yes."""
    from commands.operations.words import SHORT, told

    with told():
        from datetime import UTC, datetime

        from commands.operations.cleaning import clean, consider
        from steps.cleanup import Rule, parse_age

        try:
            age = parse_age(older_than)
        except ValueError as error:
            raise ValueError(f"--older-than: {error}") from None
        considered = consider()
        typer.echo(f"in use is what these say, and nothing else: {considered}", err=True)
        done = clean(considered, Rule(age, keep, datetime.now(UTC)), yes, repository or ())
    if json:
        sys.stdout.write(done.model_dump_json(indent=2) + "\n")
    else:
        _show(done)
    problems = [place.problem for place in done.places if place.problem]
    for problem in problems:
        typer.echo(f"error: {problem}", err=True)
    if problems:
        raise typer.Exit(SHORT)


def _show(done: Cleaning) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from commands.console import console_of
    from commands.previews.words import size

    console = console_of()
    if goes := [(place, item) for place in done.places for item in place.goes]:
        title = "What may go (a dry run: nothing was changed)" if done.dry_run else "What was to go"
        table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
        for column in ("repository", "digest", "tags", "age", "size", "manifests"):
            table.add_column(column, overflow="fold", justify="right" if column in ("size", "manifests") else "left")
        for place, item in goes:
            table.add_row(*_row(place, item))
        console.print(table)
    for place in done.places:
        console.print(f"{place.repository}: {_summary(place)}", markup=False, highlight=False, soft_wrap=True)
    total = size(sum(item.bytes for _, item in goes))
    if not goes:
        said = "nothing to remove"
    elif done.dry_run:
        said = f"{len(goes)} artifact(s), {total}: run it again with --yes to delete them"
    else:
        said = f"{sum(place.deleted or 0 for place in done.places)} manifest(s) deleted"
        said += "; the registry frees their blobs when it collects its garbage"
    console.print(said, markup=False, highlight=False, soft_wrap=True)


def _row(place: Place, item: Item) -> list[str]:
    from rich.markup import escape

    from commands.previews.words import size

    digest = item.digest.removeprefix("sha256:")[:12]
    row = [place.repository, digest, ", ".join(item.tags) or "-", _age(item), size(item.bytes), str(item.manifests)]
    return list(map(escape, row))


def _age(item: Item) -> str:
    from datetime import timedelta

    from steps.proofs import duration

    return duration(timedelta(seconds=item.age)) if item.age is not None else "-"


def _summary(place: Place) -> str:
    """What stays, counted by the reason."""
    reasons = Counter(item.reason for item in place.stays)
    stays = "; ".join(f"{count} because {reason}" for reason, count in sorted(reasons.items()))
    return f"{len(place.goes)} may go, {len(place.stays)} stay" + (f": {stays}" if stays else "")
