"""The report of a preview: what would ship, as plain data with a schema version; written as preview.json.

Everything that a preview cannot know is left out and said in words under `unknown`: absent never means "no change".
"""

from collections.abc import Mapping
from typing import Literal

from commands.part import Part

REPORT_VERSION = 1

Weight = Literal["weakens", "loosens", "neutral", "tightens"]
"""What a changed setting does to the workload's security; in this order, the worst comes first."""
WEIGHTS: tuple[Weight, ...] = ("weakens", "loosens", "neutral", "tightens")
SEVERITIES = ("CRITICAL", "HIGH", "MEDIUM", "LOW", "UNKNOWN")


class Artifact(Part):
    """One release or candidate of a service, as far as a preview knows it."""

    digest: str | None = None
    """Digest of the index; None where it is not built yet."""
    reference: str | None = None
    """Where it lies, `REPOSITORY@sha256:…`."""
    version: str | None = None
    """Semantic version."""
    tag: str | None = None
    """The tag that names it alone."""
    revision: str | None = None
    """Commit of its source, with `-dirty` where it was built from a changed tree."""
    origin: str | None = None
    """The stack that it is taken from, for a promotion."""


class Commit(Part):
    """One commit."""

    hash: str
    """Full hash."""
    author: str
    """Name of the author."""
    time: str
    """When it was made, RFC 3339."""
    subject: str
    """First line of its message."""


class Commits(Part):
    """What lies between two revisions of a service's source."""

    context: str
    """The folder that was looked at, relative to the top of the repository."""
    added: tuple[Commit, ...] = ()
    """Commits that would ship, the latest first."""
    taken_back: tuple[Commit, ...] = ()
    """Commits that run today and would not run any more, as in a rollback."""
    uncommitted: bool = False
    """Whether the tree has changes on top that are in no commit."""


class Layers(Part):
    """What changes in one platform of an image, by its manifests."""

    platform: str
    """The platform."""
    state: Literal["changed", "unchanged", "added", "removed"]
    """Whether the platform's manifest is another one, or there on one side alone."""
    pull_layers: int
    """Layers that a host which has the image of today would fetch; Docker reuses the layers below the first new one."""
    pull_bytes: int
    """Bytes of these, compressed as they travel."""
    total_layers: int
    """Layers of the image that would ship."""
    total_bytes: int
    """Bytes of all its layers."""
    size_change: int
    """How many bytes larger the image gets; negative where it gets smaller."""


class PackageChange(Part):
    """One package that changes."""

    name: str
    """Its name, with its namespace."""
    kind: str
    """Its ecosystem, as a package URL says it: deb, pypi, npm, …"""
    change: Literal["added", "removed", "upgraded", "downgraded", "changed"]
    """What happens to it; `changed` where several versions are there."""
    before: tuple[str, ...] = ()
    """Versions of today."""
    after: tuple[str, ...] = ()
    """Versions that would ship."""
    platforms: tuple[str, ...] = ()
    """Platforms that it changes on."""


class VulnerabilityChange(Part):
    """One vulnerability that comes, goes, or became known."""

    id: str
    """Its identifier."""
    package: str
    """The package that it is in."""
    version: str
    """The version of the package."""
    severity: str
    """CRITICAL, HIGH, MEDIUM, LOW or UNKNOWN."""
    title: str = ""
    """What it is."""
    fixed_in: str = ""
    """The version of the package that has it no more; empty where there is none yet."""
    platforms: tuple[str, ...] = ()
    """Platforms that it was found on."""


class Vulnerabilities(Part):
    """What the scans of both images say about each other."""

    introduced: tuple[VulnerabilityChange, ...] = ()
    """Would ship, and is not in what runs today."""
    newly_known: tuple[VulnerabilityChange, ...] = ()
    """In what runs today as well, whose older report did not know of it yet."""
    fixed: tuple[VulnerabilityChange, ...] = ()
    """In what runs today, and not in what would ship."""
    remaining: int = 0
    """How many are in both."""
    database_before: str = ""
    """Date of the database behind the report of today's image."""
    database_after: str = ""
    """Date of the database behind the report of what would ship."""


class SettingChange(Part):
    """One changed setting of how the workload runs."""

    setting: str
    """Its path, as in the stack's file below `run`."""
    before: str | None
    """Value of today; None where it is not set."""
    after: str | None
    """Value that would be; None where it is not set any more."""
    weight: Weight
    """What it does to the workload's security."""
    why: str = ""
    """What the weight comes from."""
    reason: str = ""
    """The reason that the stack's file gives for what weakens."""


class ResourceChange(Part):
    """One resource that `up` would touch."""

    operation: str
    """create, update, replace, delete, …"""
    type: str
    """Pulumi's type."""
    name: str
    """Its name."""


class Service(Part):
    """One service of the stack."""

    name: str
    """Its name."""
    state: Literal["new", "changed", "unchanged", "removed"]
    """What would happen to it."""
    before: Artifact | None = None
    """What the stack has today; None for a new service."""
    after: Artifact | None = None
    """What it would have; None where the service is removed."""
    ships: bool = False
    """Whether another artifact would be released, or the workload changed."""
    stopped_by: tuple[VulnerabilityChange, ...] = ()
    """What the scan would stop it for at `up`; a preview scans what it can, and stops nothing."""
    commits: Commits | None = None
    """The commits between."""
    layers: tuple[Layers, ...] | None = None
    """The layers of each platform."""
    packages: tuple[PackageChange, ...] | None = None
    """The packages that change, SBOM against SBOM."""
    vulnerabilities: Vulnerabilities | None = None
    """The vulnerabilities that come and go."""
    settings: tuple[SettingChange, ...] = ()
    """Changed settings of the workload, weakening first."""
    resources: tuple[ResourceChange, ...] = ()
    """The resources that `up` would touch."""
    unknown: tuple[str, ...] = ()
    """What a preview cannot know, and why."""


class Problem(Part):
    """Something that somebody must know: an error, a violated policy, advice, a warning."""

    kind: Literal["error", "policy", "warning", "advice", "later"]
    """`error` and `policy` stop an `up`; `advice` is an advisory policy; `later` one that only `up` can judge."""
    resource: str = ""
    """Name of the resource; empty where it is the stack as a whole."""
    policy: str = ""
    """Name of the policy."""
    message: str
    """What it says."""

    @property
    def stops(self) -> bool:
        """Whether `up` would not get past it."""
        return self.kind in ("error", "policy")


class Report(Part):
    """A preview of a stack."""

    schema_version: int = REPORT_VERSION
    """Version of this report's schema."""
    project: str
    """Pulumi project."""
    stack: str
    """Stack that was previewed."""
    time: str
    """When, RFC 3339 in UTC."""
    exit_code: int
    """Pulumi's own exit code."""
    passed: bool
    """Whether the preview went to its end without an error or a violated policy."""
    would_ship: bool
    """Whether `up` would release another artifact or change a workload; never where the preview did not pass.

    Nor where it is known that the scan would stop it.
    """
    changes: Mapping[str, int]
    """How many resources of the stack each operation concerns."""
    services: tuple[Service, ...] = ()
    """The services, those that ship first."""
    other_resources: tuple[ResourceChange, ...] = ()
    """Resources that `up` would touch and that belong to no service."""
    problems: tuple[Problem, ...] = ()
    """What was said meanwhile, the worst first."""
