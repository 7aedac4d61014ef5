"""`slipway releases`: which digest runs where, since when, and what ran there before.

Exit codes: 0, everything could be read; 1, something could not, and what is known is shown; 2, nothing could.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from commands.operations.report import Deployment, Releases, Standing


def releases(
    stack: Annotated[
        list[str] | None, typer.Argument(help="The stacks to show; all of the project if left out.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print data instead of tables.")] = False,
    svg: Annotated[Path | None, typer.Option(help="Also draw which digest runs where, into this file.")] = None,
    last: Annotated[int, typer.Option(min=0, help="How many deployments of each stack to list.")] = 10,
) -> None:
    """Show what runs where and what ran there before, from the stacks' histories and the registry."""
    from commands.operations.words import FAILED, SHORT, told

    with told():
        from commands.operations.report import releases as read
        from steps.stacks import find_stack, stacks

        found = [find_stack(name) for name in stack] if stack else stacks()
        if not found:
            raise ValueError("this project has no stack yet: make one with `pulumi stack init`")
        report = read(list(dict.fromkeys(found)), last)
        if svg:
            _draw(report, svg)
        if json:
            sys.stdout.write(report.model_dump_json(indent=2) + "\n")
        else:
            _show(report)
            for problem in (it for part in report.stacks for it in part.problems):
                typer.echo(f"warning: {problem}", err=True)
        if svg:
            typer.echo(f"drawn: {svg}", err=True)
    if not any(part.read for part in report.stacks):
        raise typer.Exit(FAILED)
    if any(part.problems for part in report.stacks):
        raise typer.Exit(SHORT)


def _draw(report: Releases, file: Path) -> None:
    from commands.operations.diagram import Cell, Picture, svg
    from commands.operations.report import cells
    from steps.proofs import moment

    known = cells(report)
    services = sorted({service for service, _ in known})
    shown = {
        where: Cell(
            version=it.version,
            digest=_short(it.digest),
            since=f"since {moment(it.since):%Y-%m-%d %H:%M}" if it.since else "",
            says=" · ".join(_says(it)),
        )
        for where, it in known.items()
    }
    title = f"{report.project}: which digest runs where"
    time = f"{moment(report.time):%Y-%m-%d %H:%M} UTC"
    picture = Picture(title, time, [part.stack for part in report.stacks], services, shown)
    file.write_text(svg(picture), encoding="utf-8")


def _says(it: Standing) -> Iterator[str]:
    if it.proofs:
        yield "proved"
    if it.approvals:
        yield "approved"


def _short(digest: str | None) -> str:
    return digest.removeprefix("sha256:")[:12] if digest else "-"


def _show(report: Releases) -> None:
    from commands.console import console_of

    console = console_of()
    console.print(_today(report))
    for part in report.stacks:
        if part.history:
            console.print()
            console.print(_before(part.stack, part.history))


def _table(title: str, *columns: str) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in ("version", "digest", "commit"))
    return table


def _today(report: Releases) -> Table:
    from commands.operations.words import plain

    table = _table(
        "What runs where (times in UTC)", "stack", "service", "version", "digest", "since", "source", "state"
    )
    for part in report.stacks:
        for it in part.services:
            table.add_row(*map(plain, (part.stack, it.service, it.version, _short(it.digest), *_details(it))))
        if not part.services:
            table.add_row(plain(part.stack), "-", "-", "-", "-", "-", "nothing yet" if part.read else "not read")
    return table


def _details(it: Standing) -> tuple[str, str, str]:
    from commands.operations.words import commit, day
    from steps.proofs import moment

    since = day(moment(it.since) if it.since else None)
    if it.proofs is None:
        return since, commit(it.revision), "registry not asked"
    state = ["runs" if it.container else "published"]
    if it.proofs:
        state.append(f"proved {day(moment(it.proofs[-1].time))}")
    state += [f"approved by {approval.approver}" for approval in it.approvals or ()]
    return since, commit(it.revision), ", ".join(state)


def _before(stack: str, history: tuple[Deployment, ...]) -> Table:
    from commands.operations.words import commit, day, plain
    from steps.proofs import moment

    table = _table(f"What {stack} deployed", "when", "service", "version", "digest", "known from", "commit", "author")
    for it in history:
        what = (it.service or "", it.version or "-", _short(it.digest), it.known_from or "-")
        if it.kind == "destroy":
            what = ("(destroyed)", "", "", "")
        table.add_row(*map(plain, (day(moment(it.time)), *what, commit(it.project_commit), it.author or "-")))
    return table
