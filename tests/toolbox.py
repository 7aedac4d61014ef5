"""A small program (standin.py) in the places of cosign, oras and trivy, and a folder in the place of the registry.

What one of them writes about a manifest the others find there, so that a test sees what is left in the end.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests import standin
from tests.conftest import ToolMaker

PASSWORD = standin.PASSWORD


class Toolbox(standin.Records):
    """The folder, as a test sees it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder))
        self.folder = folder
        self.calls = folder / "calls"
        self.entries = folder / "entries"

    def install(self, tool: ToolMaker, index: Mapping[str, Any]) -> None:
        """Put the program on PATH under the names of the tools, with this index in the registry."""
        self.folder.mkdir()
        (self.folder / "index.json").write_text(json.dumps(index))
        for name in ("cosign", "oras", "trivy"):
            tool(name, f'exec {sys.executable} -I -S {standin.__file__} {self.folder} {name} "$@"')

    def types(self, manifest: str) -> list[str]:
        """The types of what refers to a manifest, in the order in which they were written."""
        return [entry["type"] for entry in self.written() if entry["manifest"] == manifest]

    def predicate(self, manifest: str, type_: str) -> dict[str, Any]:
        """The content of the only attestation of this type about a manifest."""
        [found] = [it for it in self.written() if (it["manifest"], it["type"]) == (manifest, type_)]
        content: dict[str, Any] = found["predicate"]
        return content
