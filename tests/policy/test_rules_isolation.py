"""What a container shares with its host: each rule by mutations of a compliant resource."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from rules import isolation
from tests.policy.answers import Answer, answer
from tests.policy.compliant import CONTAINER, SERVICE, VOLUME
from tests.policy.hardening import BY_NAME, DEPLOYMENT, Case, docker, listed, pod, swarm, unknown_in
from tests.policy.kubernetes_pods import UNKNOWN

ROOT, SOCKET, PATHS = (
    "container-root-is-read-only",
    "container-mounts-no-engine-socket",
    "container-mounts-no-sensitive-path",
)
PROPAGATION, DEVICES, SYSCTLS = (
    "container-mounts-do-not-propagate",
    "container-has-no-devices",
    "container-sysctls-are-safe",
)
OTHERS, CGROUP, TEMPORARY = (
    "container-takes-no-volumes-of-another",
    "container-uses-the-default-control-group",
    "container-temporary-files-do-not-run",
)
SPEC, FIRST = "containerSpec.", "spec.containers[0]."
READ_ONLY = "is not true; write true, and mount a tmpfs or a volume where it must write"
OWN = "mount a volume, or a folder of its own such as /srv/NAME"
NARROW = "leave it out, and let a service with a narrow interface talk to the engine"


def own(name: str) -> str:
    return f"container-has-its-own-{name}-namespace"


def shares(name: str, path: str, mode: str) -> Case:
    said = f"{path} shares the {name} namespace with the host or another container; leave it out"
    return docker(own(name), said, **{path: mode})


def bind(source: str, **more: Any) -> dict[str, Any]:
    return {"mounts": [{"type": "bind", "source": source, "target": "/x", **more}]}


def volume(**entry: Any) -> dict[str, Any]:
    return {"volumes": [{"containerPath": "/x", **entry}], "mounts": ...}


def driver(**options: str) -> dict[str, Any]:
    return {"mounts": [{"type": "volume", "source": "v", "target": "/x", "volumeOptions": {"driverOptions": options}}]}


def mounts(said: str, changes: dict[str, Any], path: str = "mounts[0]", rule: str = PATHS, write: str = OWN) -> Case:
    return docker(rule, f"{path} mounts {said}; {write}", **changes)


def reaches(said: str, changes: dict[str, Any], path: str = "mounts[0]") -> Case:
    return mounts(said, changes, path, SOCKET, NARROW)


SOCK = "/var/run/docker.sock"
IS_SOCK = f"{SOCK}, which is the engine's socket /run/docker.sock"
BROKEN = [
    docker(ROOT, f"readOnly {READ_ONLY}", readOnly=...),
    docker(ROOT, f"readOnly {READ_ONLY}", readOnly=False),
    docker(ROOT, f"readOnly {READ_ONLY}", readOnly=None),
    docker(ROOT, f"readOnly {READ_ONLY}", readOnly="false"),
    swarm(ROOT, f"taskSpec.containerSpec.readOnly {READ_ONLY}", {f"{SPEC}readOnly": False}),
    pod(
        ROOT,
        f"spec.template.spec.containers[0].securityContext.readOnlyRootFilesystem {READ_ONLY}",
        {f"{FIRST}securityContext.readOnlyRootFilesystem": False},
    ),
    shares("network", "networkMode", "host"),
    shares("network", "networkMode", "HOST"),
    shares("network", "networkMode", "container:other"),
    shares("network", "networkMode", "ns:/proc/1/ns/net"),
    docker(
        own("network"),
        "networkMode shares the network namespace with the host or another container; leave it out",
        networksAdvanced=[{"name": "shop"}, {"name": "host"}],
    ),
    swarm(
        own("network"),
        "taskSpec.networksAdvanceds shares the network namespace with the host or another container; leave it out",
        {"networksAdvanceds": [{"name": "host"}]},
    ),
    shares("pid", "pidMode", "host"),
    shares("pid", "pidMode", "container:other"),
    shares("ipc", "ipcMode", "host"),
    shares("ipc", "ipcMode", "shareable"),
    shares("ipc", "ipcMode", "container:other"),
    shares("uts", "utsMode", "host"),
    shares("user", "usernsMode", "host"),
    shares("cgroup", "cgroupnsMode", "host"),
    mounts("/, which is the root of the host", bind("/")),
    mounts("/etc, which is /etc", bind("/etc")),
    mounts("/etc, which is /etc", bind("/etc", readOnly=True)),
    mounts("/etc/, which is /etc", bind("/etc/")),
    mounts("/srv/../etc, which is /etc", bind("/srv/../etc")),
    mounts("/var, which holds /var/backups", bind("/var")),
    mounts("/etc/shadow, which lies below /etc", bind("/etc/shadow")),
    mounts("/proc, which is /proc", volume(hostPath="/proc"), "volumes[0]"),
    mounts("/proc, which is /proc", volume(hostPath="/proc", readOnly=True), "volumes[0]"),
    mounts("/sys, which is /sys", volume(volumeName="/sys"), "volumes[0]"),
    mounts("/etc, which is /etc", volume(hostPath="/etc", volumeName="data"), "volumes[0]"),
    mounts("/etc, which is /etc", driver(type="none", o="bind", device="/etc")),
    mounts("/etc, which is /etc", driver(type="overlay", o="lowerdir=/srv/a:/etc,upperdir=/srv/b", device="overlay")),
    mounts("/dev/sda1, which lies below /dev", driver(type="ext4", device="/dev/sda1")),
    docker(
        PATHS,
        f"mounts[0] mounts /etc, which is /etc; {OWN}",
        mounts=[{"type": "volume", "source": "/etc", "target": "/x"}],
    ),
    swarm(
        PATHS,
        f"taskSpec.containerSpec.mounts[0] mounts /etc, which is /etc; {OWN}",
        {f"{SPEC}mounts": bind("/etc")["mounts"]},
    ),
    pod(
        PATHS,
        f"spec.template.spec.volumes[0].hostPath.path mounts /etc, which is /etc; {OWN}",
        {
            "spec.volumes": [{"name": "v", "hostPath": {"path": "/etc"}}],
            f"{FIRST}volumeMounts": [{"name": "v", "mountPath": "/x", "readOnly": True}],
        },
    ),
    reaches(IS_SOCK, bind(SOCK)),
    reaches(IS_SOCK, bind(SOCK, readOnly=True)),
    reaches(IS_SOCK, volume(hostPath=SOCK), "volumes[0]"),
    reaches(IS_SOCK, volume(volumeName=SOCK), "volumes[0]"),
    reaches(IS_SOCK, driver(type="none", o="bind", device=SOCK)),
    reaches("//run/./docker.sock, which is the engine's socket /run/docker.sock", bind("//run/./docker.sock")),
    reaches("/var/run, which reaches the engine's socket /run/docker.sock", bind("/var/run")),
    reaches("/, which reaches the engine's socket /run/docker.sock", bind("/")),
    swarm(
        SOCKET,
        f"taskSpec.containerSpec.mounts[0] mounts {IS_SOCK}; {NARROW}",
        {f"{SPEC}mounts": bind(SOCK)["mounts"]},
    ),
    pod(
        SOCKET,
        "spec.template.spec.volumes[0].hostPath.path mounts /run/crio/crio.sock, which is the engine's socket "
        f"/run/crio/crio.sock; {NARROW}",
        {
            "spec.volumes": [{"name": "v", "hostPath": {"path": "/run/crio/crio.sock"}}],
            f"{FIRST}volumeMounts": [{"name": "v", "mountPath": "/x"}],
        },
    ),
    docker(
        OTHERS,
        "volumes[0] takes the volumes of the container other; name each volume",
        volumes=[{"fromContainer": "other"}],
    ),
    docker(
        PROPAGATION,
        "mounts[0] propagates as shared; write rprivate",
        **bind("/srv/a", bindOptions={"propagation": "shared"}),
    ),
    docker(
        PROPAGATION,
        "mounts[0] propagates as rshared; write rprivate",
        **bind("/srv/a", bindOptions={"propagation": "RShared"}),
    ),
    swarm(
        PROPAGATION,
        "taskSpec.containerSpec.mounts[0] propagates as rshared; write rprivate",
        {f"{SPEC}mounts": bind("/srv/a", bindOptions={"propagation": "rshared"})["mounts"]},
    ),
    docker(DEVICES, "devices[0] hands over /dev/fuse; leave it out", devices=[{"hostPath": "/dev/fuse"}]),
    docker(
        DEVICES,
        "devices[0] hands over /dev/sda; leave it out",
        devices=[{"hostPath": "/dev/sda", "containerPath": "/dev/null", "permissions": "r"}],
    ),
    docker(DEVICES, "deviceCgroupRules[0] hands over rule a *:* rwm; leave it out", deviceCgroupRules=["a *:* rwm"]),
    docker(DEVICES, "gpus hands over gpus all; leave it out", gpus="all"),
    docker(DEVICES, "runtime hands over runtime nvidia; leave it out", runtime="nvidia"),
    docker(
        DEVICES,
        "deviceRequests[0] hands over nvidia.com/gpu=all; leave it out",
        deviceRequests=[{"deviceIds": ["nvidia.com/gpu=all"]}],
    ),
    docker(
        DEVICES,
        "deviceRequests[0] hands over driver nvidia; leave it out",
        deviceRequests=[{"driver": "nvidia", "count": -1}],
    ),
    docker(
        SYSCTLS, "sysctls[\"kernel.msgmax\"] sets kernel.msgmax; leave it out", sysctls={"kernel.msgmax": "65536"}
    ),
    swarm(
        SYSCTLS,
        'taskSpec.containerSpec.sysctl["net.ipv4.ip_forward"] sets net.ipv4.ip_forward; leave it out',
        {f"{SPEC}sysctl": {"net.ipv4.ip_forward": "1"}},
    ),
    docker(CGROUP, "cgroupParent is /system.slice; leave it out", cgroupParent="/system.slice"),
]  # fmt: skip
FINE = [
    docker(own("network"), "", networkMode="bridge"),
    docker(own("network"), "", networkMode="none"),
    docker(own("network"), "", networkMode="shop"),
    docker(own("ipc"), "", ipcMode="private"),
    docker(own("ipc"), "", ipcMode="none"),
    docker(own("cgroup"), "", cgroupnsMode="private"),
    docker(own("user"), "", usernsMode=""),
    Case(PATHS, bind("/srv/shop")),
    Case(PATHS, volume(hostPath="/srv/shop")),
    Case(PATHS, volume(volumeName="data")),
    Case(PATHS, volume()),
    Case(PATHS, driver(type="nfs", o="addr=10.0.0.1,rw", device=":/export")),
    Case(SOCKET, bind("/srv/shop.sock")),
    listed(PATHS, bind("/etc/localtime"), allowed=["/etc/localtime"]),
    listed(SOCKET, bind(SOCK), allowed=["/run/docker.sock"]),
    listed(SOCKET, bind(SOCK), allowed=["/var/run/docker.sock"]),
    Case(PROPAGATION, bind("/srv/a", bindOptions={"propagation": "rslave"})),
    Case(PROPAGATION, bind("/srv/a", bindOptions={"propagation": "private"})),
    docker(DEVICES, "", gpus="", devices=[], runtime="runc"),
    listed(DEVICES, {"devices": [{"hostPath": "/dev/fuse"}]}, allowed=["/dev/fuse"]),
    docker(SYSCTLS, "", sysctls={"net.ipv4.ip_unprivileged_port_start": "0"}),
    listed(SYSCTLS, {"sysctls": {"kernel.msgmax": "1"}}, allowed=["kernel.msgmax"]),
    docker(CGROUP, "", cgroupParent=""),
    docker(TEMPORARY, "", tmpfs={"/tmp": "size=10m"}),
]
UNKNOWNS = [
    unknown_in(ROOT, "readOnly", "readOnly"),
    unknown_in(own("network"), "networkMode", "networkMode"),
    unknown_in(own("network"), "networksAdvanced[0].name", "networksAdvanced.0.name"),
    unknown_in(own("pid"), "pidMode", "pidMode"),
    unknown_in(own("ipc"), "ipcMode", "ipcMode"),
    unknown_in(own("uts"), "utsMode", "utsMode"),
    unknown_in(own("user"), "usernsMode", "usernsMode"),
    unknown_in(own("cgroup"), "cgroupnsMode", "cgroupnsMode"),
    unknown_in(PATHS, "mounts[1].source", "mounts.1.source"),
    unknown_in(SOCKET, "volumes", "volumes"),
    unknown_in(OTHERS, "volumes[0].hostPath", "volumes.0.hostPath"),
    unknown_in(PROPAGATION, "mounts[0].bindOptions.propagation", "mounts.0.bindOptions.propagation"),
    unknown_in(DEVICES, "devices", "devices"),
    unknown_in(DEVICES, "gpus", "gpus"),
    unknown_in(SYSCTLS, "sysctls", "sysctls"),
    unknown_in(CGROUP, "cgroupParent", "cgroupParent"),
    unknown_in(TEMPORARY, 'tmpfs."/tmp"', "tmpfs./tmp"),
    unknown_in(ROOT, "containerSpec.readOnly", "taskSpec.containerSpec.readOnly", SERVICE),
    unknown_in(PATHS, "containerSpec.mounts[0].source", "taskSpec.containerSpec.mounts.0.source", SERVICE),
    unknown_in(own("pid"), "spec.hostPID", "spec.template.spec.hostPID", DEPLOYMENT),
]


@pytest.mark.parametrize("case", BROKEN, ids=str)
def test_a_weakness_is_a_violation_that_says_where_and_what_to_write(case: Case) -> None:
    assert case.answer == Answer([case.message], [], [])


@pytest.mark.parametrize("case", FINE, ids=str)
def test_a_safe_spelling_is_fine(case: Case) -> None:
    assert case.answer.nothing


@pytest.mark.parametrize(("case", "expected"), UNKNOWNS, ids=lambda it: str(it)[:80])
def test_an_unknown_value_is_an_advisory_with_its_path(case: Case, expected: Answer) -> None:
    assert case.answer == expected


@pytest.mark.parametrize("field", ["hostNetwork", "hostPID", "hostIPC", "hostUsers"])
def test_a_pod_shares_the_namespaces_of_its_node(field: str) -> None:
    name = field.removeprefix("host").removesuffix("s").lower()
    found = Case(own(name), {f"spec.{field}": True}, "", DEPLOYMENT).answer
    assert len(found.violations) == 2  # its container, and the init container
    assert f"spec.template.spec.{field} shares the {name} namespace" in found.violations[0]
    assert Case(own(name), {f"spec.{field}": False}, "", DEPLOYMENT).answer.nothing
    assert Case(own(name), {}, "", DEPLOYMENT).answer.nothing


@pytest.mark.parametrize(("options", "word"), [("rw,exec", "exec"), ("SUID", "suid"), ("size=1m, dev", "dev")])
def test_a_file_system_in_memory_that_runs_programs_is_advised_against(options: str, word: str) -> None:
    case = docker(TEMPORARY, "", tmpfs={"/tmp": options})
    said = f'web (docker:Container): tmpfs["/tmp"] has {word}; write noexec,nosuid,nodev'
    assert case.answer == Answer([], [f"{said} [Docker documentation, --tmpfs]"], [])


PERSISTENT = "kubernetes:core/v1:PersistentVolume"


@pytest.mark.parametrize("kind", ["hostPath", "local"])
def test_a_persistent_volume_that_is_a_path_of_the_node_is_judged_as_a_mount(kind: str) -> None:
    reach = {"spec": {kind: {"path": "/var/run/docker.sock"}}}
    assert answer(BY_NAME[SOCKET], PERSISTENT, reach).violations == [
        f"web (kubernetes:PersistentVolume): spec.{kind}.path mounts /var/run/docker.sock, which is the engine's "
        "socket /run/docker.sock; leave it out, and let a service with a narrow interface talk to the engine "
        "[CIS Docker Benchmark 1.6, 5.32]"
    ]
    assert len(answer(BY_NAME[PATHS], PERSISTENT, {"spec": {kind: {"path": "/etc/../root"}}}).violations) == 1
    assert answer(BY_NAME[PATHS], PERSISTENT, {"spec": {kind: {"path": "/mnt/disks/ssd1"}}}).nothing
    disk = {"spec": {"volumeMode": "Block", "local": {"path": "/dev/sdb"}}}
    assert answer(BY_NAME[PATHS], PERSISTENT, disk).nothing
    assert answer(BY_NAME[PATHS], PERSISTENT, {"spec": {"nfs": {"path": "/etc", "server": "files"}}}).nothing
    assert len(answer(BY_NAME[PATHS], PERSISTENT, {"spec": {kind: {"path": UNKNOWN}}}).advice) == 1


def test_a_persistent_volume_in_a_manifest_is_named() -> None:
    manifest = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "host"}}
    text = yaml.safe_dump(manifest | {"spec": {"hostPath": {"path": "/"}}})
    [said] = answer(BY_NAME[PATHS], "kubernetes:yaml/v2:ConfigGroup", {"yaml": text}).violations
    assert 'PersistentVolume "host": yaml: spec.hostPath.path mounts /, which is the root of the host' in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"type": "none", "o": "bind", "device": "/etc"}, "driverOpts mounts /etc, which is /etc"),
        ({"o": "rbind,ro", "device": "/"}, "driverOpts mounts /, which is the root of the host"),
        ({"type": "none", "o": "bind", "device": "etc"}, "driverOpts mounts /etc, which is /etc"),
        ({"type": "cgroup", "o": "rw, bind", "device": "/etc"}, "driverOpts mounts /etc, which is /etc"),
        ({"type": "proc", "device": "proc"}, "driverOpts mounts /proc, which is /proc"),
        ({"type": "devtmpfs", "device": "none"}, "driverOpts mounts /dev, which is /dev"),
        ({"type": "cgroup2", "device": "none"}, "driverOpts mounts /sys, which is /sys"),
    ],
)
def test_a_volume_that_is_a_bind_mount_is_judged_as_one(options: dict[str, str], said: str) -> None:
    found = answer(BY_NAME[PATHS], VOLUME, {"driver": "local", "driverOpts": options})
    assert found.violations == [f"web (docker:Volume): {said}; {OWN} [CIS Docker Benchmark 1.6, 5.6]"]


def test_a_volume_of_the_engine_is_fine() -> None:
    assert answer(BY_NAME[PATHS], VOLUME, {"driverOpts": {"type": "nfs", "device": ":/export"}}).nothing
    assert answer(BY_NAME[PATHS], VOLUME, {"driverOpts": {"type": "tmpfs", "device": "tmpfs"}}).nothing
    assert answer(BY_NAME[SOCKET], VOLUME, {"name": "data"}).nothing


def test_a_known_weakness_is_found_beside_an_unknown_value() -> None:
    entries = [{"type": "bind", "source": UNKNOWN, "target": "/x"}, *bind("/etc")["mounts"]]
    found = docker(PATHS, "", mounts=entries).answer
    assert len(found.violations) == 1
    assert "mounts.0.source" in found.advice[0]


def test_another_unknown_property_keeps_no_rule_from_judging() -> None:
    for rule in isolation.RULES:
        assert Case(rule.name, {"image": UNKNOWN, "ports": UNKNOWN, "securityOpts": UNKNOWN}).answer.nothing, rule.name


def test_no_rule_judges_what_runs_nothing() -> None:
    for rule in BY_NAME.values():
        assert answer(rule, "docker:index/network:Network", {"name": "shop", "driver": "host"}).nothing


def test_every_rule_of_the_family_has_a_case_and_an_unknown_case() -> None:
    names = {rule.name for rule in isolation.RULES}
    assert {case.rule for case in BROKEN} | {TEMPORARY} == names
    assert {case.rule for case, _ in UNKNOWNS} == names
    assert CONTAINER
