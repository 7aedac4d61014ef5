"""A rule about a whole stack. It is judged when everything is done, so it stops nothing and reports what is wrong."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from pulumi_policy import ReportViolation, StackValidationArgs, StackValidationPolicy

from judging import advice
from judging.rule import AnyRule, NotApplicable, Options, Problem, Subject, judge, message, metadata, read_options

_STACK = "stack"
"""Under which the advice about stacks is kept."""
Found = tuple[Subject, Problem]
"""A problem, and the resource that has it."""


@dataclass(frozen=True)
class Graph:
    """The resources of a stack, with their outputs as far as they are known."""

    subjects: Sequence[Subject]

    def of_types(self, *types: str) -> Iterator[Subject]:
        """The resources of some types."""
        return (subject for subject in self.subjects if subject.type in types)


@dataclass(frozen=True)
class StackRule(AnyRule):
    """What must hold between the resources of a stack."""

    check: Callable[[Graph], Iterable[Found]]

    def policy(self) -> StackValidationPolicy:
        """The policy that Pulumi runs."""
        return StackValidationPolicy(validate=self._validate, **metadata(self))

    def _validate(self, args: StackValidationArgs, report: ReportViolation) -> None:
        options = read_options(self.name, self.options, args.get_config())
        for mistake in options.mistakes:
            report(f"configuration of {self.name}: {mistake}", None)
        graph = Graph([Subject(it.resource_type, it.name, it.urn, it.props, options.values) for it in args.resources])
        try:
            for subject, problem in self.check(graph):
                self._report(subject, options, problem, report)
        except NotApplicable as silent:
            args.not_applicable(silent.reason)

    def _report(self, subject: Subject, options: Options, problem: Problem, report: ReportViolation) -> None:
        text = message(f"{subject.name} ({subject.short_type})", problem, self.source)
        verdict = judge(self.name, subject.name, subject.urn, options.exemptions, text)
        if verdict.excepted or problem.advisory:
            advice.keep(_STACK, f"{self.name}: {verdict.text}")
        else:
            report(verdict.text, subject.urn)


def stack_advice() -> StackValidationPolicy:
    """The policy that reports what rules about the stack advise; it comes after all of them."""

    def validate(_args: StackValidationArgs, report: ReportViolation) -> None:
        for text in advice.take(_STACK):
            report(text, None)

    return StackValidationPolicy(
        name=advice.NAMES[1],
        description="What rules about the whole stack advise, and each use of an exception from them",
        validate=validate,
        **advice.METADATA,
    )
