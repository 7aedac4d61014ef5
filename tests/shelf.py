"""A registry in memory, and what oras would say about it: it records what it was asked.

It has no referrers API, as many registries have none: what refers to a manifest is listed under a tag of its own.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from components.artifact import Repository
from steps.choose import Registries
from steps.tool import ToolError

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


class Shelf:
    """The registry: repositories with tags and manifests, without the blobs."""

    def __init__(self) -> None:
        self.repositories: dict[str, dict[str, dict[str, Any]]] = {}
        self.deletes = True
        self.calls: list[list[str]] = []
        self.down = ""
        self.lost: set[str] = set()
        """Blobs that it lists and does not hand out."""

    @property
    def registries(self) -> Registries:
        """How to reach it."""
        return _Registries(Path("nowhere"), {}, self)

    def repository(self, name: str) -> dict[str, dict[str, Any]]:
        """Tags and manifests of a repository, as they are now."""
        return copy.deepcopy(self.repositories.get(name, {"tags": {}, "manifests": {}}))

    def ran(self, *words: str) -> list[list[str]]:
        """The command lines that begin with these words."""
        return [call for call in self.calls if call[: len(words)] == list(words)]

    def put(self, repository: str, content: Mapping[str, Any], *tags: str) -> str:
        """Store a manifest, and return its digest."""
        place = self.repositories.setdefault(repository, {"tags": {}, "manifests": {}})
        digest = f"sha256:{hashlib.sha256(json.dumps(content).encode()).hexdigest()}"
        place["manifests"][digest] = dict(content)
        place["tags"] |= dict.fromkeys(tags, digest)
        return digest

    def image(self, repository: str, name: str, *tags: str, platforms: Sequence[str] = ("amd64", "arm64")) -> str:
        """Store an index of platforms that nothing else is like, and return its digest."""
        below = [
            self.put(
                repository,
                {
                    "mediaType": MANIFEST,
                    "config": _blob(f"{name} {it} config", 100),
                    "layers": [_blob("base", 5000), _blob(f"{name} {it}", 1000)],
                },
            )
            for it in platforms
        ]
        listed = [
            {"mediaType": MANIFEST, "digest": digest, "size": 500, "platform": {"os": "linux", "architecture": it}}
            for digest, it in zip(below, platforms, strict=True)
        ]
        return self.put(repository, {"mediaType": INDEX, "manifests": listed}, *tags)

    def refer(self, repository: str, subject: str, type_: str, created: datetime, **says: Any) -> str:
        """Store something that refers to a manifest, and list it."""
        entry = {
            "dev.sigstore.bundle.predicateType": type_,
            "org.opencontainers.image.created": created.isoformat(timespec="seconds"),
        }
        content = {
            "mediaType": MANIFEST,
            "layers": [_blob(f"{subject} {type_} {created} {says}", 10)],
            "annotations": entry,
        }
        digest = self.put(repository, content | says)
        tag = subject.replace(":", "-")
        here = self.repository(repository)
        old = here["manifests"][here["tags"][tag]]["manifests"] if tag in here["tags"] else []
        fresh = {"mediaType": MANIFEST, "digest": digest, "size": 500, "annotations": entry}
        self.put(repository, {"mediaType": INDEX, "manifests": [*old, fresh]}, tag)
        return digest

    def sign(self, repository: str, index: str, created: datetime) -> list[str]:
        """Refer to an index and each of its platforms once, as signing does."""
        below = [it["digest"] for it in self.repository(repository)["manifests"][index]["manifests"]]
        return [self.refer(repository, it, "https://sigstore.dev/cosign/sign/v1", created) for it in (*below, index)]

    def run(self, command: Sequence[str | Path], **_options: Any) -> str:
        """Be oras once."""
        arguments = [str(part) for part in command[1:]]
        self.calls.append(arguments)
        if self.down:
            raise ToolError("oras", self.down)
        subject = next(it for it in reversed(arguments) if "/" in it)
        name, _, wanted = subject.partition("@") if "@" in subject else _tagged(subject)
        verb = "_".join(arguments[:2]) if arguments[0] in ("repo", "manifest", "blob") else arguments[0]
        answer: Callable[[str, str, list[str]], str] = getattr(self, f"_{verb}")
        return answer(name, wanted, arguments)

    def _here(self, name: str) -> dict[str, dict[str, Any]]:
        return self.repositories.get(name, {"tags": {}, "manifests": {}})

    def _repo_tags(self, name: str, _wanted: str, arguments: list[str]) -> str:
        tags = self._here(name)["tags"]
        if not tags:
            said = "Error response from registry: name unknown: repository name not known to registry"
            raise ToolError("oras", f"{said}: map[name:{name}]")
        all_of_them = "--exclude-digest-tags" not in arguments
        return "\n".join(tag for tag in tags if all_of_them or not tag.startswith("sha256-"))

    def _found(self, name: str, wanted: str) -> tuple[str, dict[str, Any]]:
        here = self._here(name)
        digest = wanted if ":" in wanted else here["tags"].get(wanted, "")
        if digest not in here["manifests"]:
            raise ToolError("oras", f"Error response from registry: {name} {wanted}: not found")
        return digest, here["manifests"][digest]

    def _resolve(self, name: str, wanted: str, _arguments: list[str]) -> str:
        return self._found(name, wanted)[0]

    def _manifest_fetch(self, name: str, wanted: str, arguments: list[str]) -> str:
        digest, content = self._found(name, wanted)
        whole = {"digest": digest, "size": len(json.dumps(content)), "content": content}
        return json.dumps(whole if "json" in arguments else content)

    def _blob_fetch(self, name: str, wanted: str, _arguments: list[str]) -> str:
        if name not in self.repositories or wanted in self.lost:
            raise ToolError("oras", f"Error response from registry: {name}@{wanted}: 503: Service Unavailable")
        return ""

    def _discover(self, name: str, wanted: str, _arguments: list[str]) -> str:
        digest, _ = self._found(name, wanted)
        here = self._here(name)
        listed = here["manifests"].get(here["tags"].get(digest.replace(":", "-"), ""), {})
        return json.dumps({"digest": digest, "referrers": listed.get("manifests", [])})

    def _manifest_delete(self, name: str, wanted: str, _arguments: list[str]) -> str:
        if not self.deletes:
            raise ToolError("oras", "Error response from registry: unsupported: The operation is unsupported.")
        place = self.repositories[name]
        place["manifests"].pop(wanted, None)
        place["tags"] = {tag: digest for tag, digest in place["tags"].items() if digest != wanted}
        return ""


@dataclass(frozen=True)
class _Registries(Registries):
    """Asks the shelf and no other."""

    shelf: Shelf = field(default_factory=Shelf)

    def oras(self, verb: Sequence[str], repository: Repository, *arguments: str) -> str:
        """Be oras once."""
        return self.shelf.run(["oras", *verb, *arguments])


def _tagged(subject: str) -> tuple[str, str, str]:
    path, colon, tag = subject.rpartition(":")
    return (path, colon, tag) if "/" not in tag else (subject, "", "")


def _blob(content: str, size: int) -> dict[str, Any]:
    return {"digest": f"sha256:{hashlib.sha256(content.encode()).hexdigest()}", "size": size}
