"""A vendor's release: fetched when its site answers within seconds, checked against its pin, then unpacked."""

import fnmatch
import hashlib
import shutil
import tarfile
import threading
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterable
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from typing import IO, Any
from urllib.parse import urlsplit

from toolchain.pins import Release

ANSWER_WITHIN = 3.0
"""Seconds within which a site must answer, looking up its name and following redirects included."""
STALL_AFTER = 15.0
"""Seconds without a single byte after which a download that has begun counts as broken."""
_CHUNK = 1 << 20


class SourceError(Exception):
    """This source gave nothing usable; the message says why in a few words. The next source is tried."""


class Sites:
    """Fetches from vendors' sites, and remembers those that do not answer, so that they are waited for once.

    Args:
        answer_within: seconds within which a site must answer.
        stall_after: seconds without a byte after which a download is given up.
    """

    def __init__(self, answer_within: float = ANSWER_WITHIN, stall_after: float = STALL_AFTER) -> None:
        self._answer_within = answer_within
        self._stall_after = stall_after
        self._silent: dict[str, str] = {}

    def probe(self, urls: Iterable[str]) -> None:
        """Asks one address of each site, all at once, so that silent ones cost their time together."""
        sites = {urlsplit(url).netloc: url for url in urls}
        threads = [threading.Thread(target=self._try, args=(url,), daemon=True) for url in sites.values()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def silent(self) -> list[str]:
        """Returns, for each site that did not answer, what was seen."""
        return list(self._silent.values())

    def is_silent(self, url: str) -> bool:
        """Tells whether the site of ``url`` was asked and did not answer."""
        return urlsplit(url).netloc in self._silent

    def _try(self, url: str) -> None:
        try:
            self._open(url, method="HEAD").close()
        except SourceError:
            return

    def _open(self, url: str, method: str = "GET") -> Any:
        site = urlsplit(url).netloc
        if site in self._silent:
            raise SourceError(self._silent[site])
        answer: list[Any] = []
        given_up = threading.Event()

        def ask() -> None:
            # A thread, because looking up a name knows no time limit.
            try:
                request = urllib.request.Request(url, method=method, headers={"User-Agent": "slipway-toolchain"})
                response = urllib.request.urlopen(request, timeout=self._answer_within)
            except (OSError, HTTPException, ValueError) as error:
                answer.append(error)
                return
            answer.append(response)
            if given_up.is_set():
                response.close()

        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        thread.join(self._answer_within)
        if not answer:
            given_up.set()
            raise self._silence(site)
        if isinstance(answer[0], Exception):
            raise self._refusal(site, answer[0])
        return answer[0]

    def _refusal(self, site: str, error: Exception) -> SourceError:
        # An HTTP status is the answer to one address; anything else means that the site cannot be reached at all.
        if isinstance(error, urllib.error.HTTPError):
            return SourceError(f"{site} answered {error.code} {error.reason}")
        reason = getattr(error, "reason", error)
        return self._silence(site) if isinstance(reason, TimeoutError) else self._silence(site, f" ({reason})")

    def _silence(self, site: str, reason: str = "") -> SourceError:
        timed_out = f"{site} did not answer within {self._answer_within:g}s"
        self._silent[site] = f"{site} cannot be reached{reason}" if reason else timed_out
        return SourceError(self._silent[site])

    def fetch(self, url: str, sha256: str, to: Path, progress: Callable[[int, int], None] = lambda *_: None) -> None:
        """Writes the file at ``url`` to ``to``; ``progress`` is told the bytes that came and all (0: unknown).

        Raises:
            SourceError: the site does not answer, the download breaks, or the file is not the pinned one; ``to`` is
                then not there.
        """
        with self._open(url) as response:
            whole = int(response.headers.get("Content-Length") or 0)
            try:
                came, digest = self._receive(response, to, whole, progress)
            except (OSError, HTTPException) as error:
                to.unlink(missing_ok=True)
                raise SourceError(f"the download broke off ({error or type(error).__name__})") from error
        if whole and came != whole:
            to.unlink()
            raise SourceError(f"the download broke off after {came} of {whole} bytes")
        if digest != sha256:
            to.unlink()
            raise SourceError(
                f"refused: {urlsplit(url).netloc} served a file with SHA-256 {digest}, its pin says {sha256}"
            )

    def _receive(self, response: Any, to: Path, whole: int, progress: Callable[[int, int], None]) -> tuple[int, str]:
        # From here on the site is known to be there, so that a slow line gets more time than a silent site.
        connection = getattr(getattr(response.fp, "raw", None), "_sock", None)
        if connection is not None:
            connection.settimeout(self._stall_after)
        digest = hashlib.sha256()
        came = 0
        with to.open("wb") as file:
            while chunk := response.read1(_CHUNK):
                file.write(chunk)
                digest.update(chunk)
                came += len(chunk)
                progress(came, whole)
        return came, digest.hexdigest()


def unpack(file: Path, name: str, release: Release, program: str, folder: Path) -> None:
    """Puts the programs of ``release`` into ``folder``.

    Args:
        file: the checked download.
        name: its name at the vendor's, whose ending tells what it is: .tar.gz, .tgz, .zip, or the program itself.
        release: whose ``members`` are taken.
        program: what the file is called in ``folder`` when it is the program itself.
        folder: the bin folder; is made.

    Raises:
        SourceError: the archive cannot be read, or lacks a member.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        if name.endswith((".tar.gz", ".tgz")):
            taken = _unpack_tar(file, release.members, folder)
        elif name.endswith(".zip"):
            taken = _unpack_zip(file, release.members, folder)
        else:
            shutil.copyfile(file, folder / program)
            (folder / program).chmod(0o755)
            return
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError) as error:
        raise SourceError(f"{name} cannot be unpacked ({error})") from error
    for pattern in release.members:
        if not any(fnmatch.fnmatchcase(member, pattern) for member in taken):
            raise SourceError(f"{name} holds no {pattern}")


def _unpack_tar(file: Path, members: Iterable[str], folder: Path) -> list[str]:
    taken = []
    with tarfile.open(file, "r:gz") as archive:
        for member in archive:
            if member.isfile() and _is_wanted(member.name, members):
                content = archive.extractfile(member)
                assert content is not None
                _place(content, folder / PurePosixPath(member.name).name)
                taken.append(member.name.removeprefix("./"))
    return taken


def _unpack_zip(file: Path, members: Iterable[str], folder: Path) -> list[str]:
    with zipfile.ZipFile(file) as archive:
        taken = [name for name in archive.namelist() if not name.endswith("/") and _is_wanted(name, members)]
        for name in taken:
            with archive.open(name) as content:
                _place(content, folder / PurePosixPath(name).name)
    return taken


def _is_wanted(name: str, members: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name.removeprefix("./"), pattern) for pattern in members)


def _place(content: IO[bytes], to: Path) -> None:
    # Only the last part of a member's name is used, so that no archive writes outside of the folder.
    with to.open("wb") as file:
        shutil.copyfileobj(content, file)
    to.chmod(0o755)
