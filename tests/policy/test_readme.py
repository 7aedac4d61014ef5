"""The README's table of rules is the pack's own."""

from pathlib import Path

from pack import CONFIGURED, RULES, STACK_RULES
from rules.table import table

README = Path(__file__).resolve().parents[2] / "README.md"


def test_the_readme_has_the_table_that_the_pack_prints() -> None:
    _, _, after = README.read_text(encoding="utf-8").partition("<!-- rules: `python -m rules.table` in policies/ -->")
    shown, end, _ = after.partition("<!-- end of rules -->")
    assert end
    assert shown.split("\n")[2:-2] == list(table((CONFIGURED, *RULES, *STACK_RULES)))
