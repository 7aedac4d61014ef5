"""Prints the tables of the documents: `python -m rules.table rules` or `… settings`, run in the pack's folder."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from judging.rule import Rule
from judging.stack_rule import StackRule
from pack import CONFIGURED, RULES, STACK_RULES

ALL: Sequence[Rule | StackRule] = (CONFIGURED, *RULES, *STACK_RULES)
RULE_COLUMNS = ("rule", "what must hold", "source", "severity", "level")
SETTING_COLUMNS = ("rule", "setting", "what it is", "default")


def rules(listed: Iterable[Rule | StackRule] = ALL) -> Iterator[str]:
    """The lines of a Markdown table of rules."""
    yield _row(RULE_COLUMNS)
    yield _row("---" for _ in RULE_COLUMNS)
    for rule in listed:
        yield _row((f"`{rule.name}`", rule.statement, str(rule.source), rule.severity.value, rule.level.value))


def settings(listed: Iterable[Rule | StackRule] = ALL) -> Iterator[str]:
    """The lines of a Markdown table of what rules can be told, beside the level and exemptions that each one takes."""
    yield _row(SETTING_COLUMNS)
    yield _row("---" for _ in SETTING_COLUMNS)
    for rule in listed:
        for name, schema in rule.options.items():
            yield _row((f"`{rule.name}`", f"`{name}`", schema["description"], _default(schema)))


def _default(schema: Mapping[str, Any]) -> str:
    match schema.get("default"):
        case None | []:
            return "none"
        case list(values):
            return ", ".join(f"`{value}`" for value in values)
        case value:
            return f"`{value}`" if isinstance(value, str) else f"`{json.dumps(value).removesuffix('.0')}`"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


TABLES: Mapping[str, Callable[[], Iterable[str]]] = {"rules": rules, "settings": settings}

if __name__ == "__main__":
    print("\n".join(TABLES[sys.argv[1]]()))
