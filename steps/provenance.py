"""Where an artifact comes from, as SLSA provenance that states what was observed and leaves out the rest.

It claims Build L1: it exists, and says who built what from what. It is made by whoever runs the pipeline and not by a
build service apart from him, so it proves nothing against him: that would be L2. Source: slsa.dev, "Provenance" 1.0,
"Producing artifacts". BuildKit's history record of the build says when it ran, if the builder still has it.
"""

import copy
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from components.artifact import ImageReference
from components.buildkit import builder_endpoint, created, histories, moment, version
from components.git_environment import git_environment

BUILDER = "urn:slipway:builder:buildkit"
"""BuildKit, driven by whoever ran the pipeline."""
SOURCE = "source"
"""Name of the resolved dependency that is the service's source."""
# user@host:path, as ssh and git write an address; neither a path of Windows nor a URL.
_SHORT_ADDRESS = re.compile(r"(?:[^@/:]+@)?(?P<host>[^@/:]{2,}):(?P<path>(?!//).+)")


def provenance(build: Mapping[str, Any], reference: ImageReference, builder: str | None) -> dict[str, Any]:
    """The predicate of an artifact's provenance.

    Args:
        build: the build definition, which is the same for every build of the same inputs.
        reference: the artifact, where the build has pushed it to.
        builder: name of the buildx builder; None where buildx has chosen it.
    """
    definition = copy.deepcopy(dict(build))
    sources = [it for it in definition["resolvedDependencies"] if it["name"] == SOURCE and "uri" not in it]
    if sources and (address := _remote(Path(definition["externalParameters"]["context"]))):
        sources[0]["uri"] = address
    return {"buildDefinition": definition, "runDetails": _run(reference, builder)}


def is_of_build(predicate: Mapping[str, Any], build: Mapping[str, Any]) -> bool:
    """Whether a provenance states this build definition.

    The address of the source counts only where the definition has it: what git says differs from clone to clone.
    """
    stated = copy.deepcopy(predicate.get("buildDefinition") or {})
    if not any(it["name"] == SOURCE and "uri" in it for it in build["resolvedDependencies"]):
        for it in stated.get("resolvedDependencies") or ():
            if it.get("name") == SOURCE:
                it.pop("uri", None)
    return bool(stated == build)


def _run(reference: ImageReference, builder: str | None) -> dict[str, Any]:
    details: dict[str, Any] = {"builder": {"id": BUILDER}}
    endpoint = builder_endpoint(builder) if builder else None
    if endpoint is None:
        return details
    try:
        records = [it for it in histories(endpoint) if _made(it, reference)]
        if not records:  # the digest is that of a build which the builder has forgotten
            return details
        details["metadata"] = _metadata(max(records, key=created))
        details["builder"]["version"] = {"buildkit": version(endpoint)}
    except (OSError, subprocess.SubprocessError, ValueError, LookupError, TypeError):
        return {"builder": {"id": BUILDER}}
    return details


def _made(record: Mapping[str, Any], reference: ImageReference) -> bool:
    """Whether this is the record of a build that has pushed this artifact to this repository."""
    result = record.get("Result") or {}
    made = [result.get("ResultDeprecated") or {}, *(result.get("Results") or {}).values()]
    pushed = [(exporter.get("Attrs") or {}).get("name") for exporter in record.get("Exporters") or ()]
    digests = [descriptor.get("digest") for descriptor in made]
    return "error" not in record and str(reference.digest) in digests and str(reference.repository) in pushed


def _metadata(record: Mapping[str, Any]) -> dict[str, str]:
    found = {"invocationId": str(record["Ref"]), "startedOn": moment(record["CreatedAt"])}
    return found | ({"finishedOn": moment(record["CompletedAt"])} if record.get("CompletedAt") else {})


def _remote(context: Path) -> str | None:
    """The address of the repository that the context was cloned from, without what may be a credential in it."""
    command = ["git", "config", "--get", "remote.origin.url"]
    try:
        # Git is only asked for a line of the configuration: it need not trust the repository.
        ended = subprocess.run(command, cwd=context, env=git_environment(), capture_output=True, text=True, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return source_address(ended.stdout.strip())


def source_address(address: str) -> str | None:
    """A repository's address as the URI of a dependency.

    None for a path, which names nothing on another machine, and for an address with `.` or `..` in its path: git
    resolves them, and what is attested would look like another place than the one that was cloned.
    """
    if not {".", ".."}.isdisjoint(re.split(r"[/\\:?#@]", "".join(unquote(address).split()))):
        return None
    if short := _SHORT_ADDRESS.fullmatch(address):
        return f"git+ssh://{short['host']}/{short['path'].lstrip('/')}"
    parts = urlsplit(address)
    if parts.scheme not in ("https", "http", "ssh", "git") or not parts.hostname:
        return None
    return f"git+{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
