"""A rule: what must hold, why, by which source, and the policy that Pulumi runs for it."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from pulumi_policy import (
    EnforcementLevel,
    PolicyComplianceFramework,
    PolicyConfigSchema,
    ReportViolation,
    ResourceValidationArgs,
    Severity,
)

from judging import advice, remedies
from judging.configuration import Settings, current
from judging.exceptions import EXEMPTIONS_SCHEMA, Exemption, find, read_exemptions
from judging.reading import SharingPolicy


@dataclass(frozen=True)
class Source:
    """Where a rule comes from."""

    framework: str
    version: str
    control: str
    url: str

    def __str__(self) -> str:
        return ", ".join(filter(None, (f"{self.framework} {self.version}".strip(), self.control)))


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: what was seen, what to write instead, and in which part of the resource.

    Neither text ever holds a secret's value. An advisory one is reported, and stops nothing. What is wrong with the
    pack and not with a resource is told `once`: at the first resource that is no provider, which is the stack itself.
    """

    seen: str
    write: str
    where: str = ""
    advisory: bool = False
    once: bool = False


class NotApplicable(Exception):  # noqa: N818 (it is no error)
    """The resource's type has no way to say what the rule asks for; the reason says who checks it instead."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Subject:
    """The resource that a rule judges.

    A value of `properties` that is not known during a preview raises `UnknownValueError` when it is read, which the SDK
    turns into an advisory. No rule catches it for good; each reads only what it judges.
    """

    type: str
    name: str
    urn: str
    properties: Mapping[str, Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    settings: Settings = field(default_factory=current)

    @property
    def stack(self) -> str:
        """The stack's name."""
        return self.urn.removeprefix("urn:pulumi:").partition("::")[0]

    @property
    def short_type(self) -> str:
        """The type without its module, as previews print it."""
        package, _, rest = self.type.partition(":")
        return f"{package}:{rest.rpartition(':')[2]}"


@dataclass(frozen=True)
class Options:
    """A rule's own configuration: its values over the declared defaults, its exemptions, and what is wrong with it."""

    values: Mapping[str, Any]
    exemptions: tuple[Exemption, ...]
    mistakes: tuple[str, ...]


@dataclass(frozen=True)
class AnyRule:
    """What a rule about a resource and one about a whole stack have in common.

    `check` finds the problems, and its docstring is the reason for the rule.
    """

    name: str
    statement: str
    check: Callable[..., Iterable[Any]]
    source: Source
    severity: Severity
    fix: str
    level: EnforcementLevel = EnforcementLevel.MANDATORY
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def reason(self) -> str:
        """Why it must hold."""
        return inspect.getdoc(self.check) or ""

    @property
    def family(self) -> str:
        """The file that it is in."""
        return str(inspect.unwrap(self.check).__module__).rpartition(".")[2]


@dataclass(frozen=True)
class Rule(AnyRule):
    """What must hold for a resource.

    `remedy` returns the properties to set where it is safe to repair the resource in flight, for whoever configures the
    level `remediate`.
    """

    check: Callable[[Subject], Iterable[Problem]]
    remedy: Callable[[Subject], Mapping[str, Any] | None] | None = None

    def policy(self) -> SharingPolicy:
        """The policy that Pulumi runs."""
        first: list[str] = []

        def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
            # It stops the run there; told again for each of the others, it would be hard to find. Providers may come
            # before the stack, where a program asks for them early, and none is a place where anybody would look.
            if not args.resource_type.startswith("pulumi:providers:"):
                first[:] = first or [args.urn]
            self._validate(args, report, is_first=first == [args.urn])

        return SharingPolicy(
            validate=validate,
            remediate=self._remediate if self.remedy else None,
            **metadata(self),
        )

    def _subject(self, args: ResourceValidationArgs, options: Options, properties: Mapping[str, Any]) -> Subject:
        return Subject(args.resource_type, args.name, args.urn, properties, options.values)

    def _validate(self, args: ResourceValidationArgs, report: ReportViolation, *, is_first: bool) -> None:
        options = read_options(self.name, self.options, args.get_config())
        subject = self._subject(args, options, args.props)
        for mistake in options.mistakes if is_first else ():
            report(f"configuration of {self.name}: {mistake}", None)
        try:
            for problem in self.check(subject):
                if problem.once and not is_first:
                    continue
                self._report(subject, options, problem, report)
        except NotApplicable as silent:
            args.not_applicable(silent.reason)

    def _report(self, subject: Subject, options: Options, problem: Problem, report: ReportViolation) -> None:
        text = message(f"{subject.name} ({subject.short_type})", problem, self.source)
        verdict = judge(self.name, subject.name, subject.urn, options.exemptions, text)
        if verdict.excepted or problem.advisory:
            advice.keep(subject.urn, f"{self.name}: {verdict.text}")
        else:
            report(verdict.text, None)

    def _remediate(self, args: ResourceValidationArgs) -> Any:
        options = read_options(self.name, self.options, args.get_config())
        subject = self._subject(args, options, remedies.readable(args.props))
        exemption = find((*options.exemptions, *current().exceptions), self.name, args.name, args.urn)
        if self.remedy is None or (exemption and not exemption.expired):
            return None
        try:
            changes = self.remedy(subject)
        except NotApplicable as silent:
            return args.not_applicable(silent.reason)
        return remedies.merged(args.props, changes) if changes else None


@dataclass(frozen=True)
class Verdict:
    """A problem's message, and whether an exception turns it into an advisory."""

    text: str
    excepted: bool


def message(what: str, problem: Problem, source: Source) -> str:
    """The message of a violation: who, where, what was seen, what to write instead, and by which source."""
    where = f", {problem.where}" if problem.where else ""
    return f"{what}{where}: {problem.seen}; {problem.write} [{source}]"


def judge(rule: str, name: str, urn: str, exemptions: Sequence[Exemption], text: str) -> Verdict:
    """What becomes of a problem under the exceptions of the rule and of the pack."""
    exemption = find((*exemptions, *current().exceptions), rule, name, urn)
    if exemption is None:
        return Verdict(text, excepted=False)
    if exemption.expired:
        return Verdict(f"{text} (its exception has expired: {exemption})", excepted=False)
    return Verdict(f"{text} (excepted: {exemption})", excepted=True)


def metadata(rule: AnyRule) -> dict[str, Any]:
    """What Pulumi is told about a rule, of a resource or of a whole stack."""
    return {
        "name": rule.name,
        "description": rule.statement,
        "enforcement_level": rule.level,
        "config_schema": PolicyConfigSchema({**map_of_schemas(rule.options), "exemptions": dict(EXEMPTIONS_SCHEMA)}),
        "severity": rule.severity,
        "framework": PolicyComplianceFramework(
            rule.source.framework, rule.source.version, rule.source.control, rule.source.url
        ),
        "tags": [rule.family],
        "remediation_steps": rule.fix,
        "url": rule.source.url,
    }


def map_of_schemas(options: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The schemas as the SDK wants them: plain dictionaries."""
    return {name: dict(option) for name, option in options.items()}


def read_options(
    rule: str, declared: Mapping[str, Mapping[str, Any]], configuration: Mapping[str, Any] | None
) -> Options:
    """A rule's configuration over its declared defaults; what nobody declared is a mistake."""
    if not configuration:
        return Options(_defaults(declared), (), ())
    listed = configuration.get("exemptions")
    exemptions, mistakes = _exemptions(rule, json.dumps(listed, default=str)) if listed else ((), ())
    known = {name: value for name, value in configuration.items() if name in declared}
    return Options(
        {**_defaults(declared), **known}, exemptions, (*mistakes, *_unknown_options(declared, configuration))
    )


def _defaults(declared: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {name: option.get("default") for name, option in declared.items()}


def _unknown_options(declared: Mapping[str, Any], configuration: Mapping[str, Any]) -> Iterator[str]:
    known = (*declared, "exemptions")
    for name in configuration:
        if name not in known:
            yield f"{name}: unknown option: write some of {', '.join(known)}"


@lru_cache(maxsize=256)
def _exemptions(rule: str, text: str) -> tuple[tuple[Exemption, ...], tuple[str, ...]]:
    exemptions, mistakes = read_exemptions(json.loads(text), "exemptions", rule)
    return tuple(exemptions), tuple(mistakes)
