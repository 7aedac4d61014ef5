"""What the engine would refuse once the old container is gone: options of a tmpfs and of a log driver, variables."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from components.run import Run

TMPFS = ["rw", "ro", "noexec", "nosuid", "nodev", "sync", "async", "noatime", "relatime", "strictatime", "rprivate"]
TMPFS += ["defaults", "size=64m", "size=10%", "size=65536", "size=1G", "mode=1777", "mode=0700", "uid=10001", "gid=0"]
TMPFS += ["nr_inodes=10k", "nr_blocks=1024", "mpol=interleave", "mpol=bind=static:0-3", "mpol=prefer:1"]
REASON = {"temporary": "a reason that is long enough"}
VALUE = "hunter2-hunter2"


def mistake(**given_: object) -> str:
    """The one mistake that these settings are told."""
    with pytest.raises(ValidationError) as caught:
        Run.model_validate({"name": "web"} | given_)
    [entry] = caught.value.errors()
    return f"{'.'.join(map(str, entry['loc']))}: {entry['msg'].removeprefix('Value error, ')}"


def accepted(**given_: object) -> Run:
    """These settings, which have to be accepted."""
    return Run.model_validate({"name": "web"} | given_)


@given(st.lists(st.sampled_from(TMPFS), max_size=6))
def test_what_the_engine_takes_for_a_tmpfs_is_accepted(options: list[str]) -> None:
    text = ",".join(["noexec", *options])
    assert accepted(temporary={"/tmp": text}).temporary == {"/tmp": text}


def test_a_tmpfs_without_options_is_accepted() -> None:
    assert accepted(temporary={"/tmp": ""}, reasons=REASON).temporary == {"/tmp": ""}


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("noexce", "'noexce' is no option of a tmpfs: did you mean noexec?"),
        (" nosuid", "' nosuid' is no option of a tmpfs: did you mean nosuid?"),
        ("NODEV", "'NODEV' is no option of a tmpfs: did you mean nodev?"),
        ("siz=64m", "'siz=64m' is no option of a tmpfs: did you mean size=64m?"),
        ("remount", "'remount' is no option of a tmpfs: write such as rw,noexec,nosuid,nodev,size=64m"),
        ("weather", "'weather' is no option of a tmpfs: write such as rw,noexec,nosuid,nodev,size=64m"),
        ("", "'' is no option of a tmpfs: write such as rw,noexec,nosuid,nodev,size=64m"),
        ("noexec=true", "'noexec=true' is no option of a tmpfs: write such as rw,noexec,nosuid,nodev,size=64m"),
        ("size", "size does not take this (): write size= and an amount such as 64m, or a share of the memory"),
        ("size=64mb", "size does not take this (64mb): write size= and an amount such as 64m, or a share of"),
        ("size=-1", "size does not take this (-1): write size= and an amount such as 64m"),
        ("mode=rwx", "mode does not take this (rwx): write mode= and an octal number such as 1777"),
        ("mode=0789", "mode does not take this (0789): write mode= and an octal number such as 1777"),
        ("uid=app", "uid does not take this (app): write uid= and the number of a user"),
        ("gid=", "gid does not take this (): write gid= and the number of a group"),
        ("nr_inodes=many", "nr_inodes does not take this (many): write nr_inodes= and a number such as 10k"),
        ("mpol=nearby", "mpol does not take this (nearby): write mpol= and a policy such as interleave:0-3"),
    ],
)
def test_what_the_engine_refuses_for_a_tmpfs_is_told_beforehand(option: str, told: str) -> None:
    assert mistake(temporary={"/tmp": f"rw,noexec,{option}"}).startswith(f"temporary: /tmp: {told}")


def test_all_that_is_wrong_with_the_tmpfs_mounts_is_told_at_once() -> None:
    line = mistake(temporary={"/tmp": "noexec,siez=1m", "/run": "noexec,mode=x"})
    assert "/tmp: 'siez=1m' is no option of a tmpfs: did you mean size=1m?; /run: mode does not take this (x)" in line


@pytest.mark.parametrize("name", ["LOG_LEVEL", "log.level", "a b", "ÜMLAUT", "1"])
def test_a_variable_has_any_name_without_an_equals_sign(name: str) -> None:
    assert accepted(environment={name: "a=b"}).environment == {name: "a=b"}


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({f"DB={VALUE}": ""}, "'DB' has a = in its name: write what follows as its value"),
        ({f"={VALUE}": "x"}, "'' has a = in its name: write what follows as its value"),
        ({"": VALUE}, "'' is no name of a variable: write one such as LOG_LEVEL"),
        ({"LOG\0LEVEL": VALUE}, r"'LOG\x00LEVEL' is no name of a variable: write one such as LOG_LEVEL"),
        ({"LOG_LEVEL": f"{VALUE}\0"}, "the value of LOG_LEVEL has a NUL character in it: write it without"),
    ],
)
def test_what_is_no_variable_is_told_without_its_value(environment: dict[str, str], told: str) -> None:
    line = mistake(environment=environment)
    assert line == f"environment: {told}"
    assert VALUE not in line


@pytest.mark.parametrize("driver", ["json-file", "local"])
@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("compres", "did you mean compress?"),
        ("labels_regex", "did you mean labels-regex?"),
        ("max-bufer-size", "did you mean max-buffer-size?"),
        ("weather", "write one of compress, labels, labels-regex, env, env-regex, tag, mode, max-buffer-size"),
        ("max-size", "write logs.maximum_size instead"),
        ("max-file", "write logs.maximum_files instead"),
        ("max-files", "write logs.maximum_files instead"),
    ],
)
def test_an_option_that_the_log_files_do_not_have_is_told_beforehand(driver: str, option: str, told: str) -> None:
    line = mistake(logs={"driver": driver, "options": {option: "x"}})
    assert line == f"logs.options: {option!r} is no option of {driver} here: {told}"


@pytest.mark.parametrize("driver", ["json-file", "local"])
def test_the_options_of_the_log_files_are_accepted(driver: str) -> None:
    options = {"compress": "true", "tag": "web", "labels": "a,b", "mode": "non-blocking", "max-buffer-size": "4m"}
    logs = {"driver": driver, "options": options, "maximum_size": "1m", "maximum_files": 2}
    assert accepted(logs=logs).logs.log_options() == {**options, "max-size": "1m", "max-file": "2"}


@pytest.mark.parametrize(("setting", "value"), [("maximum_size", "10m"), ("maximum_files", 3)])
def test_a_bound_of_files_is_refused_where_the_driver_keeps_none(setting: str, value: object) -> None:
    told = f"logs.{setting}: journald keeps no files that this could bound ({value}): remove it"
    assert mistake(logs={"driver": "journald", setting: value}) == told


def test_another_log_driver_knows_its_own_options() -> None:
    assert accepted(logs={"driver": "gelf", "options": {"gelf-compression-type": "gzip"}}).logs.kept == 0
