"""Run a preview through Pulumi's Automation API: the same program, settings and policy pack as `pulumi preview`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from commands.previews.change import Resource, State, merged, plain, step_operation
from commands.previews.report import Problem

if TYPE_CHECKING:
    from pulumi.automation.events import EngineEvent, StepEventMetadata, StepEventStateMetadata

_CODE = re.compile(r"\s*code: (-?\d+)")
"""How the Automation API says a command's exit code: it has no field for it."""
_ENDED_BY = 128
_MARKUP = re.compile(r"<\{%.*?%\}>")
_NOT_KNOWN = re.compile(r"^can't run policy .* can't be known during preview$", re.DOTALL)
"""How Pulumi's policy SDK says that a rule has read a value which only `up` will know."""
_FAILED = "preview failed"
"""What the engine says on top of what has failed."""
_WORTH_SAYING = frozenset({"error", "warning"})


def project_files(folder: Path) -> list[Path]:
    """The files by which Pulumi knows a folder for a project's."""
    return [file for ending in ("yaml", "yml", "json") if (file := folder / f"Pulumi.{ending}").is_file()]


@dataclass(frozen=True)
class PreviewOptions:
    """What `pulumi preview` is asked for."""

    project: Path
    """Folder of the project."""
    stack: str
    """The stack."""
    policy_pack: Path | None = None
    """Folder of the policy pack; None for none."""
    policy_configuration: Path | None = None
    """What the pack is told."""
    configuration: Path | None = None
    """The stack's file, where it is another one than usual."""
    refresh: bool = False
    """Whether the state is compared with what is really there first."""
    expect_no_changes: bool = False
    """Whether changes are an error."""


@dataclass
class Seen:
    """What was seen of a preview so far."""

    steps: list[Resource] = field(default_factory=list)
    """Every event about a resource, in order."""
    problems: list[Problem] = field(default_factory=list)
    """What was said."""
    ended: bool = False
    """Whether the preview went to its end."""
    failed: bool = False
    """Whether the engine says that it failed, without saying why."""
    exit_code: int = 0
    """Pulumi's own."""
    failure: str = ""
    """What Pulumi said where it said it to nobody else."""

    @property
    def resources(self) -> list[Resource]:
        """Each resource once."""
        return merged(self.steps)

    @property
    def changes(self) -> dict[str, int]:
        """How many resources each operation concerns."""
        return dict(sorted(Counter(it.operation for it in self.resources).items()))

    def take(self, event: EngineEvent) -> Resource | Problem | None:
        """Remember one event, and return what it says, where a person wants to see it."""
        if event.summary_event:
            self.ended = True
        said = event.diagnostic_event
        if said and said.severity == "error" and not said.urn and _cleaned(said.message) == _FAILED:
            self.failed = True
            return None
        about = event.resource_pre_event or event.res_outputs_event
        if about:
            resource = resource_in(about.metadata)
            self.steps.append(resource)
            return resource if event.resource_pre_event else None
        problem = problem_in(event)
        if problem and problem not in self.problems:
            self.problems.append(problem)
            return problem
        return None


def resource_in(step: StepEventMetadata) -> Resource:
    """A resource as one event has it."""
    return Resource(step.urn, step.type, step_operation(str(_word(step.op))), _state(step.old), _state(step.new))


def _word(operation: Any) -> Any:
    """The Automation API has an enumeration for what it knows, and text for the rest."""
    return getattr(operation, "value", operation)


def _state(state: StepEventStateMetadata | None) -> State | None:
    if state is None:
        return None
    return State(plain(state.inputs or {}), plain(state.outputs or {}), state.parent or "")


def problem_in(event: EngineEvent) -> Problem | None:
    """What an event says that somebody must know; progress and plain messages are none."""
    if it := event.policy_event:
        message = _cleaned(it.message)
        if it.enforcement_level == "mandatory":
            kind: Literal["policy", "advice", "later"] = "policy"
        else:
            kind = "later" if _NOT_KNOWN.search(message) else "advice"
        return Problem(kind=kind, resource=_name(it.resource_urn), policy=it.policy_name, message=message)
    said = event.diagnostic_event
    if said and said.severity in _WORTH_SAYING and not said.ephemeral and _cleaned(said.message):
        severity: Literal["error", "warning"] = "error" if said.severity == "error" else "warning"
        return Problem(kind=severity, resource=_name(said.urn), message=_cleaned(said.message))
    return None


def _cleaned(message: str) -> str:
    return _MARKUP.sub("", message).strip()


def _name(urn: str | None) -> str:
    return (urn or "").rpartition("::")[2]


class TooOldError(Exception):
    """Pulumi's command line is older than the Automation API needs."""


class Preview:
    """A stack that can be previewed; it leaves the stack that is selected in the project as it is."""

    def __init__(self, options: PreviewOptions) -> None:
        """Find Pulumi.

        Raises:
            OSError: `pulumi` is not on PATH.
            subprocess.CalledProcessError: it does not even say its version.
            TooOldError: it is older than the Automation API needs.
        """
        # Only here: it takes half a second, which no other command has to wait for.
        from pulumi.automation import InvalidVersionError, LocalWorkspace, Stack

        class Workspace(LocalWorkspace):
            """A project whose selected stack is the person's own business: every command names the stack."""

            def select_stack(self, stack_name: str) -> None:
                """Leave the selection alone."""

        self.options = options
        try:
            self.workspace = Workspace(work_dir=str(options.project))
        except InvalidVersionError as error:
            raise TooOldError(f"{str(error).rstrip('.')}: install another one, or run `make shell`") from None
        self.stack = Stack.select(options.stack, self.workspace)

    @property
    def project_name(self) -> str:
        """The project's name in Pulumi.yaml, empty where that cannot be read: Pulumi itself has said so by then.

        The Automation API reads that of some languages alone.
        """
        import yaml

        try:
            [file, *_] = project_files(self.options.project)
            return str(yaml.safe_load(file.read_text(encoding="utf-8"))["name"])
        except (OSError, ValueError, LookupError, TypeError, yaml.YAMLError):
            return ""

    def run(self, show: Callable[[Resource | Problem], None]) -> Seen:
        """Preview, and hand each thing that a person wants to see on as it comes."""
        from pulumi.automation import CommandError

        seen, options = Seen(), self.options

        def on_event(event: EngineEvent) -> None:
            if (it := seen.take(event)) is not None:
                show(it)

        said: list[str] = []
        packs = [str(options.policy_pack)] if options.policy_pack else None
        told = [str(options.policy_configuration)] if packs and options.policy_configuration else None
        try:
            self.stack.preview(
                color="never",
                policy_packs=packs,
                policy_pack_configs=told,
                config_file=str(options.configuration) if options.configuration else None,
                refresh=True if options.refresh else None,
                expect_no_changes=True if options.expect_no_changes else None,
                on_event=on_event,
                on_error=said.append,
            )
        except CommandError as error:
            seen.exit_code = exit_code(str(error))
            seen.failure = "\n".join(said).strip()
        except RuntimeError:
            seen.failure = "pulumi ended without saying what would change"
            seen.exit_code = 255
        return seen


def exit_code(said: str) -> int:
    """The exit code in what the Automation API says of a command; that of a shell where a signal ended it."""
    found = _CODE.match(said)
    code = int(found[1]) if found else 1
    return _ENDED_BY - code if code < 0 else code


def passed(seen: Seen) -> bool:
    """Whether a preview went to its end without an error or a violated policy."""
    return seen.ended and not seen.failed and not any(problem.stops for problem in seen.problems)
