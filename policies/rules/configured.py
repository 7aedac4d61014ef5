"""The rule that reads what all rules share; it comes first in the pack."""

from collections.abc import Iterator

from pulumi_policy import Severity

from judging.advice import NAMES as ADVICE
from judging.configuration import keep, read_settings, schema
from judging.exceptions import CONFIGURED
from judging.misnamed import misnamed
from judging.rule import Problem, Rule, Source, Subject
from verification.evidence import prepare


def configured(names: frozenset[str] = frozenset()) -> Rule:
    """The rule that reads the configuration, keeps it for the others in this process, and reports its mistakes.

    Args:
        names: all rules that the configuration and the file of exceptions may name; empty skips these checks.
    """
    known = {*names, CONFIGURED, *ADVICE} if names else ()

    def configuration(subject: Subject) -> Iterator[Problem]:
        """A setting with a mistake protects nothing; and a typing error must not look like a setting left out."""
        settings, mistakes = read_settings(
            {key: value for key, value in subject.options.items() if value is not None}, names
        )
        keep(settings)
        prepare(settings)
        for mistake in (*mistakes, *(misnamed(known) if known else ())):
            write = "correct it in the file that --policy-pack-config names"
            yield Problem(f"the pack's configuration: {mistake}", write, once=True)

    return Rule(
        name=CONFIGURED,
        statement="The settings that the rules of this pack share have no mistake",
        check=configuration,
        source=Source("Slipway", "", "fail early, in the user's words", ""),
        severity=Severity.HIGH,
        fix="Correct each setting that the message names; the schema of this policy describes them.",
        options=schema(),
    )
