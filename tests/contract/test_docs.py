"""The documents: a link between them leads to what is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_LINK = re.compile(r"\]\((?![a-z]+://)([^)#\s]*)(?:#([^)\s]+))?\)")
_BLOCK = re.compile(r"```.*?```", re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")
PAGES = sorted(path for path in ROOT.rglob("*.md") if "/." not in path.relative_to(ROOT.parent).as_posix())


def text_of(page: Path) -> str:
    """A page without its blocks of code, in which a comment begins as a heading does."""
    return _BLOCK.sub("", page.read_text(encoding="utf-8"))


def headings(page: Path) -> set[str]:
    """What a link into a page may name, as GitHub and GitLab write it: `#rotating-secrets`."""
    titles = re.findall(r"^#+ (.+)$", text_of(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def links(page: Path) -> list[tuple[str, str]]:
    """The links of a page that lead to this repository: a path, which may be empty, and a heading, which may be."""
    return _LINK.findall(_CODE.sub("", text_of(page)))


def test_there_are_links_to_follow() -> None:
    assert sum(len(links(page)) for page in PAGES) > 30


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_a_heading_that_are_there(page: Path) -> None:
    for path, heading in links(page):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{path}: there is no such file"
        assert not heading or heading in headings(target), f"{path}#{heading}: there is no such heading"
