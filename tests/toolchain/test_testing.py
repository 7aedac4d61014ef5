"""What `make test` runs, in which order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.toolchain.fakes import script
from toolchain.errors import ToolchainError
from toolchain.testing import folders_of_tests, go_modules, run_checks

ROOT = Path(__file__).resolve().parents[2]


def checkout(folder: Path, *, python: str = "") -> Path:
    """A checkout with fast and slow tests and a Go module, whose Python notes what it is asked for; returns the Go."""
    for name in ("e2e/faults", "e2e/shipping", "policy", "unit/corpus"):
        (folder / "tests" / name).mkdir(parents=True)
        (folder / "tests" / name / "test_a.py").touch()
    (folder / "tests" / "shelf.py").touch()
    (folder / "tests" / "unit" / "corpus" / "test_a.py").write_text("# the longest of all\n")
    module = folder / "toolchain" / "go" / "frob"
    module.mkdir(parents=True)
    (module / "go.mod").touch()
    (module / "main_test.go").touch()
    script(folder, "python", f'echo "$2 $3" >> {folder}/calls; {python}\n')
    return script(folder, "go", f'echo "$PWD $*" >> {folder}/calls; [ ! -e {folder}/broken ] || exit 7\n')


def run(folder: Path, go: Path, said: list[str]) -> int:
    """Everything."""

    @contextmanager
    def shared() -> Iterator[None]:
        said.append("shared from here")
        yield
        said.append("to here")

    return run_checks(folder, folder / "python", {"PATH": "/usr/bin:/bin"}, said.append, lambda _: go, shared)


def calls(folder: Path) -> list[str]:
    """What was called, in its order."""
    return (folder / "calls").read_text().splitlines()


def test_the_end_to_end_tests_run_last_and_no_folder_is_forgotten(tmp_path: Path) -> None:
    said: list[str] = []
    assert run(tmp_path, checkout(tmp_path), said) == 0
    found = calls(tmp_path)
    tests = ["pytest tests/policy", "pytest tests/unit"]
    go_test = f"{tmp_path}/toolchain/go/frob test -trimpath ./..."
    assert sorted(found[:6]) == [go_test, "mypy --strict", *tests, "ruff check", "ruff format"]
    assert sorted(found[6:]) == ["pytest tests/e2e/faults", "pytest tests/e2e/shipping"]
    assert said[-1].startswith("test: all passed in ")
    held = said[said.index("shared from here") + 1 : said.index("to here")]
    assert len(held) == 2 and all(line.startswith("test: tests/e2e/") for line in held)


def test_the_folder_with_the_most_tests_comes_first(tmp_path: Path) -> None:
    checkout(tmp_path)
    assert folders_of_tests(tmp_path)[0] == tmp_path / "tests" / "unit"


def test_a_test_beside_the_topics_is_refused_as_its_folder_is_that_of_all_topics(tmp_path: Path) -> None:
    checkout(tmp_path)
    (tmp_path / "tests" / "e2e" / "test_b.py").touch()
    with pytest.raises(ToolchainError, match=r"^tests/e2e/test_b\.py: .*: move it to a topic$"):
        folders_of_tests(tmp_path)


def test_a_failure_of_the_go_tests_ends_the_run(tmp_path: Path) -> None:
    go = checkout(tmp_path)
    said: list[str] = []
    (tmp_path / "broken").touch()
    assert run(tmp_path, go, said) == 7
    assert "shared from here" not in said
    assert not [call for call in calls(tmp_path) if "e2e" in call]
    assert any(line.startswith("test: Go tests of frob failed (exit code 7)") for line in said)


def test_a_failure_of_the_fast_tests_ends_the_run_before_the_end_to_end_tests(tmp_path: Path) -> None:
    go = checkout(tmp_path, python='[ "$3" != tests/unit ] || exit 5')
    said: list[str] = []
    assert run(tmp_path, go, said) == 5
    assert "shared from here" not in said
    assert not [call for call in calls(tmp_path) if "e2e" in call]


def test_every_go_module_with_tests_is_found() -> None:
    assert [module.name for module in go_modules(ROOT)] == ["docker", "standins"]


def test_a_checkout_without_tests_proves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ToolchainError, match="no tests"):
        folders_of_tests(tmp_path)
