"""The pins: what is checked in, how mistakes are told, and the versions that a range takes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolchain.errors import ToolchainError
from toolchain.pins import MODULES, PINS, Pins, load, module_digest
from toolchain.versions import ANY, Range, Version

numbers = st.lists(st.integers(0, 99), min_size=1, max_size=4).map(tuple)
releases = numbers.map(lambda parts: Version.parse(".".join(map(str, parts))))
pre_releases = st.lists(
    st.one_of(st.integers(0, 99).map(str), st.from_regex(r"[a-z][a-z0-9]{0,4}", fullmatch=True)), min_size=1, max_size=3
)
versions = st.builds(lambda version, pre: Version(version.numbers, tuple(pre)), releases, st.just([]) | pre_releases)
operators = st.sampled_from([">=", "<=", "==", ">", "<"])
ranges = st.lists(st.tuples(operators, versions), min_size=1, max_size=3).map(lambda bounds: Range(tuple(bounds)))

A_TOOL = """\
schema = 1
[tools.frob]
version = "1.2.3"
accepts = ">=1.2,<2"
[[tools.frob.go]]
module = "frob"
package = "example.org/frob"
binary = "frob"
[tools.frob.vendor.linux-amd64]
url = "https://vendor.example/frob.tar.gz"
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
members = ["frob"]
"""


@pytest.fixture(name="pins", scope="module")
def checked_in() -> Pins:
    return load()


def read(folder: Path, text: str) -> Pins:
    path = folder / "pins.toml"
    path.write_text(text)
    return load(path)


def test_the_checked_in_pins_name_everything_that_slipway_runs_on(pins: Pins) -> None:
    wanted = {"uv", "go", "oras", "crane", "cosign", "buildkit", "pulumi", "trivy", "trivy-db", "actionlint"}
    system = {name for name, pin in pins.tools.items() if pin.is_system}
    assert system >= {"docker-engine", "runc", "docker-registry", "htpasswd", "mmdebstrap", "git", "openssl", "mount"}
    assert wanted | system == set(pins.tools)
    assert {name: pin.version for name, pin in pins.plugins.items()} == {
        "docker": "5.2.0",
        "docker-build": "0.0.22",
        "command": "1.2.1",
    }


def test_every_go_module_that_a_pin_builds_is_checked_in_with_its_checksums(pins: Pins) -> None:
    modules = {build.module for pin in pins.all() for build in pin.go}
    assert modules
    assert [name for name in modules if not (MODULES / name / "go.mod").is_file()] == []
    assert [name for name in modules if not (MODULES / name / "go.sum").is_file()] == []


def test_every_tool_of_the_cache_can_be_had_on_both_platforms_from_some_source(pins: Pins) -> None:
    for pin in pins.all():
        for target in ("linux-amd64", "linux-arm64"):
            wheel = pin.wheel is not None and target in pin.wheel.sha256
            assert pin.is_system or pin.release(target) or wheel or pin.go, f"{pin.title} on {target}"


def test_a_pinned_version_lies_in_the_range_that_its_own_pin_accepts(pins: Pins) -> None:
    assert [pin.title for pin in pins.all() if Version.parse(pin.version) not in pin.accepts] == []


def test_the_python_packages_and_the_plugins_are_of_the_same_versions(pins: Pins) -> None:
    locked = (PINS.parent.parent / "requirements.lock").read_text()
    for name, pin in pins.plugins.items():
        assert f"pulumi-{name}=={pin.version} " in locked
    assert f"pulumi=={pins.tools['pulumi'].version} " in locked


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("accepts", "acepts", "pins.toml: tools.frob.acepts: unknown key"),
        ("schema = 1", "schema = 2", "pins.toml: schema: only 1 is known here"),
        ('version = "1.2.3"', 'version = "latest"', "pins.toml: tools.frob.version: not a version: 'latest'"),
        ('version = "1.2.3"', "", "pins.toml: tools.frob.version: missing"),
        ('version = "1.2.3"', "version = 1.2", "pins.toml: tools.frob.version: of the wrong type (1.2)"),
        (">=1.2,<2", "~1.2", "pins.toml: tools.frob.accepts: not a bound: '~1.2'"),
        ("https://", "http://", "vendor.linux-amd64.url: not an https address (http://vendor.example/frob.tar.gz)"),
        ("0000000000", "", "vendor.linux-amd64.sha256: not 64 hex digits in lower case"),
        ('sha256 = "', '# "', "pins.toml: tools.frob.vendor.linux-amd64.sha256: missing"),
        ("schema = 1", "schema = ", "pins.toml: cannot be read"),
        ('members = ["frob"]', "members = [1]", "vendor.linux-amd64.members: not a list of texts ([1])"),
        ("[tools.frob]", "[tools.none]\nversion = '1'\n[tools.frob]", "tools.none.commands: missing"),
    ],
)
def test_a_mistake_in_the_pins_is_told_with_its_key(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert old in A_TOOL
    with pytest.raises(ToolchainError) as error:
        read(tmp_path, A_TOOL.replace(old, new))
    assert told in str(error.value)


def test_a_tool_without_any_source_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ToolchainError, match=r"tools\.frob: has no source"):
        read(tmp_path, 'schema = 1\n[tools.frob]\nversion = "1"\ncommands = ["frob"]\n')


def test_the_key_of_a_pin_changes_with_what_decides_its_files_and_with_nothing_else(tmp_path: Path) -> None:
    module = tmp_path / "go" / "frob"
    module.mkdir(parents=True)
    (module / "go.sum").write_text("one")

    def key(text: str = A_TOOL, target: str = "linux-amd64") -> str:
        return read(tmp_path, text).tools["frob"].key(target, tmp_path / "go")

    first = key()
    assert key(A_TOOL.replace(">=1.2,<2", ">=1.0,<3")) == first
    assert key(A_TOOL + "# a comment\n") == first
    assert key(target="linux-arm64") != first
    assert key(A_TOOL.replace("1.2.3", "1.2.4")) != first
    assert key(A_TOOL.replace("000", "111")) != first
    (module / "go.sum").write_text("two")
    assert key() != first


def test_the_digest_of_a_module_tells_a_renamed_file(tmp_path: Path) -> None:
    (tmp_path / "a.go").write_text("package a")
    first = module_digest(tmp_path)
    (tmp_path / "a.go").rename(tmp_path / "b.go")
    assert module_digest(tmp_path) != first


def test_a_modules_own_tests_do_not_change_what_is_built_from_it(tmp_path: Path) -> None:
    (tmp_path / "a.go").write_text("package a")
    first = module_digest(tmp_path)
    (tmp_path / "a_test.go").write_text("package a")
    assert module_digest(tmp_path) == first


@pytest.mark.parametrize(
    ("output", "version"),
    [
        ("v3.257.0\n", "3.257.0"),
        ("go version go1.26.8 linux/amd64", "1.26.8"),
        ("Docker version 20.10.24+dfsg1, build 5d6db84", "20.10.24"),
        ("docker-registry github.com/docker/distribution 2.8.2+ds1", "2.8.2"),
        ("buildkitd github.com/moby/buildkit v0.34.2 ", "0.34.2"),
        ("GitVersion:    v3.1.3\nGitCommit: unknown\n", "3.1.3"),
        ("runc version 1.1.5+ds1\ncommit: 1.1.5+ds1-1+deb12u1\n", "1.1.5"),
        ("Version: 0.70.0-rc.1", "0.70.0-rc.1"),
        ("uv 0.13.9 (x86_64-unknown-linux-gnu)", "0.13.9"),
    ],
)
def test_a_version_is_read_from_what_real_tools_print(output: str, version: str) -> None:
    assert Version.told(output) == Version.parse(version)


@pytest.mark.parametrize("output", ["", "devel", "built from source, build 7"])
def test_no_version_is_read_where_a_tool_tells_none(output: str) -> None:
    assert Version.told(output) is None


def test_pre_releases_come_before_their_release_in_the_order_of_semver() -> None:
    told = ["1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0"]
    assert sorted(map(Version.parse, reversed(told))) == [Version.parse(text) for text in told]


@given(versions)
def test_a_version_is_read_back_as_it_is_written(version: Version) -> None:
    assert Version.parse(str(version)) == version
    assert Version.parse(f"v{version}") == version
    assert Version.parse(f"{version}+build.7") == version


@given(versions, versions)
def test_of_two_versions_exactly_one_of_less_equal_greater_holds(one: Version, other: Version) -> None:
    assert [one < other, one == other, one > other].count(True) == 1
    assert one != other or hash(one) == hash(other)


@given(ranges)
def test_a_range_is_read_back_as_it_is_written_whatever_the_spaces(bounds: Range) -> None:
    assert Range.parse(str(bounds)) == bounds
    spaced = " , ".join(f"{op}  {version}" for op, version in bounds.bounds)
    assert Range.parse(f" {spaced} ") == bounds


@given(releases, releases, releases)
def test_a_release_lies_between_two_bounds_as_its_numbers_do(version: Version, low: Version, high: Version) -> None:
    bounds = Range.parse(f">={low},<{high}")
    padded = [item.numbers + (0,) * (4 - len(item.numbers)) for item in (low, version, high)]
    assert (version in bounds) == (padded[0] <= padded[1] < padded[2])


@given(versions, ranges)
def test_a_pre_release_lies_only_in_a_range_that_names_one_of_its_own_numbers(version: Version, bounds: Range) -> None:
    named = any(bound.pre and bound.numbers == version.numbers for _, bound in bounds.bounds)
    assert not (version.pre and version in bounds) or named


@given(versions)
def test_the_range_without_bounds_takes_every_version(version: Version) -> None:
    assert version in ANY


@given(st.text(max_size=20))
def test_whatever_is_written_as_a_range_is_read_or_refused_as_a_wrong_value(text: str) -> None:
    try:
        Range.parse(text)
    except ValueError as error:
        assert str(error)
