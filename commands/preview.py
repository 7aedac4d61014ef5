"""`slipway preview STACK`: what an `up` would ship, as a table, as Markdown for a pull request and as data.

Exit codes are Pulumi's own; whether something would ship is the field `would_ship` of preview.json.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from commands.previews.registry import Registries
    from commands.previews.report import Problem, Report, ResourceChange, Service
    from commands.previews.run import Preview, PreviewOptions, Seen
    from commands.previews.terminal import Progress

REPORTS = Path(".slipway", "reports")
_CACHE = Path(".slipway", "trivy")
_PACK = Path("policies")
_FAILED = 1
_INTERRUPTED = 130
_CANNOT_RUN = 127


def preview(
    stack: Annotated[str, typer.Argument(help="The stack to preview.")],
    json: Annotated[bool, typer.Option("--json", help="Print preview.json instead of the table.")] = False,
    refresh: Annotated[bool, typer.Option(help="Compare the state with what is really there first.")] = False,
    expect_no_changes: Annotated[bool, typer.Option("--expect-no-changes", help="Changes are an error.")] = False,
    config_file: Annotated[Path | None, typer.Option(help="The stack's file, where it is another than usual.")] = None,
    policy_pack: Annotated[Path | None, typer.Option(help="The policy pack; policies/ where it is left out.")] = None,
    policy_pack_config: Annotated[Path | None, typer.Option(help="What the pack is told.")] = None,
    no_policy_pack: Annotated[bool, typer.Option("--no-policy-pack", help="Judge by no policy pack.")] = False,
) -> None:
    """Show what `pulumi up` would ship: digests, commits, layers, packages, vulnerabilities, run settings.

    The report is written to .slipway/reports/STACK/preview.md and preview.json.
    """
    from commands.console import console_of
    from commands.previews.run import PreviewOptions
    from commands.previews.terminal import Progress, show_report

    project, here = project_folder(), Path.cwd()
    if project != here:
        policy_pack, policy_pack_config, config_file = (
            it and here / it for it in (policy_pack, policy_pack_config, config_file)
        )
        os.chdir(project)  # paths in settings start there
    pack = None if no_policy_pack else policy_pack or default_pack(project)
    told = policy_pack_config or (default_pack_configuration(project, stack) if pack else None)
    options = PreviewOptions(project, stack, pack, told, config_file, refresh, expect_no_changes)
    try:
        with Progress(console_of(stderr=True), stack) as progress:
            report = previewed(options, progress)
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        raise typer.Exit(_INTERRUPTED) from None
    try:
        folder = write(report, project)
    except OSError as error:
        typer.echo(f"error: the report cannot be written to {project / REPORTS}: {error}", err=True)
        raise typer.Exit(report.exit_code or _FAILED) from None
    if json:
        sys.stdout.write(report.model_dump_json(indent=2) + "\n")
    else:
        show_report(console_of(), report)
        typer.echo(f"report: {folder.relative_to(project)}/preview.md, preview.json", err=True)
    raise typer.Exit(report.exit_code)


def project_folder() -> Path:
    """The folder of the project: this one, or the first above it that has a Pulumi.yaml, as Pulumi looks for it."""
    from commands.previews.run import project_files

    here = Path.cwd()
    for folder in (here, *here.parents):
        if project_files(folder):
            return folder
    typer.echo(f"error: there is no Pulumi.yaml in {here}, nor above it: run this in the folder of a project", err=True)
    raise typer.Exit(_FAILED)


def default_pack(project: Path) -> Path | None:
    """The project's own policy pack, where it has one."""
    pack = project / _PACK
    return pack if (pack / "PulumiPolicy.yaml").is_file() else None


def default_pack_configuration(project: Path, stack: str) -> Path | None:
    """What the project's policy pack is told for this stack, where somebody wrote it beside the stack's file."""
    path = project / "stacks" / f"policy.{stack.rpartition('/')[2]}.json"
    return path if path.is_file() else None


def write(report: Report, project: Path) -> Path:
    """Write preview.md and preview.json, each at once, and return their folder."""
    from commands.previews.markdown import markdown

    folder = project / REPORTS / report.stack.rpartition("/")[2]
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (("preview.md", markdown(report)), ("preview.json", report.model_dump_json(indent=2) + "\n")):
        partial = folder / f".{name}.{os.getpid()}"
        partial.write_text(text, encoding="utf-8")
        partial.replace(folder / name)
    return folder


def previewed(options: PreviewOptions, progress: Progress) -> Report:
    """Preview a stack, and find out what it says about each service."""
    from commands.previews.run import Preview, TooOldError

    time = datetime.now(UTC)
    try:
        pulumi = Preview(options)
    except FileNotFoundError:
        typer.echo("error: pulumi is not on PATH: install it, or run `make shell` for a shell that has it", err=True)
        raise typer.Exit(_CANNOT_RUN) from None
    except subprocess.CalledProcessError as error:
        raise typer.Exit(error.returncode) from None
    except TooOldError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(_CANNOT_RUN) from None
    seen = pulumi.run(progress.show)
    progress.doing("comparing images …")
    services, others = compared(options, seen, time)
    return report_of(pulumi, seen, services, others, time)


def report_of(
    pulumi: Preview, seen: Seen, services: Sequence[Service], others: Sequence[Any], time: datetime
) -> Report:
    """The report, once everything is known."""
    from commands.previews.report import Report
    from commands.previews.run import passed

    went_well = passed(seen)
    return Report(
        project=pulumi.project_name,
        stack=pulumi.options.stack,
        time=time.isoformat(timespec="seconds").replace("+00:00", "Z"),
        exit_code=seen.exit_code,
        passed=went_well,
        would_ship=went_well and any(service.ships and not service.stopped_by for service in services),
        changes=seen.changes,
        services=tuple(sorted(services, key=lambda it: (not it.ships, it.name))),
        other_resources=tuple(others),
        problems=_problems(seen),
    )


def _problems(seen: Seen) -> tuple[Problem, ...]:
    from commands.previews.report import Problem

    order = ("error", "policy", "warning", "advice", "later")
    found = sorted(seen.problems, key=lambda it: order.index(it.kind))
    if seen.exit_code and not any(it.stops for it in found):
        # Pulumi has said it to nobody but its own terminal: there is no such stack, the passphrase is wrong, …
        message = seen.failure or f"pulumi ended with exit code {seen.exit_code}"
        if missing := re.search(r"no stack named '([^']+)' found", message):
            message = f"{message}: make it with `pulumi stack init {missing[1]}`"
        found.insert(0, Problem(kind="warning" if seen.ended and not seen.failed else "error", message=message))
    return tuple(found)


def compared(options: PreviewOptions, seen: Seen, since: datetime) -> tuple[list[Service], list[ResourceChange]]:
    """Each service's part of the report, and the changed resources that belong to none."""
    from concurrent.futures import ThreadPoolExecutor

    from commands.previews.builder import Builder, built_at_preview
    from commands.previews.compare import service_report
    from commands.previews.drafts import Draft, drafts_of, with_digest
    from commands.previews.registry import Images, registries
    from components.buildkit import builder_endpoint
    from components.run import Run
    from steps.stacks import find_stack, secret

    drafts, others = drafts_of(seen.resources)
    default: Mapping[str, Any] = Run(name="default").properties()
    accesses = [access for draft in drafts for access in draft.accesses]

    def password(key: str) -> str:
        return secret(find_stack(options.stack), key)

    def compared_one(draft: Draft, known: Registries) -> Service:
        side, builder = draft.after, None
        if side and side.build_arguments and side.builder and (endpoint := builder_endpoint(side.builder)):
            builder = Builder(endpoint)
            if not side.artifact.digest and (digest := built_at_preview(side, since)):
                draft = with_digest(draft, digest)
        images = Images(known, options.project / _CACHE, builder)
        return service_report(draft, images, options.project, default, images.scan)

    with registries(accesses, password) as known, ThreadPoolExecutor() as pool:
        return list(pool.map(lambda it: compared_one(it, known), drafts)), others
