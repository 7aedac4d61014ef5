"""Prints the README's table of all rules: `python -m rules.table`, run in the pack's folder."""

from collections.abc import Iterable, Iterator

from judging.rule import Rule
from judging.stack_rule import StackRule
from pack import CONFIGURED, RULES, STACK_RULES

COLUMNS = ("rule", "what must hold", "source", "severity", "level")


def table(rules: Iterable[Rule | StackRule]) -> Iterator[str]:
    """The lines of a Markdown table."""
    yield _row(COLUMNS)
    yield _row("---" for _ in COLUMNS)
    for rule in rules:
        yield _row((f"`{rule.name}`", rule.statement, str(rule.source), rule.severity.value, rule.level.value))


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


if __name__ == "__main__":
    print("\n".join(table((CONFIGURED, *RULES, *STACK_RULES))))
