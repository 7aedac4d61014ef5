"""The last stand-in that was built, kept for a day in the user's cache: another checkout pushes it, and builds nothing.

It is an OCI layout, so it has the digest that it was built with, whatever registry it is pushed to.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from toolchain.programs import run_tool
from toolchain.store import locked_cache, make_folder, remove_tree

FRESH_SECONDS = 24 * 3600
"""Debian mends its packages: a new checkout gets those of today."""
LONGEST_SECONDS = 300.0
"""What one copy may take; other checkouts wait for it."""
_RECIPE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Kept:
    """Where a stand-in is kept.

    Attributes:
        cache: the user's cache.
        environment: the prepared environment, with crane on its PATH.
        report: takes a line where what is kept cannot be used, or nothing can be kept.
    """

    cache: Path
    environment: Mapping[str, str]
    report: Callable[[str], None]

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lets one checkout at a time build or push it."""
        waiting = "waiting for another checkout, which builds the stand-in"
        with locked_cache(self.cache, "base-image", lambda: self.report(waiting)):
            make_folder(self.folder)
            yield

    @property
    def folder(self) -> Path:
        """Holds what is kept, and what is being put in its place."""
        return self.cache / "base-image"

    def push(self, repository: str, tag: str) -> str | None:
        """Pushes what is kept; returns ``repository@sha256:...``, None where there is nothing of today."""
        if not self._is_fresh():
            return None
        problem = self._copy("push", str(self._layout), f"{repository}:{tag}")
        if problem:
            self.report(f"the one in {self._layout} cannot be used ({problem})")
            return None
        return f"{repository}@{self._digest()}"

    def keep(self, reference: str) -> None:
        """Keeps what was just built and pushed in the place of what was kept before."""
        partial = self.folder / "partial"
        try:
            remove_tree(partial)
            problem = self._copy("pull", "--format", "oci", reference, str(partial))
            if not problem:
                for old in self.folder.glob("layout-*"):
                    remove_tree(old)
                partial.rename(self._layout)
                return
            remove_tree(partial)
        except OSError as error:
            problem = str(error)
        self.report(f"not kept for other checkouts ({problem})")

    @property
    def _layout(self) -> Path:
        """Another recipe makes another image."""
        recipe = hashlib.sha256()
        for file in sorted(it for it in _RECIPE.glob("[!_.]*") if it.is_file()):
            recipe.update(file.name.encode() + b"\0" + file.read_bytes())
        return self.folder / f"layout-{recipe.hexdigest()[:12]}"

    def _is_fresh(self) -> bool:
        try:
            made = (self._layout / "index.json").stat().st_mtime
        except OSError:
            return False
        return 0 <= time.time() - made < FRESH_SECONDS

    def _digest(self) -> str:
        (image,) = json.loads((self._layout / "index.json").read_text(encoding="utf-8"))["manifests"]
        return str(image["digest"])

    def _copy(self, *words: str) -> str | None:
        """Lets crane copy; returns what is wrong, None where it did what it was told."""
        return run_tool(["crane", *words], self.folder, self.environment, LONGEST_SECONDS)
