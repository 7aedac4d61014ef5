"""The tables of the Pod Security Standards: what a case is, which rules decide a level, and how a case is run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pulumi_policy.proxy import unknown_checking_proxy

from judging.rule import NotApplicable, Subject, message, read_options
from rules import isolation, pods, privileges
from tests.policy.kubernetes_pods import WRAPPED, Properties

# The rules that decide the controls of the standards, by what the tables call them.
HOST_PROCESS = "pod-is-no-host-process"
NAMESPACES = {
    "hostNetwork": "container-has-its-own-network-namespace",
    "hostPID": "container-has-its-own-pid-namespace",
    "hostIPC": "container-has-its-own-ipc-namespace",
}
PRIVILEGED = "container-is-not-privileged"
ADDED = "container-adds-only-listed-capabilities"
DROPPED = "container-drops-all-capabilities"
HOST_PATH = "pod-mounts-no-host-path"
HOST_PORT = "pod-publishes-no-host-port"
HANDLERS = "pod-handlers-call-the-pod-itself"
APPARMOR = "container-is-confined-by-apparmor"
ANNOTATIONS = "pod-annotations-keep-profiles"
SELINUX = "pod-keeps-its-selinux-confinement"
PROC_MOUNT = "container-masks-system-paths"
SECCOMP = "container-is-confined-by-seccomp"
SECCOMP_NAMED = "pod-names-a-seccomp-profile"
SYSCTLS = "pod-sysctls-are-safe"
VOLUMES = "pod-volume-types-are-restricted"
ESCALATION = "container-gains-no-privileges"
NON_ROOT = "pod-requires-non-root"
USER = "container-user-is-not-root"
DEFAULTS = "pod-defaults-are-restricted"

BASELINE = frozenset(
    {
        *(HOST_PROCESS, *NAMESPACES.values(), PRIVILEGED, ADDED, HOST_PATH, HOST_PORT, HANDLERS, APPARMOR, ANNOTATIONS),
        *(SELINUX, PROC_MOUNT, SECCOMP, SYSCTLS, DEFAULTS),
    }
)
RESTRICTED = BASELINE | {DROPPED, VOLUMES, ESCALATION, NON_ROOT, USER, SECCOMP_NAMED}
BY_NAME = {rule.name: rule for family in (privileges, isolation, pods) for rule in family.RULES}
BASELINE_CAPABILITIES = [
    *("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP"),
    *("SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"),
]
"""What a container may add at the baseline level; this pack's own list is the restricted level's."""
SHORT = {"Pod": "kubernetes:Pod", "Deployment": "kubernetes:Deployment", "CronJob": "kubernetes:CronJob"}

EVERY = {
    "container": "spec.containers[0]",
    "init": "spec.initContainers[0]",
    "ephemeral": "spec.ephemeralContainers[0]",
}
"""Where a pod has containers of each kind."""


@dataclass(frozen=True)
class Case:
    """A variation of a pod, and each rule that reports it with the property that it names.

    `stricter` says why this pack reports what the standard admits; without it, both agree.
    """

    about: str
    changes: Properties
    reported: tuple[tuple[str, str], ...] = ()
    stricter: str = ""

    def __str__(self) -> str:
        return self.about


def cases(*of: Case | Iterator[Case]) -> list[Case]:
    """All cases of a table, those that are made in numbers among them."""
    return [case for it in of for case in ([it] if isinstance(it, Case) else it)]


def verdict(
    names: frozenset[str], pod: Properties, wrapped: str, configuration: Mapping[str, Any] | None = None
) -> list[tuple[str, str]]:
    """What these rules say about a pod in this wrapping: each rule with its message.

    The rules are asked without the SDK around them, because the tables are long; that it says the same is a test, too.
    """
    kind, properties, _ = WRAPPED[wrapped](pod)
    readable = unknown_checking_proxy(properties)
    found = []
    for rule in (BY_NAME[name] for name in sorted(names)):
        options = read_options(rule.name, rule.options, (configuration or {}).get(rule.name)).values
        with suppress(NotApplicable):
            for it in rule.check(Subject(kind, "web", "urn", readable, options)):
                found.append((rule.name, message(f"web ({SHORT[wrapped]})", it, rule.source)))
    return found


def agrees(found: list[tuple[str, str]], expected: tuple[tuple[str, str], ...], prefix: str) -> bool:
    """Whether every message is expected and every expected one is there, about exactly this property."""
    left = list(found)
    for rule, path in expected:
        named = [it for it in left if it[0] == rule and f": {prefix}{path} " in it[1]]
        if not named:
            return False
        left.remove(named[0])
    return not left
