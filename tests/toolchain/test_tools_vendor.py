"""A vendor's release: only the pinned bytes are taken, and a site that fails costs seconds."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.toolchain.fakes import serving, silent_site, tar_gz, zipped
from toolchain.pins import Release
from toolchain.vendor import Sites, SourceError, unpack

TOOL = b"#!/bin/sh\necho frob 1.2.3\n" * 400
WITHIN = 0.5


def fetched(release: Release, to: Path) -> bytes:
    Sites(WITHIN, WITHIN).fetch(release.url, release.sha256, to)
    return to.read_bytes()


def refusal(release: Release, to: Path) -> str:
    with pytest.raises(SourceError) as error:
        fetched(release, to)
    assert not to.exists()
    return str(error.value)


def test_a_file_with_the_pinned_checksum_is_taken(tmp_path: Path) -> None:
    with serving(frob=TOOL) as site:
        assert fetched(site.release("frob", TOOL), tmp_path / "frob") == TOOL


def test_a_file_with_another_checksum_is_refused_and_not_kept(tmp_path: Path) -> None:
    with serving(frob=b"something else") as site:
        told = refusal(site.release("frob", TOOL), tmp_path / "frob")
    assert told.startswith("refused: 127.0.0.1")
    assert "its pin says" in told


def test_a_site_that_never_answers_is_given_up_within_seconds(tmp_path: Path) -> None:
    with silent_site() as site:
        started = time.monotonic()
        told = refusal(site.release("frob", TOOL), tmp_path / "frob")
    assert "did not answer within 0.5s" in told
    assert time.monotonic() - started < 2


def test_a_site_that_did_not_answer_is_not_waited_for_twice(tmp_path: Path) -> None:
    sites = Sites(WITHIN)
    with silent_site() as site:
        sites.probe([f"{site.address}/a", f"{site.address}/b"])
    # The site is gone by now: asked again, it could not even be reached.
    with pytest.raises(SourceError, match="did not answer"):
        sites.fetch(f"{site.address}/frob", "0" * 64, tmp_path / "frob")
    assert sites.is_silent(f"{site.address}/other")


def test_silent_sites_are_waited_for_side_by_side() -> None:
    with silent_site() as one, silent_site() as two, silent_site() as three:
        started = time.monotonic()
        Sites(WITHIN).probe([one.address, two.address, three.address])
    assert time.monotonic() - started < 2 * WITHIN


def test_a_site_that_cannot_be_reached_at_all_is_told_so(tmp_path: Path) -> None:
    with silent_site() as site:
        release = site.release("frob", TOOL)
    assert "cannot be reached" in refusal(release, tmp_path / "frob")


def test_a_download_that_breaks_off_in_the_middle_is_not_kept(tmp_path: Path) -> None:
    with serving(frob=TOOL) as site:
        told = refusal(site.release("half/frob", TOOL), tmp_path / "frob")
    assert "broke off" in told


def test_a_download_that_stalls_in_the_middle_is_given_up(tmp_path: Path) -> None:
    with serving(frob=TOOL) as site:
        started = time.monotonic()
        told = refusal(site.release("stall/frob", TOOL), tmp_path / "frob")
        assert time.monotonic() - started < 2
    assert "broke off" in told


def test_a_release_that_is_gone_says_what_the_site_answered_and_does_not_silence_it(tmp_path: Path) -> None:
    sites = Sites(WITHIN)
    with serving(frob=TOOL) as site:
        release = site.release("frob", TOOL)
        with pytest.raises(SourceError, match="answered 404"):
            sites.fetch(f"{site.address}/gone", release.sha256, tmp_path / "gone")
        sites.fetch(release.url, release.sha256, tmp_path / "frob")


def test_progress_of_a_download_tells_how_much_came_of_how_much(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    with serving(frob=TOOL) as site:
        release = site.release("frob", TOOL)
        Sites(WITHIN).fetch(release.url, release.sha256, tmp_path / "frob", lambda *sizes: told.append(sizes))
    assert told[-1] == (len(TOOL), len(TOOL))


@pytest.mark.parametrize(("name", "pack"), [("frob.tar.gz", tar_gz), ("frob.tgz", tar_gz), ("frob.zip", zipped)])
def test_only_the_named_members_of_an_archive_are_taken(tmp_path: Path, name: str, pack: object) -> None:
    assert callable(pack)
    file = tmp_path / "download"
    file.write_bytes(pack(frob__frob=TOOL, frob__frob2=b"2", README=b"read me"))
    unpack(file, name, Release("", "", ("frob/*",)), "frob", tmp_path / "bin")
    assert sorted(path.name for path in (tmp_path / "bin").iterdir()) == ["frob", "frob2"]
    assert (tmp_path / "bin" / "frob").stat().st_mode & 0o111


def test_a_file_that_is_no_archive_is_the_program_itself(tmp_path: Path) -> None:
    file = tmp_path / "download"
    file.write_bytes(TOOL)
    unpack(file, "frob-linux-amd64", Release("", ""), "frob", tmp_path / "bin")
    assert (tmp_path / "bin" / "frob").read_bytes() == TOOL


def test_no_member_of_an_archive_is_written_outside_of_the_folder(tmp_path: Path) -> None:
    file = tmp_path / "download"
    file.write_bytes(tar_gz(**{"..__..__frob": TOOL}))
    unpack(file, "frob.tar.gz", Release("", "", ("*frob",)), "frob", tmp_path / "deep" / "bin")
    assert [path.relative_to(tmp_path) for path in tmp_path.rglob("frob")] == [Path("deep/bin/frob")]


def test_an_archive_without_a_named_member_is_told(tmp_path: Path) -> None:
    file = tmp_path / "download"
    file.write_bytes(tar_gz(README=b"read me"))
    with pytest.raises(SourceError, match=r"frob\.tar\.gz holds no frob"):
        unpack(file, "frob.tar.gz", Release("", "", ("frob",)), "frob", tmp_path / "bin")


def test_an_archive_that_is_none_is_told(tmp_path: Path) -> None:
    file = tmp_path / "download"
    file.write_bytes(b"<html>sign in</html>")
    with pytest.raises(SourceError, match=r"frob\.tar\.gz cannot be unpacked"):
        unpack(file, "frob.tar.gz", Release("", "", ("frob",)), "frob", tmp_path / "bin")
