"""One Docker Engine for checkouts that work side by side."""

from __future__ import annotations

from pathlib import Path

import pytest

from toolchain.environment import Project
from toolchain.services import fleet


@pytest.mark.parametrize("runs_already", [False, True], ids=["none ran", "one ran"])
def test_an_engine_that_was_started_for_them_ends_with_them_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runs_already: bool
) -> None:
    done: list[str] = []
    monkeypatch.setattr(fleet, "docker_answers", lambda _host: runs_already)
    monkeypatch.setattr(fleet, "ensure_emulation", lambda _platforms, _report: done.append("emulators"))
    monkeypatch.setattr(fleet, "ensure_engine", lambda _project, _environment, _report: done.append("engine"))
    monkeypatch.setattr(fleet, "stop_engine", lambda _project, _report: done.append("stopped"))
    with pytest.raises(KeyboardInterrupt), fleet.shared_engine(Project(tmp_path), {}, done.append):
        raise KeyboardInterrupt
    assert done == ["emulators", "engine", *([] if runs_already else ["stopped"])]
