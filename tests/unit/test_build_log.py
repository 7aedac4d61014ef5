"""What a person is shown of a failed build: the last lines of the step that failed, and of no other."""

from __future__ import annotations

import pytest

from components import build_log
from components.build_log import failed_step

REPOSITORY = "localhost:5380/driftwood/web"
FAILED = {
    "Ref": "abc",
    "CreatedAt": {"seconds": 1},
    "error": {"message": "failed to solve"},
    "Exporters": [{"Attrs": {"name": REPOSITORY}}],
}
CACHE = """\
#3 importing cache manifest from localhost:5380/driftwood/web:cache
------
 > importing cache manifest from localhost:5380/driftwood/web:cache:
------
"""
STEP = """\
#8 ERROR: process "/bin/sh -c make" did not complete successfully: exit code: 2
------
 > [builder 3/4] RUN make:
0.210 missing header foo.h
------
Dockerfile:3
--------------------
   3 | >>> RUN make
--------------------
"""


def shown(monkeypatch: pytest.MonkeyPatch, log: str, repository: str = REPOSITORY) -> list[str]:
    """What is shown of the only build in the builder's history."""
    monkeypatch.setattr(build_log, "histories", lambda _endpoint: [FAILED])
    monkeypatch.setattr(build_log, "buildctl", lambda _endpoint, *_words: log)
    return failed_step("unix:///buildkitd.sock", repository)


@pytest.mark.parametrize("log", [STEP, CACHE + STEP])
def test_the_step_that_failed_is_shown_also_where_there_was_no_cache_yet(
    monkeypatch: pytest.MonkeyPatch, log: str
) -> None:
    assert shown(monkeypatch, log) == ["   > [builder 3/4] RUN make:", "  0.210 missing header foo.h"]


def test_of_a_long_step_the_last_lines_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    log = "\n".join(["------", *(f"line {number}" for number in range(50)), "------", ""])
    assert shown(monkeypatch, log) == [f"  line {number}" for number in range(30, 50)]


@pytest.mark.parametrize("log", ["", "#1 building\n", "------\n > half of it"])
def test_a_log_without_a_failed_step_shows_nothing(monkeypatch: pytest.MonkeyPatch, log: str) -> None:
    assert shown(monkeypatch, log) == []


def test_the_build_of_another_repository_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(monkeypatch, STEP, "localhost:5380/driftwood/tide") == []
