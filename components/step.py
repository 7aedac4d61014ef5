"""One step of the pipeline as a `command` resource: what runs, where, and what its one line of JSON says."""

import json
import re
import shlex
import sys
from collections.abc import Container, Mapping, Sequence
from functools import partial
from itertools import chain, count
from pathlib import Path
from typing import Any

import pulumi
from pulumi_command import local

ROOT = Path(__file__).resolve().parent.parent
"""The folder of Slipway itself; in an ordinary project that is the project."""

Argument = pulumi.Output[str] | str
"""One word of a command line."""
_PREFIX = "STEP_"


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

    A value that flows is a variable of the command line: a preview knows the line, and so do the policies, where only
    the value is not known yet.

    Args:
        name: name of the resource.
        module: module under `steps`.
        arguments: flags and values. Never a secret.
        parent: the component that the step belongs to.
        secrets: passwords, handed over on standard input as one JSON object.
        opts: further options, merged with the parent.
    """
    line, variables = _with_variables(arguments)
    return local.Command(
        name,
        create=f"{_python()} -m steps.{module} {line}",
        environment=variables or None,
        stdin=document(secrets),
        logging=local.Logging.STDERR,
        opts=pulumi.ResourceOptions.merge(pulumi.ResourceOptions(parent=parent), opts),
    )


def document(secrets: Mapping[str, pulumi.Input[str]] | None) -> pulumi.Output[str] | None:
    """The secrets as one JSON object; a Pulumi secret, as every value in it is one."""
    return pulumi.Output.json_dumps(dict(secrets)) if secrets else None


def _with_variables(arguments: Sequence[Argument]) -> tuple[str, dict[str, pulumi.Input[str]]]:
    """The arguments for a shell, and what flows among them as variables, named by the flag before it."""
    words: list[str] = []
    variables: dict[str, pulumi.Input[str]] = {}
    flag = ""
    for argument in arguments:
        if isinstance(argument, str):
            words.append(shlex.quote(argument))
            flag = argument if argument.startswith("--") else flag
            continue
        variable = _free(_PREFIX + re.sub(r"\W", "_", flag.removeprefix("--")).upper(), variables)
        variables[variable] = argument.apply(partial(_text, flag))
        words.append(f'"${{{variable}?}}"')  # one that got no value stops the step, whatever surrounds it
    return " ".join(words), variables


def _free(name: str, taken: Container[str]) -> str:
    """The name, or where a flag has several values that flow, NAME_2 and so on."""
    numbered = (f"{name}_{number}" for number in count(2))
    return next(it for it in chain([name], numbered) if it not in taken)


def command_line(module: str, arguments: Sequence[Argument]) -> pulumi.Output[str]:
    """The command line of a step, quoted for a shell, once all of it is known."""
    prefix = f"{_python()} -m steps.{module}"
    return pulumi.Output.all(*arguments).apply(
        lambda words: f"{prefix} {shlex.join(_text(module, word) for word in words)}"
    )


def _text(of: str, value: Any) -> str:
    if value is None:
        raise pulumi.RunError(f"{of} has no value: what it comes from has none; run `pulumi up` again")
    return str(value)


def _python() -> str:
    """The interpreter as a path that is the same on every machine, so that another checkout shows no difference."""
    if Path.cwd() == ROOT:
        return ".venv/bin/python"
    # A plugin, used from another project, whose own folders may be called as ours: -P takes none of its modules.
    return f"PYTHONPATH={shlex.quote(str(ROOT))} {shlex.quote(sys.executable)} -P"


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
