"""Rules about what a command does with a container engine, past every resource that a rule could judge."""

from collections.abc import Callable, Iterator

from pulumi_policy import Severity

from judging.command_lines import INPUTS, found_in
from judging.engine_commands import Call, calls
from judging.node import Node
from judging.pods import judged
from judging.rule import Problem, Rule, Source, Subject
from rules.privileges import is_root
from rules.sources import CIS

FALSE = ("false", "0", "f", "F", "FALSE", "False")


def comes_from_a_resource(subject: Subject) -> Iterator[Problem]:
    """A container that a command line starts has no properties, so no rule can see what it may do."""

    def judge(path: str, call: Call) -> Iterator[Problem]:
        if call.starts or call.loosens:
            seen = f"{path} runs {call} with {call.loosens}" if call.loosens else f"{path} runs {call}"
            yield Problem(seen, "declare a Container or a Service of the docker provider")

    return _each_call(subject, judge)


def exec_is_not_privileged(subject: Subject) -> Iterator[Problem]:
    """A privileged process in a container that is locked down is one that is not."""

    def judge(path: str, call: Call) -> Iterator[Problem]:
        if call.executes and (said := call.option("--privileged")) is not None and said not in FALSE:
            yield Problem(f"{path} runs {call} with --privileged", "leave it out")

    return _each_call(subject, judge)


def exec_is_not_root(subject: Subject) -> Iterator[Problem]:
    """A container that does not run as root was made so for a reason; exec as root takes that back."""

    def judge(path: str, call: Call) -> Iterator[Problem]:
        user = call.option("--user", "u") if call.executes else None
        if user is not None and is_root(user):
            yield Problem(f"{path} runs {call} as {user or 'root'}", "leave --user out, or name the container's own")

    return _each_call(subject, judge)


def _each_call(subject: Subject, judge: Callable[[str, Call], Iterator[Problem]]) -> Iterator[Problem]:
    """The problems of every call of an engine in the inputs of a command, and in its interpreter."""
    if not subject.type.startswith("command:"):
        return

    def read(path: str) -> Iterator[Problem]:
        for where, call in found_in(Node(subject.properties), path, calls):
            yield from judge(where, call)

    yield from judged(INPUTS, read)


RULES: tuple[Rule, ...] = (
    Rule(
        name="container-comes-from-a-resource",
        statement="A command starts no container, for which no resource could be judged",
        check=comes_from_a_resource,
        source=Source("Slipway", "", "policies verify with their own eyes", ""),
        severity=Severity.HIGH,
        fix="Declare the container as a Container or a Service of the docker provider, or as a pod.",
    ),
    Rule(
        name="container-exec-is-not-privileged",
        statement="No command runs a privileged process in a container",
        check=exec_is_not_privileged,
        source=CIS(control="5.23"),
        severity=Severity.HIGH,
        fix="Remove --privileged from the exec.",
    ),
    Rule(
        name="container-exec-is-not-root",
        statement="No command runs a process as root in a container",
        check=exec_is_not_root,
        source=CIS(control="5.24"),
        severity=Severity.HIGH,
        fix="Remove --user from the exec, or name the user that the container runs as.",
    ),
)
