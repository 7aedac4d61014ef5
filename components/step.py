"""One step of the pipeline as a `command` resource: what runs, where, and what its one line of JSON says."""

import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pulumi
from pulumi_command import local

ROOT = Path(__file__).resolve().parent.parent
"""The folder of Slipway itself; in an ordinary project that is the project."""

Argument = pulumi.Input[str] | pulumi.Output[list[str]]
"""One word of a command line, or an output of several."""


def step(
    name: str,
    module: str,
    arguments: Sequence[Argument],
    parent: pulumi.Resource,
    *,
    secrets: Mapping[str, pulumi.Input[str]] | None = None,
    opts: pulumi.ResourceOptions | None = None,
) -> local.Command:
    """Run `python -m steps.MODULE ARGUMENTS` when the resource is created and again whenever an argument changes.

    Args:
        name: name of the resource.
        module: module under `steps`.
        arguments: flags and values; an Output among them is resolved first. Never a secret.
        parent: the component that the step belongs to.
        secrets: passwords, handed over on standard input as one JSON object.
        opts: further options, merged with the parent.
    """
    return local.Command(
        name,
        create=command_line(module, arguments),
        stdin=document(secrets),
        logging=local.Logging.STDERR,
        opts=pulumi.ResourceOptions.merge(pulumi.ResourceOptions(parent=parent), opts),
    )


def document(secrets: Mapping[str, pulumi.Input[str]] | None) -> pulumi.Output[str] | None:
    """The secrets as one JSON object; a Pulumi secret, as every value in it is one."""
    return pulumi.Output.json_dumps(dict(secrets)) if secrets else None


def command_line(module: str, arguments: Sequence[Argument]) -> pulumi.Output[str]:
    """The command line of a step, quoted for a shell."""
    prefix = f"{_python()} -m steps.{module}"
    return pulumi.Output.all(*arguments).apply(lambda resolved: f"{prefix} {shlex.join(_words(resolved))}")


def _words(resolved: Sequence[str | list[str]]) -> list[str]:
    return [str(word) for part in resolved for word in (part if isinstance(part, list) else [part])]


def _python() -> str:
    """The interpreter as a path that is the same on every machine, so that another checkout shows no difference."""
    if Path.cwd() == ROOT:
        return ".venv/bin/python"
    return f"PYTHONPATH={shlex.quote(str(ROOT))} {shlex.quote(sys.executable)}"  # a plugin, used from another project


def result(command: local.Command, key: str) -> pulumi.Output[Any]:
    """One value of what a step printed; an edge of the graph: it is known only once the step succeeded."""
    return command.stdout.apply(lambda line: _printed(line, key))


def _printed(line: str, key: str) -> Any:
    """A gate that says nothing lets nothing through."""
    try:
        value = json.loads(line)[key]
    except (ValueError, LookupError, TypeError):
        value = None
    if value is None:
        raise pulumi.RunError(f"a step ended without saying its {key}, it printed {line!r}: run `pulumi up` again")
    return value
