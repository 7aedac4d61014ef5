"""The tables of the documents are those that the pack prints."""

from pathlib import Path

import pytest

from rules.table import TABLES

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(("page", "table"), [("README.md", "rules"), ("policies/README.md", "settings")])
def test_a_page_has_the_table_that_the_pack_prints(page: str, table: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    _, begin, after = text.partition(f"<!-- {table}: `python -m rules.table {table}` in policies/ -->\n\n")
    shown, end, _ = after.partition(f"\n\n<!-- end of {table} -->")
    assert begin and end
    assert shown.split("\n") == list(TABLES[table]())
