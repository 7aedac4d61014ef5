"""The rule that reads what all rules share; it comes first in the pack."""

from collections.abc import Iterator

from pulumi_policy import Severity

from judging.configuration import keep, read_settings, schema
from judging.rule import Problem, Rule, Source, Subject


def configuration(subject: Subject) -> Iterator[Problem]:
    """A setting with a mistake protects nothing, and a typing error must not look like a setting that was left out."""
    settings, mistakes = read_settings({key: value for key, value in subject.options.items() if value is not None})
    keep(settings)
    for mistake in mistakes:
        yield Problem(f"the pack's configuration: {mistake}", "correct it in the file that --policy-pack-config names")


RULES: tuple[Rule, ...] = (
    Rule(
        name="pack-is-configured",
        statement="The settings that the rules of this pack share have no mistake",
        check=configuration,
        source=Source("Slipway", "", "fail early, in the user's words", ""),
        severity=Severity.HIGH,
        fix="Correct each setting that the message names; the schema of this policy describes them.",
        options=schema(),
    ),
)
