"""The paths in a stack's settings: what is there, what is not, and what only a shell could read."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.stacks import Stack


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("a" * 300, "that file cannot be looked at: File name too long"),
        ("cosign.pub/x", "there is no such file"),
        ("app", "that is no file"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_with_the_reason(stack: Stack, path: str, told: str) -> None:
    stack.settings["sign"]["public_key"] = path
    assert stack.mistake().startswith(f"slipway:sign.public_key: {told} ({path}): make a pair with")


@pytest.mark.parametrize("key", ["key", "public_key"])
@pytest.mark.parametrize("path", ["~/cosign.key", "~", "~ada/cosign.key"])
def test_a_key_whose_path_only_a_shell_could_read_is_told_before_anything_is_built(
    stack: Stack, key: str, path: str
) -> None:
    stack.settings["sign"][key] = path
    assert stack.mistake() == (
        f"slipway:sign.{key}: only a shell knows what ~ stands for ({path}): "
        "write an absolute path, or one relative to the project"
    )


def test_a_key_whose_path_has_a_tilde_further_on_is_accepted(stack: Stack) -> None:
    stack.settings["sign"]["public_key"] = "./~cosign.pub"
    (stack.project / "~cosign.pub").write_text("x")
    assert stack.load()


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.settings["registry"].update(certificate_authority="~/ca.crt"),
        lambda s: s.web["build"].update(context="~/app"),
        lambda s: s.web["build"].update(base_images="~/bases.json"),
    ],
)
def test_no_other_path_is_looked_for_in_a_home_that_nobody_expands(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, change: Callable[[Stack], None]
) -> None:
    monkeypatch.setenv("HOME", str(stack.project))
    change(stack)
    assert "(~/" in stack.mistake()
