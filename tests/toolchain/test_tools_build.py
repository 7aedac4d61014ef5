"""Builds from pinned Go modules: whole or not at all, once, with progress, and with a diagnosis when one fails."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.toolchain.fakes import BASE, GO, Machine, new_machine, script, serving, silent_site, tar_gz, tool, zipped
from toolchain import gobuild, store, wheels
from toolchain.acquire import Acquirer
from toolchain.errors import ToolchainError
from toolchain.gobuild import Go
from toolchain.pins import GoBuild, Pin, Pins, Wheel
from toolchain.progress import Progress
from toolchain.store import remove_tree
from toolchain.survey import Found
from toolchain.vendor import Sites
from toolchain.versions import Range

TOOL = b"#!/bin/sh\necho frob 1.2.3\n"


@pytest.fixture(name="machine")
def a_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr("toolchain.install.missing_platforms", lambda _: [])
    machine = new_machine(tmp_path)
    for name, value in machine.environ.items():
        monkeypatch.setenv(name, value)
    return machine


def parts_left(machine: Machine) -> list[Path]:
    return list((machine.store.root / "tools").glob(".part-*"))


def test_a_tool_that_is_nowhere_is_built_and_put_in_a_folder_keyed_by_its_pin(machine: Machine) -> None:
    pin = tool()
    program = machine.installation(pin).one(pin, consent=False)
    assert (
        program == machine.store.root / "tools" / f"frob-1.2.3-{pin.key('linux-amd64', machine.store.modules)}/bin/frob"
    )
    assert subprocess.run([program], capture_output=True, text=True, check=True).stdout == "frob 1.2.3\n"
    assert "frob 1.2.3: built from pinned Go modules in " in machine.output.getvalue()
    assert parts_left(machine) == []


def test_what_was_built_is_not_built_again(machine: Machine) -> None:
    pin = tool()
    for _ in range(2):
        machine.installation(pin).one(pin, consent=False)
    assert machine.builds() == 1


def test_a_changed_go_sum_builds_anew_beside_the_old_one(machine: Machine) -> None:
    pin = tool()
    first = machine.installation(pin).one(pin, consent=False)
    (machine.store.modules / "frob" / "go.sum").write_text("another module\n")
    second = machine.installation(pin).one(pin, consent=False)
    assert (machine.builds(), first == second, first.exists()) == (2, False, True)


def test_a_failed_build_tells_the_tool_the_last_lines_the_log_and_what_to_do(machine: Machine) -> None:
    pin = tool()
    (machine.root / "go" / "broken").touch()
    with pytest.raises(ToolchainError) as error:
        machine.installation(pin).one(pin, consent=False)
    told = str(error.value)
    assert "frob 1.2.3: the build from pinned Go modules failed (exit code 1)" in told
    assert "    main.go:7:3: undefined: frobnicate" in told
    assert f"The whole log: {machine.store.log(pin)}" in told
    assert "What to do: " in told
    assert "frob 1.2.3: building from pinned Go modules failed after" in machine.output.getvalue()
    assert not machine.store.folder(pin).exists()
    assert parts_left(machine) == []


def test_the_run_after_a_failed_build_goes_on_where_it_stopped(machine: Machine) -> None:
    one, two = tool("one"), tool("two")
    machine.installation(one, two).one(one, consent=False)
    (machine.root / "go" / "broken").touch()
    with pytest.raises(ToolchainError):
        machine.installation(one, two).one(two, consent=False)
    (machine.root / "go" / "broken").unlink()
    for pin in (one, two):
        machine.installation(one, two).one(pin, consent=False)
    assert machine.builds() == 3


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("go: proxy.example: dial tcp: lookup proxy.example: no such host", "set GOPROXY to your company's own"),
        ("write out.a: no space left on device", "make room on that disk"),
        ("verifying example.org/frob@v1.0.0: checksum mismatch", "do not work around it"),
        ("main.go:1:1: syntax error", "read the log"),
    ],
)
def test_the_advice_after_a_failed_build_fits_what_went_wrong(tmp_path: Path, line: str, advice: str) -> None:
    log = tmp_path / "log"
    log.write_text(f"{line}\n")
    assert advice in gobuild._advice(log)


def test_a_killed_build_leaves_nothing_that_the_next_run_would_take_for_a_tool(machine: Machine) -> None:
    pin = tool()
    left = machine.store.folder(pin).parent / ".part-frob-1.2.3-killed"
    (left / "bin").mkdir(parents=True)
    (left / "bin" / "frob").write_text("half a program")
    left.chmod(0o500)
    program = machine.installation(pin).one(pin, consent=False)
    assert program.read_bytes().startswith(b"#!/bin/sh")
    assert parts_left(machine) == []


def test_two_checkouts_that_ask_at_once_build_a_tool_once(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    pin = tool()
    monkeypatch.setenv("FAKE_GO_SECONDS", "1")
    runs = [machine.installation(pin) for _ in range(2)]
    threads = [threading.Thread(target=run.one, args=(pin,), kwargs={"consent": False}) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert machine.builds() == 1
    assert machine.store.has(pin)


def test_a_go_that_another_run_has_fetched_meanwhile_is_left_in_its_place(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, pin = BASE[1], tool()
    machine.installation(pin)  # writes the modules
    report = Progress(machine.output, heartbeat=0.05)
    acquirer = Acquirer(machine.store, Pins({"go": go, "frob": pin}, {}), {}, report)
    monkeypatch.setattr("toolchain.acquire.fetch_go", lambda *_: pytest.fail("it was fetched a second time"))
    with ThreadPoolExecutor() as pool:
        with machine.store.locked(go.label):
            run = pool.submit(acquirer.acquire, pin)
            while "to build it" not in machine.output.getvalue() and not run.done():
                time.sleep(0.01)
            script(machine.store.bin(go), "go", GO)
        run.result()
    assert machine.store.has(pin)


def test_the_lock_of_a_run_that_was_killed_is_free(tmp_path: Path) -> None:
    lock = tmp_path / "a.lock"
    holder = "import fcntl, os, sys; f = open(sys.argv[1], 'a'); fcntl.flock(f, 2); os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", holder, str(lock)], check=False, capture_output=True)
    with store.locked_file(lock, lambda: pytest.fail("nobody holds it")):
        assert lock.exists()


def test_a_build_that_the_disk_has_no_room_for_is_refused_before_it_starts(machine: Machine) -> None:
    pin = tool(needs_gb=10**6)
    (machine.store.modules / "frob").mkdir(parents=True)
    (machine.store.modules / "frob" / "go.mod").write_text("require example.org/absent v1.0.0\n")
    with pytest.raises(ToolchainError) as error:
        machine.installation().one(pin, consent=False)
    assert "frob 1.2.3: the build needs about 1000001.0 GB in " in str(error.value)
    assert "make room there" in str(error.value)
    assert machine.builds() == 0


def test_modules_that_are_there_already_need_no_room(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "go.mod").write_text(
        "module m\nrequire (\n\texample.org/Frob v1.0.0\n\texample.org/b v2.0.0 // indirect\n)\n"
    )
    cache = tmp_path / "go" / "mod"
    assert gobuild._share_missing(cache, {tmp_path / "m"}) == 1
    there = cache / "cache" / "download" / "example.org" / "!frob" / "@v" / "v1.0.0.zip"
    there.parent.mkdir(parents=True)
    there.touch()
    assert gobuild._share_missing(cache, {tmp_path / "m"}) == 0.5


def test_a_build_knows_only_pinned_modules_and_its_own_environment(machine: Machine, tmp_path: Path) -> None:
    build = GoBuild("frob", ".", "frob", env={"GOEXPERIMENT": "jsonv2"})
    given = {"PATH": "/bin", "GOROOT": "/old", "GOFLAGS": "-mod=mod", "GOPROXY": "https://go.example"}
    environment = Go(tmp_path / "go" / "bin" / "go", tmp_path / "caches").environment(build, given)
    assert environment["GOFLAGS"] == "-mod=readonly -buildvcs=false -modcacherw"
    assert (environment["GOTOOLCHAIN"], environment["GOWORK"], environment["GOEXPERIMENT"]) == (
        "local",
        "off",
        "jsonv2",
    )
    assert environment["GOPROXY"] == "https://go.example"
    assert environment["GOCACHE"] == str(tmp_path / "caches" / "build")
    assert environment["PATH"].split(os.pathsep)[0] == str(tmp_path / "go" / "bin")
    assert "GOROOT" not in environment


def test_the_vendors_release_is_taken_before_anything_is_built(machine: Machine) -> None:
    archive = tar_gz(frob=TOOL)
    with serving(frob=archive) as site:
        pin = tool(vendor={"linux-amd64": site.release("frob.tar.gz", archive, "frob")})
        machine.installation(pin).one(pin, consent=False)
    assert machine.builds() == 0
    assert "installed the vendor's release from 127.0.0.1" in machine.output.getvalue()


def test_a_release_with_a_wrong_checksum_is_refused_and_the_tool_is_built_instead(machine: Machine) -> None:
    with serving(frob=tar_gz(frob=b"#!/bin/sh\necho evil 1.2.3\n")) as site:
        pin = tool(vendor={"linux-amd64": site.release("frob.tar.gz", tar_gz(frob=TOOL), "frob")})
        program = machine.installation(pin).one(pin, consent=False)
    assert machine.builds() == 1
    assert "evil" not in program.read_text()
    assert "frob 1.2.3: the vendor's release: refused: " in machine.output.getvalue()


def test_a_site_that_hangs_or_breaks_off_leads_to_a_build_within_seconds(machine: Machine) -> None:
    archive = tar_gz(frob=TOOL)
    with silent_site() as silent, serving(frob=archive) as site:
        one = tool("one", vendor={"linux-amd64": silent.release("frob.tar.gz", archive, "frob")})
        two = tool("two", vendor={"linux-amd64": site.release("half/frob.tar.gz", archive, "frob")})
        for pin in (one, two):
            machine.installation(one, two).one(pin, consent=False)
    assert machine.builds() == 2


def test_a_release_that_does_not_run_here_is_not_installed(machine: Machine) -> None:
    archive = tar_gz(frob=b"\x7fELF of another machine")
    with serving(frob=archive) as site:
        pin = tool(vendor={"linux-amd64": site.release("frob.tar.gz", archive, "frob")})
        machine.installation(pin).one(pin, consent=False)
    assert machine.builds() == 1
    assert "does not run on this machine" in machine.output.getvalue()


def test_a_tool_that_asks_a_go_as_it_starts_is_checked_with_the_one_that_built_it(machine: Machine) -> None:
    pin = tool()
    machine.installation(pin)  # writes its module
    (machine.root / "go" / "wanted").touch()
    go = Found(script(machine.root / "elsewhere", "go", GO), "1.26.8", True)
    few = machine.root / "few"
    few.mkdir()
    for command in ("basename", "chmod", "sleep"):
        (few / command).symlink_to(shutil.which(command) or "")
    environ = {"PATH": str(few), "FAKE_GO": str(machine.root / "go")}
    pins, sites = Pins({"go": BASE[1], "frob": pin}, {}), Sites(0.5, 0.5)
    Acquirer(machine.store, pins, {"go": go}, Progress(machine.output), sites, environ).acquire(pin)
    assert machine.store.has(pin)


def test_a_tool_that_no_source_gives_names_what_each_of_them_said(machine: Machine) -> None:
    with silent_site() as site:
        pin = tool(go=(), vendor={"linux-amd64": site.release("frob.tar.gz", TOOL, "frob")})
    with pytest.raises(ToolchainError) as error:
        machine.installation(pin).one(pin, consent=False)
    assert "frob 1.2.3: no source gave it:\n  the vendor's release: 127.0.0.1:" in str(error.value)
    assert "put frob (>=1.2.0,<2.0.0) on PATH yourself" in str(error.value)


def pip(machine: Machine, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    python = script(machine.root, "python", body)
    monkeypatch.setattr(wheels, "machine_python", lambda: python)


def wheel(**changes: object) -> Pin:
    given: dict[str, object] = {"sha256": {"linux-amd64": "0" * 64}, "members": ("frob-*/scripts/*",), **changes}
    return tool(go=(), wheel=Wheel("frob-wheel", "1.2.0", **given))  # type: ignore[arg-type]


def test_a_wheel_is_fetched_by_pip_with_its_pinned_hash_and_without_what_it_depends_on(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    (machine.root / "frob.whl").write_bytes(zipped(**{"frob-1.2.0.data__scripts__frob": TOOL, "frob__x.py": b""}))
    asked = machine.root / "pip.asked"
    body = 'echo "$*" > ASKED\nwhile [ $# -gt 2 ]; do [ "$1" = --requirement ] && cat "$2" >> ASKED; shift; done\n'
    pip(machine, monkeypatch, body.replace("ASKED", str(asked)) + f'cp {machine.root}/frob.whl "$2"\n')
    pin = wheel()
    program = machine.installation(pin).one(pin, consent=False)
    assert program.read_bytes() == TOOL
    assert sorted(path.name for path in machine.store.folder(pin).rglob("*")) == ["bin", "frob", "source"]
    assert "--no-deps --only-binary :all: --require-hashes" in asked.read_text()
    assert f"frob-wheel==1.2.0 --hash=sha256:{'0' * 64}" in asked.read_text()


def test_a_tree_in_a_wheel_is_taken_whole_with_what_is_executable_in_it(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(machine.root / "frob.whl", "w") as archive:
        for name, mode in {
            "go/bin/frob": 0o755,
            "go/src/frob.go": 0o644,
            "other/x": 0o644,
            "go/../../up": 0o644,
        }.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode << 16
            archive.writestr(entry, TOOL)
    pip(machine, monkeypatch, f'while [ $# -gt 1 ]; do shift; done\ncp {machine.root}/frob.whl "$1"\n')
    pin = wheel(members=(), tree="go/")
    machine.installation(pin).one(pin, consent=False)
    files = {path.relative_to(machine.store.folder(pin)): path for path in machine.store.folder(pin).rglob("*.go")}
    assert list(files) == [Path("src/frob.go")]
    assert not os.access(files[Path("src/frob.go")], os.X_OK)
    assert not list(machine.root.rglob("up"))


def test_a_wheel_that_pip_cannot_fetch_tells_pips_own_words(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    pip(machine, monkeypatch, "echo ERROR: THESE PACKAGES DO NOT MATCH THE HASHES >&2\nexit 1\n")
    pin = wheel()
    with pytest.raises(ToolchainError, match=r"its wheel: pip could not fetch it \(ERROR: THESE PACKAGES DO NOT MATCH"):
        machine.installation(pin).one(pin, consent=False)


def test_a_platform_without_a_pinned_wheel_is_told(machine: Machine) -> None:
    pin = wheel(sha256={})
    with pytest.raises(ToolchainError, match="its wheel: no wheel is pinned for linux-amd64"):
        machine.installation(pin).one(pin, consent=False)


def test_write_protected_folders_are_removed_too(tmp_path: Path) -> None:
    deep = tmp_path / "cache" / "deep"
    deep.mkdir(parents=True)
    (deep / "file").touch()
    deep.chmod(0o500)
    remove_tree(tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


GO_MODULE = """\
case "$1 $2" in
"mod download") echo '{"Sum": "h1:SUM", "Dir": "unused"}' ;;
"env GOROOT") mkdir -p "$GOMODCACHE/root/bin"; cp "$0" "$GOMODCACHE/root/bin/go"; echo "$GOMODCACHE/root" ;;
*) echo go version go1.26.8 ;;
esac
"""


@pytest.mark.parametrize(("pinned", "taken"), [("h1:SUM", True), ("h1:OTHER", False)])
def test_go_is_the_module_with_the_pinned_checksum_or_nothing(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, pinned: str, taken: bool
) -> None:
    with zipfile.ZipFile(machine.root / "go.whl", "w") as archive:
        entry = zipfile.ZipInfo("go/bin/go")
        entry.external_attr = 0o755 << 16
        archive.writestr(entry, f"#!/bin/sh\n{GO_MODULE}")
    pip(machine, monkeypatch, f'while [ $# -gt 1 ]; do shift; done\ncp {machine.root}/go.whl "$1"\n')
    source = Wheel("go-wheel", "1.26.6", {"linux-amd64": "0" * 64}, tree="go/")
    pin = Pin(
        "goo", "1.26.8", Range.parse("==9"), ("go",), ask=("version",), wheel=source, toolchain={"linux-amd64": pinned}
    )
    if taken:
        assert machine.installation(pin).one(pin, consent=False).is_file()
        assert sorted(path.name for path in machine.store.folder(pin).iterdir()) == ["bin", "source"]
    else:
        with pytest.raises(
            ToolchainError, match=r"goo 1\.26\.8: refused: golang\.org/toolchain@.* its pin says h1:OTHER"
        ):
            machine.installation(pin).one(pin, consent=False)
        assert not machine.store.has(pin)
