"""What a .dockerignore keeps from the builder: the cases are those that Docker's own matcher answers so."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.dockerignore import Dockerignore

NAMES = st.text(alphabet="ab.é_-", min_size=1, max_size=4).filter(lambda name: name.strip(".") != "")
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
LINES = st.text(alphabet="ab*?[]!\\/.# ^-\r\t", max_size=12)


@pytest.mark.parametrize(
    ("text", "left_out", "sent"),
    [
        pytest.param("", [], ["app.py", "a/b"], id="nothing"),
        pytest.param("*", ["app.py", "a", "a/b/c.py", ".git/config"], [], id="all"),
        pytest.param("app", ["app", "app/a", "app/a/b"], ["a/app", "application"], id="begins at the context"),
        pytest.param("/app/", ["app", "app/a"], ["a/app"], id="slashes around"),
        pytest.param("./a//b/../app", ["a/app"], ["a/b/app"], id="cleaned"),
        pytest.param("*.py", ["a.py", ".py", "a.py/b"], ["a/b.py", "a.pyc"], id="one star stays in its folder"),
        pytest.param("*/*.py", ["a/b.py", "a/b.py/c"], ["b.py", "a/b/c.py"], id="a star for a folder"),
        pytest.param("**/*.py", ["a.py", "a/b/c.py"], ["a.pyc"], id="two stars are any depth"),
        pytest.param("**.pyc", ["a.pyc", "a/b/c.pyc"], ["a.py"], id="two stars, then the end of a name"),
        pytest.param("a**b", ["ab", "ax/b", "ax/y/b"], ["axb", "a/c"], id="two stars inside"),
        pytest.param("a/**", ["a/b", "a/b/c"], ["a", "b/a"], id="all below"),
        pytest.param("a?c", ["abc"], ["ac", "a/c", "abbc"], id="one letter"),
        pytest.param("[a-c]x[^1]", ["bxz"], ["dxz", "bx1"], id="sets"),
        pytest.param(r"\*.py", ["*.py"], ["a.py"], id="escaped"),
        pytest.param("a+(b).$", ["a+(b).$"], ["aab"], id="what means something elsewhere"),
        pytest.param("# a\n\n  a  \r\n", ["a"], ["# a", "b"], id="comment, empty line and spaces"),
        pytest.param("\ufeffa", ["a"], ["\ufeffa"], id="byte order mark"),
        pytest.param("*\n!a.py", ["b.py", "x/a.py"], ["a.py"], id="brought back"),
        pytest.param("*\n!x/y", ["x", "x/z", "a"], ["x/y", "x/y/z"], id="brought back from a folder"),
        pytest.param("!a.py\n*", ["a.py"], [], id="the last line that matches decides"),
        pytest.param("*\n!x\nx/*.log", ["x/a.log"], ["x", "x/a"], id="left out again"),
        pytest.param("*\n! /a.py", ["b"], ["a.py"], id="space and slash after the mark"),
        pytest.param("[b-a]\n!", [], ["a", "b"], id="no pattern"),
    ],
)
def test_a_dockerignore_is_read_as_docker_reads_it(
    tmp_path: Path, text: str, left_out: list[str], sent: list[str]
) -> None:
    (tmp_path / ".dockerignore").write_text(text, encoding="utf-8", newline="")
    read = Dockerignore.of(tmp_path, "Dockerfile")
    assert [path for path in [*left_out, *sent] if read.leaves_out(path)] == left_out


def test_the_file_beside_the_dockerfile_comes_first(tmp_path: Path) -> None:
    (tmp_path / "docker").mkdir()
    (tmp_path / ".dockerignore").write_text("a")
    (tmp_path / "docker" / "web.dockerignore").write_text("b")
    read = Dockerignore.of(tmp_path, "docker/web")
    assert (read.leaves_out("a"), read.leaves_out("b")) == (False, True)
    assert Dockerignore.of(tmp_path, "Dockerfile").leaves_out("a")


def test_a_link_to_a_folder_is_sent_as_the_link_that_it_is(tmp_path: Path) -> None:
    (tmp_path / "folder" / "below").mkdir(parents=True)
    (tmp_path / "folder" / "link").symlink_to("below")
    (tmp_path / "link").symlink_to("folder")
    assert Dockerignore().sent(tmp_path, "link") == "link"
    assert Dockerignore().sent(tmp_path, "folder") == "folder/link"
    assert Dockerignore().sent(tmp_path, "folder/below") is None


@given(st.lists(LINES, max_size=5), PATHS)
def test_any_text_is_read_and_a_last_line_wins_over_all_before_it(lines: list[str], path: str) -> None:
    text = "\n".join(lines)
    assert Dockerignore.parse(f"{text}\n**").leaves_out(path)
    assert not Dockerignore.parse(f"{text}\n!**").leaves_out(path)


@given(PATHS, PATHS)
def test_a_plain_path_leaves_out_itself_and_what_is_below(path: str, other: str) -> None:
    read = Dockerignore.parse(path)
    assert read.leaves_out(path) and read.leaves_out(f"{path}/{other}")
    assert read.leaves_out(other) == (other == path or other.startswith(f"{path}/"))
