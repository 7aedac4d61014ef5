"""Any one key of a good stack, changed into something else: a line names that very key and no other."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pulumi
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from settings import load
from tests.stacks import GOOD, Stack, configuration

Path_ = tuple[str | int, ...]
FREE = {"services", "arguments", "secrets", "environment", "temporary", "options", "reasons"}
"""Objects whose keys are names of the user's own."""
WRONG_ANYWHERE: tuple[Any, ...] = ({"no_such_key": "x"}, [["x"]], {"no_such_key": {"deep": [1]}})


def walk(value: Any, path: Path_ = ()) -> Iterator[Path_]:
    """The paths of all settings, objects and lists included."""
    if path:
        yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from walk(inner, (*path, key))


PATHS = sorted(walk(GOOD), key=str)
KEYS = [path for path in PATHS if isinstance(path[-1], str)]
FIXED = [path for path in KEYS if not (len(path) > 1 and path[-2] in FREE)]


def at(settings: Any, path: Path_) -> Any:
    """What stands at a path."""
    for part in path:
        settings = settings[part]
    return settings


def told(path: Path_) -> str:
    """A path as a person is told."""
    return "slipway:" + ".".join(map(str, path))


@pytest.fixture(name="good", scope="module")
def a_good_stack(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """A stack without a mistake; its settings are copied, never changed."""
    return Stack(tmp_path_factory.mktemp("stack"))


def keys_told(good: Stack, settings: dict[str, Any]) -> list[str]:
    """The keys of the lines that these settings are told; none where they are accepted."""
    try:
        load(configuration(settings), good.project)
    except pulumi.RunError as error:
        lines = [line.strip() for line in str(error).splitlines()[1:]]
        assert lines
        assert all(": " in line for line in lines), lines
        return [line.partition(": ")[0] for line in lines]
    return []


def test_the_good_stack_is_accepted(good: Stack) -> None:
    assert keys_told(good, good.settings) == []
    assert len(PATHS) > 50


@given(st.sampled_from(PATHS), st.sampled_from(WRONG_ANYWHERE))
def test_something_else_in_the_place_of_a_setting_is_told_by_its_key(good: Stack, path: Path_, wrong: Any) -> None:
    assume(not (isinstance(wrong, dict) and path[-1] in FREE))  # names of the user's own may be anything
    settings = good.copy()
    at(settings, path[:-1])[path[-1]] = copy.deepcopy(wrong)
    keys = keys_told(good, settings)
    assert keys
    assert all(key == told(path) or key.startswith(f"{told(path)}.") for key in keys), keys


@given(st.sampled_from(FIXED), st.data())
def test_a_misspelt_key_is_told_by_the_name_that_was_written(good: Stack, path: Path_, data: st.DataObject) -> None:
    name = str(path[-1])
    where = data.draw(st.integers(0, len(name) - 1))
    letter = data.draw(st.sampled_from("abcxyz_"))
    misspelt = data.draw(
        st.sampled_from(
            [name[:where] + letter + name[where:], name[:where] + name[where + 1 :], f"{name}s", name.upper()]
        )
    )
    assume(misspelt and misspelt not in at(good.settings, path[:-1]))
    settings = good.copy()
    parent = at(settings, path[:-1])
    parent[misspelt] = parent.pop(path[-1])
    keys = keys_told(good, settings)
    assert keys.count(told((*path[:-1], misspelt))) == 1
    lost = set(keys) - {told((*path[:-1], misspelt))}
    # A setting that is required is missing under its right name too; one that goes with another makes that one wrong.
    assert all(told(path[:-1]).startswith(key) or key == told(path) for key in lost), keys


REQUIRED: list[Path_] = [
    ("quarantine",),
    ("registry",),
    ("sign",),
    ("services",),
    ("quarantine", "address"),
    ("registry", "address"),
    ("sign", "key"),
    ("sign", "public_key"),
    ("services", "web", "repository"),
    ("services", "web", "version"),
    ("services", "web", "build"),
    ("services", "web", "build", "context"),
    ("services", "web", "run", "name"),
    ("services", "web", "run", "ports", 0, "container"),
    ("services", "web", "run", "ports", 0, "host"),
]


@pytest.mark.parametrize("path", REQUIRED, ids=told)
def test_a_required_setting_that_is_missing_is_told_by_its_key(good: Stack, path: Path_) -> None:
    settings = good.copy()
    at(settings, path[:-1]).pop(path[-1])
    assert keys_told(good, settings) == [told(path)]


@given(st.sampled_from(FIXED))
def test_every_other_setting_can_be_left_out_or_is_told_by_its_key(good: Stack, path: Path_) -> None:
    settings = good.copy()
    at(settings, path[:-1]).pop(path[-1])
    keys = keys_told(good, settings)
    if path in REQUIRED:
        assert keys == [told(path)]
    else:
        assert all(told(path).startswith(key) for key in keys), keys


@given(st.sets(st.sampled_from(FIXED), min_size=2, max_size=5))
def test_several_mistakes_are_told_together(good: Stack, paths: set[Path_]) -> None:
    apart = {path for path in paths if not any(path != it and path[: len(it)] == it for it in paths)}
    settings = good.copy()
    for path in apart:
        at(settings, path[:-1])[path[-1]] = [["x"]]
    keys = keys_told(good, settings)
    for path in apart:
        assert any(key == told(path) or key.startswith(f"{told(path)}.") for key in keys), (path, keys)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)


@given(st.sampled_from(PATHS), JUNK)
def test_whatever_stands_there_it_is_accepted_or_told_and_never_thrown(good: Stack, path: Path_, junk: Any) -> None:
    settings = good.copy()
    at(settings, path[:-1])[path[-1]] = junk
    keys = keys_told(good, settings)
    # A clash or a missing file is told where it shows: at the setting, inside of it, or at what holds it.
    assert all(key.startswith(told(path)) or told(path).startswith(key) for key in keys), keys


@given(st.dictionaries(st.sampled_from([*GOOD, "docker", "series", "nonsense"]), st.text(max_size=12)))
def test_any_text_in_the_configuration_is_told_and_never_thrown(good: Stack, texts: dict[str, str]) -> None:
    given_ = {f"slipway:{key}": text for key, text in texts.items()}
    with pytest.raises(pulumi.RunError, match=r"mistake\(s\) in this stack's configuration"):
        load(given_, good.project)


PRIVATE = [it for it in PATHS if {"password", "secrets", "environment", "arguments"} & set(it) and "file" not in it]


@given(st.sampled_from(PRIVATE), st.from_regex(r"[a-z]{8}-[a-z]{8}", fullmatch=True))
def test_a_value_at_a_place_for_secrets_is_never_repeated(good: Stack, path: Path_, value: str) -> None:
    settings = good.copy()
    before = json.dumps(at(settings, path))
    at(settings, path[:-1])[path[-1]] = value
    assume(before != json.dumps(value))
    try:
        load(configuration(settings), good.project)
    except pulumi.RunError as error:
        assert value not in str(error)
