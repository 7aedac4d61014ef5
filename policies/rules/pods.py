"""Rules that only a Kubernetes pod can break: controls of the Pod Security Standards that a plain container has not.

The others are rules of `privileges`, `isolation`, `limits` and `network`, which judge containers of every kind.
Facts: https://kubernetes.io/docs/concepts/security/pod-security-standards/ and the checks of
kubernetes/pod-security-admission as of Kubernetes 1.37.
"""

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from pulumi_policy import EnforcementLevel, Severity

from judging.node import Node, shown
from judging.pods import HANDLERS, Pod, PodContainer, each_container, judged, pods
from judging.rule import NotApplicable, Problem, Rule, Source, Subject
from rules.sources import KUBERNETES

STANDARDS = partial(
    Source,
    "Pod Security Standards",
    "1.37",
    url="https://kubernetes.io/docs/concepts/security/pod-security-standards/",
)
SAFE_SYSCTLS = (
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_notsent_lowat",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_slow_start_after_idle",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
)
CONFINED_TYPES = ("container_engine_t", "container_init_t", "container_kvm_t", "container_t")
VOLUME_TYPES = (
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
)
DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
PROFILES = ("RuntimeDefault", "Localhost")
APPARMOR_ANNOTATION = "container.apparmor.security.beta.kubernetes.io/"
SECCOMP_ANNOTATIONS = ("seccomp.security.alpha.kubernetes.io/pod", "container.seccomp.security.alpha.kubernetes.io/")
Part = tuple[str, Callable[..., Node]]


def host_process(subject: Subject) -> Iterator[Problem]:
    """A HostProcess container is a process of the Windows node with the node's rights; nothing isolates it."""

    def judge(part: Part) -> Iterator[Problem]:
        where, security = part
        node = security("windowsOptions", "hostProcess")
        if node.value not in (None, False):
            yield Problem(f"{node.path} is {shown(node.value)}", "leave it out", where)

    return judged(pods(subject), lambda pod: judged(_parts(pod), judge))


def selinux(subject: Subject) -> Iterator[Problem]:
    """A type of its own, such as spc_t, takes a container out of SELinux's confinement; so do a user and a role."""

    def judge(part: Part) -> Iterator[Problem]:
        where, security = part
        options = security("seLinuxOptions")
        for field in ("user", "role"):
            if (node := options.at(field)).value not in (None, ""):
                yield Problem(f"{node.path} is {shown(node.value)}", "leave it out", where)
        allowed = subject.options["types"]
        if (node := options.at("type")).value not in (None, "", *allowed):
            yield Problem(f"{node.path} is {shown(node.value)}", f"leave it out, or write {_one_of(allowed)}", where)

    return judged(pods(subject), lambda pod: judged(_parts(pod), judge))


def sysctls(subject: Subject) -> Iterator[Problem]:
    """A kernel parameter outside of the safe list is not namespaced, or reaches other pods of the node."""

    def judge(pod: Pod, sysctl: Node) -> Iterator[Problem]:
        name = sysctl.at("name")
        if name.value not in subject.options["allowed"]:
            yield Problem(
                f"{name.path} is {shown(name.value)}",
                "leave it out: it is none of the parameters that Kubernetes counts as safe",
                pod.where,
            )

    return judged(pods(subject), lambda pod: judged(pod.security("sysctls").items(), partial(judge, pod)))


def host_paths(subject: Subject) -> Iterator[Problem]:
    """What a pod mounts from its node it can read or change there, past every limit of the cluster."""

    def judge(pod: Pod, volume: Node) -> Iterator[Problem]:
        source = volume.at("hostPath")
        if source.value is not None:
            yield Problem(
                f"{source.path} mounts {source.label('path') or 'a path'} of the node",
                "use a persistentVolumeClaim, an emptyDir, a configMap or a secret",
                pod.where,
            )

    return judged(pods(subject), lambda pod: judged(pod.spec.at("volumes").items(), partial(judge, pod)))


def volume_types(subject: Subject) -> Iterator[Problem]:
    """Other types of volume mount a server or a device of the cluster's choosing with the node's own rights."""
    allowed = subject.options["allowed"]

    def judge(pod: Pod, volume: Node) -> Iterator[Problem]:
        for key in volume.mapping():
            # hostPath has a rule of its own; a type that is there but null is not set.
            if key in ("name", "hostPath", *allowed) or volume.at(key).value is None:
                continue
            yield Problem(f"{volume.path} is of type {key}", f"use {_one_of(allowed)}", pod.where)

    return judged(pods(subject), lambda pod: judged(pod.spec.at("volumes").items(), partial(judge, pod)))


def image_volumes(subject: Subject) -> Iterator[Problem]:
    """What a pod mounts from an image is content like the program's own; without a digest it is what the tag says."""

    def judge(pod: Pod, volume: Node) -> Iterator[Problem]:
        node = volume.at("image", "reference")
        if volume.at("image").value is not None and not DIGEST.search(str(node.value)):
            yield Problem(f"{node.path} is {shown(node.value)}", "write REPOSITORY@sha256:…", pod.where)

    return judged(pods(subject), lambda pod: judged(pod.spec.at("volumes").items(), partial(judge, pod)))


def host_ports(subject: Subject) -> Iterator[Problem]:
    """A port of the node is reached past the cluster's network policies and ties the pod to that node."""
    listed = subject.options["allowed"]

    def judge(container: PodContainer) -> Iterator[Problem]:
        for port in container.node.at("ports").items():
            node = port.at("hostPort")
            if node.value not in (None, 0, *listed):
                yield Problem(
                    f"{node.path} is {shown(node.value)}", "leave it out and publish with a Service", container.where
                )

    return each_container(subject, judge)


def handlers(subject: Subject) -> Iterator[Problem]:
    """The kubelet calls probes and hooks from the node's network; one that names a host reaches what the pod cannot."""

    def judge(container: PodContainer) -> Iterator[Problem]:
        for handler in HANDLERS:
            for action in ("httpGet", "tcpSocket"):
                node = container.node.at(*handler, action, "host")
                if node.value not in (None, ""):
                    yield Problem(
                        f"{node.path} is {shown(node.value)}", "leave it out: the pod itself is called", container.where
                    )

    return each_container(subject, judge)


def annotations(subject: Subject) -> Iterator[Problem]:
    """Annotations named profiles before there were fields (seccomp 1.19, AppArmor 1.30); older clusters obey them."""

    def judge(pod: Pod) -> Iterator[Problem]:
        found = pod.metadata.at("annotations")
        for key in found.mapping():
            if key.startswith(APPARMOR_ANNOTATION):
                fine = ("", "runtime/default")
            elif key.startswith(SECCOMP_ANNOTATIONS):
                fine = ("runtime/default", "docker/default")
            else:
                continue
            node = found.at(key)
            if node.value not in (None, *fine) and not str(node.value).startswith("localhost/"):
                yield Problem(f"{node.path} is {shown(node.value)}", 'write "runtime/default"', pod.where)

    return judged(pods(subject), judge)


def non_root(subject: Subject) -> Iterator[Problem]:
    """With runAsNonRoot the kubelet itself refuses to start a container as root, whatever its image says later."""

    def judge(container: PodContainer) -> Iterator[Problem]:
        node = container.security("runAsNonRoot")
        if node.value is True or container.pod.in_user_namespace:
            return
        if node.value is None and container.pod.partial:
            raise NotApplicable(container.pod.partial.format("runAsNonRoot"))
        yield Problem(f"{node.path} is {shown(node.value)}", "write true, here or for the whole pod", container.where)

    return each_container(subject, judge)


def seccomp_profile(subject: Subject) -> Iterator[Problem]:
    """Where nothing names a profile, a container runs unconfined unless its node's kubelet is set to seccompDefault."""

    def judge(container: PodContainer) -> Iterator[Problem]:
        profile = container.security("seccompProfile")
        if profile.value is not None:
            return
        if container.pod.windows:
            raise NotApplicable("a Windows pod cannot set it")
        if container.pod.partial:
            raise NotApplicable(container.pod.partial.format("seccompProfile"))
        yield Problem(
            f"{profile.path} is not set", 'write type "RuntimeDefault", here or for the whole pod', container.where
        )

    return each_container(subject, judge)


def pod_defaults(subject: Subject) -> Iterator[Problem]:
    """A container that is added later, by a person or an admission controller, inherits what the pod says for all."""

    def bad(pod: Pod) -> Iterator[tuple[str, Node]]:
        if not pod.in_user_namespace:
            if (node := pod.security("runAsNonRoot")).value is False:
                yield "runAsNonRoot", node
            if (node := pod.security("runAsUser")).value == 0:
                yield "runAsUser", node
        for field in ("seccompProfile", "appArmorProfile"):
            kind = pod.security(field).at("type")
            said = pod.security(field).value is not None and kind.value not in PROFILES
            if said and not (field == "seccompProfile" and pod.windows):
                yield field, kind
        if pod.bare:  # where containers are known, the rule about their groups says so
            own = pod.security("runAsGroup")
            yield from (("groups", node) for node in (*pod.groups(), own) if node.value == 0)

    def judge(pod: Pod) -> Iterator[Problem]:
        for field, node in bad(pod):
            # Where a container does inherit it, the rule for containers says so.
            if all(container.own(field).value is not None for container in pod.containers()):
                yield Problem(
                    f"{node.path} is {shown(node.value)}{'' if pod.bare else ', though every container overrides it'}",
                    "leave it out" if field == "groups" else "write for the pod what its containers say",
                    pod.where,
                )

    return judged(pods(subject), judge)


def api_token(subject: Subject) -> Iterator[Problem]:
    """A token that nobody needs is a credential for the cluster's API for whoever gets into the container."""

    def judge(pod: Pod) -> Iterator[Problem]:
        node = pod.spec.at("automountServiceAccountToken")
        if node.value is False:
            return
        if node.value is None and pod.partial:
            raise NotApplicable(pod.partial.format("automountServiceAccountToken"))
        yield Problem(
            f"{node.path} is {shown(node.value)}", "write false unless the pod talks to the cluster's API", pod.where
        )

    return judged(pods(subject), judge)


def _parts(pod: Pod) -> Iterator[Part]:
    """The security contexts of a pod and of each of its containers, each by itself."""
    yield pod.where, pod.security
    for container in pod.containers():
        yield container.where, container.own


def _one_of(names: Any) -> str:
    return f"one of {', '.join(names)}"


def _list(of: str, default: tuple[Any, ...], description: str) -> dict[str, Any]:
    return {"type": "array", "items": {"type": of}, "default": list(default), "description": description}


RULES: tuple[Rule, ...] = (
    Rule(
        name="pod-is-no-host-process",
        statement="A pod and its containers are no HostProcess containers of Windows",
        check=host_process,
        source=STANDARDS(control="Baseline: HostProcess"),
        severity=Severity.CRITICAL,
        fix="Remove securityContext.windowsOptions.hostProcess from the pod and from each container.",
    ),
    Rule(
        name="pod-keeps-its-selinux-confinement",
        statement="SELinux options name a confined type, no user and no role",
        check=selinux,
        source=STANDARDS(control="Baseline: SELinux"),
        severity=Severity.HIGH,
        fix="Remove user and role from seLinuxOptions, and use container_t or another type of the list.",
        options={"types": _list("string", CONFINED_TYPES, "SELinux types that confine a container")},
    ),
    Rule(
        name="pod-sysctls-are-safe",
        statement="A pod sets only the kernel parameters that Kubernetes counts as safe",
        check=sysctls,
        source=STANDARDS(control="Baseline: Sysctls"),
        severity=Severity.HIGH,
        fix="Remove the parameter from securityContext.sysctls, or set it on nodes of its own.",
        options={"allowed": _list("string", SAFE_SYSCTLS, "kernel parameters that a pod may set")},
    ),
    Rule(
        name="pod-mounts-no-host-path",
        statement="A pod mounts nothing from its node",
        check=host_paths,
        source=STANDARDS(control="Baseline: HostPath Volumes"),
        severity=Severity.HIGH,
        fix="Use a persistentVolumeClaim, an emptyDir, a configMap or a secret; except an agent of the node by name.",
    ),
    Rule(
        name="pod-volume-types-are-restricted",
        statement="A pod uses only volume types that need no rights of the node",
        check=volume_types,
        source=STANDARDS(control="Restricted: Volume Types"),
        severity=Severity.MEDIUM,
        fix="Define a PersistentVolume for the storage and mount it with a persistentVolumeClaim.",
        options={"allowed": _list("string", VOLUME_TYPES, "types of volume that a pod may use")},
    ),
    Rule(
        name="pod-image-volumes-name-a-digest",
        statement="A pod mounts images by their digest",
        check=image_volumes,
        source=Source("Slipway", "", "digest is identity", ""),
        severity=Severity.HIGH,
        fix="Write the reference of the image volume with its digest.",
    ),
    Rule(
        name="pod-publishes-no-host-port",
        statement="A container publishes no port of its node",
        check=host_ports,
        source=STANDARDS(control="Baseline: Host Ports"),
        severity=Severity.HIGH,
        fix="Remove hostPort and publish with a Service.",
        options={"allowed": _list("integer", (), "host ports that containers may publish")},
    ),
    Rule(
        name="pod-handlers-call-the-pod-itself",
        statement="Probes and lifecycle hooks name no host",
        check=handlers,
        source=STANDARDS(control="Baseline: Host Probes / Lifecycle Hooks"),
        severity=Severity.MEDIUM,
        fix="Remove host from httpGet and tcpSocket: the kubelet calls the pod's own address.",
    ),
    Rule(
        name="pod-annotations-keep-profiles",
        statement="No annotation takes a container out of seccomp or AppArmor",
        check=annotations,
        source=STANDARDS(control="Baseline: AppArmor, Seccomp"),
        severity=Severity.HIGH,
        fix="Remove the annotation and write securityContext.seccompProfile and appArmorProfile.",
    ),
    Rule(
        name="pod-requires-non-root",
        statement="A pod tells the kubelet to refuse root",
        check=non_root,
        source=STANDARDS(control="Restricted: Running as Non-root"),
        severity=Severity.HIGH,
        fix="Write securityContext.runAsNonRoot: true for the pod or for each container.",
    ),
    Rule(
        name="pod-names-a-seccomp-profile",
        statement="A seccomp profile is named for each container of a pod",
        check=seccomp_profile,
        source=STANDARDS(control="Restricted: Seccomp"),
        severity=Severity.HIGH,
        fix='Write securityContext.seccompProfile: {type: "RuntimeDefault"} for the pod.',
    ),
    Rule(
        name="pod-defaults-are-restricted",
        statement="What a pod says for all of its containers is safe, even where each of them overrides it",
        check=pod_defaults,
        source=STANDARDS(control="Restricted: Running as Non-root, Seccomp; Baseline: AppArmor"),
        severity=Severity.MEDIUM,
        fix="Write the safe value in the pod's own securityContext, too.",
    ),
    Rule(
        name="pod-mounts-no-api-token",
        statement="A pod that does not talk to the cluster's API has no token for it",
        check=api_token,
        source=KUBERNETES(control="5.1.6"),
        severity=Severity.LOW,
        level=EnforcementLevel.ADVISORY,
        fix="Write automountServiceAccountToken: false in the pod's spec.",
    ),
)
