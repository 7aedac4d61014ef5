"""What a container's processes may do: each rule by mutations of a compliant resource."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pulumi_policy.proxy import UNKNOWN_BOOLEAN_VALUE

from rules import privileges
from rules.privileges import is_root
from tests.policy.answers import Answer, remediated, unknown
from tests.policy.compliant import CONTAINER, SERVICE, container
from tests.policy.hardening import BY_NAME, DEPLOYMENT, Case, docker, listed, pod, swarm, unknown_in
from tests.policy.kubernetes_pods import UNKNOWN

PRIVILEGED, DROPS, ADDS = (
    "container-is-not-privileged",
    "container-drops-all-capabilities",
    "container-adds-only-listed-capabilities",
)
GAINS, SECCOMP, APPARMOR = (
    "container-gains-no-privileges",
    "container-is-confined-by-seccomp",
    "container-is-confined-by-apparmor",
)
SELINUX, MASKS, USER = "container-is-confined-by-selinux", "container-masks-system-paths", "container-user-is-not-root"
GROUPS, LOGIN = "container-joins-no-privileged-group", "container-runs-no-login-server"
NNP = "no-new-privileges:true"
SPEC = "containerSpec."
FIRST = "spec.containers[0]."
IN_POD = "spec.template.spec.containers[0].securityContext."
DROP_ALL = 'write ["ALL"], and add back what is needed'
ADD_LESS = "leave it out, or add only NET_BIND_SERVICE"
NO_GAIN = 'securityOpts lets programs gain privileges ({}); add "no-new-privileges:true"'
OPEN_CALLS = "securityOpts leaves system calls unconfined ({}); leave it out"
NO_APPARMOR = "securityOpts takes it out of AppArmor ({}); leave it out"
NO_SELINUX = "securityOpts takes it out of SELinux ({}); leave it out"
OPEN_PATHS = "securityOpts lays /proc, /sys or the control groups open ({}); leave it out"
NO_LOGIN = "starts a login server; leave it out, and use docker exec"
TYPES = "container_engine_t, container_init_t, container_kvm_t, container_t, svirt_lxc_net_t"


def options(rule: str, said: str, *values: str) -> Case:
    return docker(rule, said, securityOpts=list(values))


def profile(action: str) -> str:
    return f"seccomp={json.dumps({'defaultAction': action, 'syscalls': []})}"


LONG = f"{profile('SCMP_ACT_ALLOW')}{' ' * 40}"
"""A profile that is too long for a message."""


def root(user: str) -> Case:
    return docker(USER, f'user is "{user}", which is root; write another', user=user)


BROKEN = [
    docker(PRIVILEGED, "privileged is on; leave it out, and add what is needed", privileged=True),
    docker(PRIVILEGED, "privileged is on; leave it out, and add what is needed", privileged="true"),
    docker(
        PRIVILEGED,
        "privileged is on; leave it out, and add what is needed",
        privileged=True,
        capabilities={"drops": ["ALL"]},
    ),
    swarm(PRIVILEGED, "taskSpec.runtime is on; leave it out, and add what is needed", {"runtime": "plugin"}),
    pod(
        PRIVILEGED,
        f"{IN_POD}privileged is on; leave it out, and add what is needed",
        {f"{FIRST}securityContext.privileged": True},
    ),
    docker(DROPS, f"capabilities.drops is not set; {DROP_ALL}", capabilities=...),
    docker(DROPS, f"capabilities.drops is not set; {DROP_ALL}", capabilities={"adds": ["CHOWN"]}),
    docker(DROPS, f"capabilities.drops is not set; {DROP_ALL}", capabilities={"drops": []}),
    docker(DROPS, f"capabilities.drops is not set; {DROP_ALL}", capabilities=None),
    docker(DROPS, f"capabilities.drops has only NET_RAW; {DROP_ALL}", capabilities={"drops": ["cap_net_raw"]}),
    swarm(DROPS, f"taskSpec.containerSpec.capDrops is not set; {DROP_ALL}", {f"{SPEC}capDrops": ...}),
    pod(
        DROPS,
        f"{IN_POD}capabilities.drop has only NET_RAW; {DROP_ALL}",
        {f"{FIRST}securityContext.capabilities": {"drop": ["NET_RAW"]}},
    ),
    docker(ADDS, f"capabilities.adds has SYS_ADMIN; {ADD_LESS}", **{"capabilities.adds": ["SYS_ADMIN"]}),
    docker(ADDS, f"capabilities.adds has SYS_ADMIN; {ADD_LESS}", **{"capabilities.adds": ["CAP_SYS_ADMIN"]}),
    docker(ADDS, f"capabilities.adds has SYS_PTRACE; {ADD_LESS}", **{"capabilities.adds": ["sys_ptrace"]}),
    docker(ADDS, f"capabilities.adds has ALL; {ADD_LESS}", **{"capabilities.adds": ["ALL"]}),
    docker(ADDS, f"capabilities.adds has ALL; {ADD_LESS}", **{"capabilities.adds": ["all"]}),
    docker(ADDS, f"capabilities.adds has ALL; {ADD_LESS}", **{"capabilities.adds": ["CAP_ALL"]}),
    docker(ADDS, f"capabilities.adds has BPF, CHOWN; {ADD_LESS}", **{"capabilities.adds": ["CHOWN", "CAP_BPF"]}),
    swarm(ADDS, f"taskSpec.containerSpec.capAdds has SYS_MODULE; {ADD_LESS}", {f"{SPEC}capAdds": ["CAP_SYS_MODULE"]}),
    pod(
        ADDS,
        f"{IN_POD}capabilities.add has NET_RAW; {ADD_LESS}",
        {f"{FIRST}securityContext.capabilities.add": ["NET_RAW"]},
    ),
    docker(GAINS, NO_GAIN.format("nothing forbids it"), securityOpts=...),
    options(GAINS, NO_GAIN.format("nothing forbids it")),
    options(GAINS, NO_GAIN.format("no-new-privileges:false"), "no-new-privileges:false"),
    options(GAINS, NO_GAIN.format("no-new-privileges=false"), "no-new-privileges=false"),
    options(GAINS, NO_GAIN.format("no-new-privileges=0"), "no-new-privileges=0"),
    options(GAINS, NO_GAIN.format("no-new-privileges:yes"), "no-new-privileges:yes"),
    options(GAINS, NO_GAIN.format(f"{NNP}, no-new-privileges=false"), NNP, "no-new-privileges=false"),
    options(GAINS, NO_GAIN.format("nothing forbids it"), "seccomp=unconfined"),
    options(GAINS, NO_GAIN.format("No-New-Privileges"), "No-New-Privileges"),
    pod(
        GAINS,
        f"{IN_POD}allowPrivilegeEscalation is true; write false",
        {f"{FIRST}securityContext.allowPrivilegeEscalation": True},
    ),
    options(SECCOMP, OPEN_CALLS.format("seccomp=unconfined"), NNP, "seccomp=unconfined"),
    options(SECCOMP, OPEN_CALLS.format("seccomp:unconfined"), NNP, "seccomp:unconfined"),
    options(SECCOMP, OPEN_CALLS.format("seccomp=Unconfined"), NNP, "seccomp=Unconfined"),
    options(SECCOMP, OPEN_CALLS.format(" seccomp = unconfined "), NNP, " seccomp = unconfined "),
    options(SECCOMP, OPEN_CALLS.format("seccomp=unconfined, seccomp=builtin"), "seccomp=unconfined", "seccomp=builtin"),
    options(SECCOMP, OPEN_CALLS.format(profile("SCMP_ACT_ALLOW")), NNP, profile("SCMP_ACT_ALLOW")),
    options(SECCOMP, OPEN_CALLS.format(profile("SCMP_ACT_LOG")), NNP, profile("SCMP_ACT_LOG")),
    options(SECCOMP, OPEN_CALLS.format(f"{LONG[:80]}…"), NNP, LONG),
    options(GAINS, NO_GAIN.format("no-new-privileges=\\n* forged"), "no-new-privileges=\n* forged"),
    pod(
        SECCOMP,
        f'{IN_POD}seccompProfile.type leaves system calls unconfined ("Unconfined"); write type "RuntimeDefault"',
        {f"{FIRST}securityContext.seccompProfile": {"type": "Unconfined"}},
    ),
    options(APPARMOR, NO_APPARMOR.format("apparmor=unconfined"), NNP, "apparmor=unconfined"),
    options(APPARMOR, NO_APPARMOR.format("apparmor:unconfined"), NNP, "apparmor:unconfined"),
    options(APPARMOR, NO_APPARMOR.format("apparmor=UNCONFINED, apparmor=mine"), "apparmor=UNCONFINED", "apparmor=mine"),
    pod(
        APPARMOR,
        f'{IN_POD}appArmorProfile.type takes it out of AppArmor ("Unconfined"); leave it out',
        {f"{FIRST}securityContext.appArmorProfile": {"type": "Unconfined"}},
    ),
    options(SELINUX, NO_SELINUX.format("label=disable"), NNP, "label=disable"),
    options(SELINUX, NO_SELINUX.format("label:disable"), NNP, "label:disable"),
    options(SELINUX, NO_SELINUX.format("disable"), NNP, "disable"),
    options(SELINUX, f"securityOpts has the SELinux type spc_t; leave it out, or use {TYPES}", "label=type:spc_t"),
    options(SELINUX, f"securityOpts has the SELinux type spc_t; leave it out, or use {TYPES}", "label:type:spc_t"),
    swarm(
        SELINUX,
        "taskSpec.containerSpec.privileges.seLinuxContext takes it out of SELinux (disable: true); leave it out",
        {f"{SPEC}privileges": {"seLinuxContext": {"disable": True}}},
    ),
    swarm(
        SELINUX,
        f"taskSpec.containerSpec.privileges.seLinuxContext has the SELinux type spc_t; leave it out, or use {TYPES}",
        {f"{SPEC}privileges": {"seLinuxContext": {"type": "spc_t"}}},
    ),
    options(MASKS, OPEN_PATHS.format("systempaths=unconfined"), "systempaths=unconfined"),
    options(MASKS, OPEN_PATHS.format("systempaths:unconfined"), "systempaths:unconfined"),
    options(MASKS, OPEN_PATHS.format("writable-cgroups=true"), "writable-cgroups=true"),
    options(MASKS, OPEN_PATHS.format("writable-cgroups"), "writable-cgroups"),
    pod(
        MASKS,
        f'{IN_POD}procMount lays /proc, /sys or the control groups open ("Unmasked"); leave it out',
        {f"{FIRST}securityContext.procMount": "Unmasked"},
    ),
    *(root(user) for user in ("0", "root", "0:0", "root:app", "00", "+0", "-0", "000:1000", ":1000", "ROOT", "0:app")),
    swarm(USER, 'taskSpec.containerSpec.user is "root", which is root; write another', {f"{SPEC}user": "root"}),
    pod(
        USER,
        f'{IN_POD}runAsUser is "0", which is root; write another',
        {f"{FIRST}securityContext.runAsUser": 0},
    ),
    docker(
        USER,
        "user is left to the image, and image is web:1.4, which has no digest to read it by; "
        "write user, or name an image by digest whose own user is not root",
        user=...,
        image="web:1.4",
    ),
    docker(
        USER,
        "user is left to the image, and image is web:1.4, which has no digest to read it by; "
        "write user, or name an image by digest whose own user is not root",
        user="",
        image="web:1.4",
    ),
    *(
        docker(GROUPS, f"groupAdds joins {group}; leave it out", groupAdds=[group])
        for group in ("docker", "root", "0", "00", "wheel", "disk", "Docker")
    ),
    swarm(GROUPS, "taskSpec.containerSpec.groups joins docker; leave it out", {f"{SPEC}groups": ["docker"]}),
    docker(GROUPS, "user joins shadow; leave it out", user="1000:shadow"),
    swarm(GROUPS, "taskSpec.containerSpec.user joins docker; leave it out", {f"{SPEC}user": "app:docker"}),
    docker(LOGIN, f"command[0] {NO_LOGIN}", command=["/usr/sbin/sshd", "-D"]),
    docker(
        LOGIN,
        "entrypoints[2] starts a login server; leave it out, and use docker exec",
        entrypoints=["sh", "-c", "service ssh start; exec sshd -D"],
    ),
    docker(LOGIN, f"command[0] {NO_LOGIN}", command=["dropbear"]),
    docker(LOGIN, f"command[0] {NO_LOGIN}", command=["rlogind"]),
    docker(LOGIN, f"command[2] {NO_LOGIN}", command=["sh", "-c", "service ssh start && exec app"]),
    docker(LOGIN, f"command[2] {NO_LOGIN}", command=["sh", "-c", "/etc/init.d/ssh start; exec app"]),
    swarm(
        LOGIN,
        "taskSpec.containerSpec.args[0] starts a login server; leave it out, and use docker exec",
        {f"{SPEC}args": ["/usr/sbin/sshd"]},
    ),
]  # fmt: skip
FINE = [
    docker(PRIVILEGED, "", privileged=...),
    docker(DROPS, "", capabilities={"drops": ["all"]}),
    docker(DROPS, "", capabilities={"drops": ["NET_RAW", "ALL"]}),
    docker(ADDS, "", **{"capabilities.adds": ["NET_BIND_SERVICE"]}),
    docker(ADDS, "", **{"capabilities.adds": ["cap_net_bind_service"]}),
    listed(ADDS, {"capabilities.adds": ["CHOWN"]}, allowed=["CAP_CHOWN"]),
    options(GAINS, "", "no-new-privileges"),
    options(GAINS, "", "no-new-privileges=true"),
    options(GAINS, "", "no-new-privileges:1"),
    options(GAINS, "", "apparmor=mine", "no-new-privileges:true"),
    options(SECCOMP, "", NNP, profile("SCMP_ACT_ERRNO")),
    options(SECCOMP, "", NNP, "seccomp=builtin"),
    options(APPARMOR, "", NNP, "apparmor=mine"),
    options(APPARMOR, "", NNP, "seccomp=unconfined"),
    options(SELINUX, "", NNP, "label=type:container_t", "label=level:s0:c1,c2"),
    listed(SELINUX, {"securityOpts": ["label=type:web_t"]}, types=["web_t"]),
    options(MASKS, "", NNP, "writable-cgroups=false"),
    *(docker(USER, "", user=user) for user in ("1000", "1000:0", "app", "app:root", "10001:docker")),
    docker(GROUPS, "", groupAdds=["app", "1000"]),
    *(docker(GROUPS, "", user=user) for user in ("docker", "1000", "1000:0", "1000:app", "app:root")),
    listed(GROUPS, {"groupAdds": ["docker"]}, forbidden=["root"]),
    docker(LOGIN, "", command=["sh", "-c", "kubectl get service ssh -o yaml"]),
    docker(LOGIN, "", command=["serve", "--sshd-config=/etc/x", "/usr/share/sshd.md"]),
    pod(USER, "", {"spec.securityContext": {"runAsNonRoot": True}}),
]
SILENT = [
    (
        swarm(GAINS, "", {}),
        "the docker plugin's Service cannot say no-new-privileges: it is set and verified on the nodes, by "
        '"no-new-privileges": true in the engine\'s daemon.json',
    ),
]
UNKNOWNS = [
    unknown_in(PRIVILEGED, "privileged", "privileged"),
    unknown_in(DROPS, "capabilities.drops[0]", "capabilities.drops.0"),
    unknown_in(ADDS, "capabilities.adds", "capabilities.adds"),
    *(unknown_in(rule, "securityOpts", "securityOpts") for rule in (GAINS, SECCOMP, APPARMOR, SELINUX, MASKS)),
    *(unknown_in(rule, "securityOpts[1]", "securityOpts.1") for rule in (GAINS, SECCOMP, APPARMOR, SELINUX, MASKS)),
    unknown_in(USER, "user", "user"),
    unknown_in(GROUPS, "groupAdds", "groupAdds"),
    unknown_in(GROUPS, "user", "user"),
    unknown_in(LOGIN, "command", "command"),
    unknown_in(DROPS, "containerSpec.capDrops", "taskSpec.containerSpec.capDrops", SERVICE),
    unknown_in(PRIVILEGED, "runtime", "taskSpec.runtime", SERVICE),
    unknown_in(SELINUX, "containerSpec.privileges", "taskSpec.containerSpec.privileges", SERVICE),
    unknown_in(
        GAINS,
        f"{FIRST}securityContext.allowPrivilegeEscalation",
        "spec.template.spec.containers.0.securityContext.allowPrivilegeEscalation",
        DEPLOYMENT,
    ),
]


@pytest.mark.parametrize("case", BROKEN, ids=str)
def test_a_weakness_is_a_violation_that_says_where_and_what_to_write(case: Case) -> None:
    assert case.answer == Answer([case.message], [], [])


@pytest.mark.parametrize("case", FINE, ids=str)
def test_a_safe_spelling_is_fine(case: Case) -> None:
    assert case.answer.nothing


@pytest.mark.parametrize(("case", "reason"), SILENT, ids=lambda it: str(it)[:60])
def test_what_a_type_cannot_say_does_not_apply(case: Case, reason: str) -> None:
    assert case.answer == Answer([], [], [reason])


@pytest.mark.parametrize(("case", "expected"), UNKNOWNS, ids=lambda it: str(it)[:80])
def test_an_unknown_value_is_an_advisory_with_its_path(case: Case, expected: Answer) -> None:
    assert case.answer == expected


def test_a_known_weakness_is_found_beside_an_unknown_value() -> None:
    case = docker(SECCOMP, OPEN_CALLS.format("seccomp=unconfined"), securityOpts=[UNKNOWN, "seccomp=unconfined"])
    assert case.answer == Answer([case.message], [], [])


def test_a_message_leaves_out_what_is_unknown() -> None:
    said = "taskSpec.containerSpec.privileges.seLinuxContext takes it out of SELinux (disable: true); leave it out"
    case = swarm(SELINUX, said, {f"{SPEC}privileges": {"seLinuxContext": {"disable": True, "role": UNKNOWN}}})
    assert case.answer == Answer([case.message], [], [])


def test_another_unknown_property_keeps_no_rule_from_judging() -> None:
    for rule in privileges.RULES:
        found = Case(rule.name, {"image": UNKNOWN, "memory": UNKNOWN_BOOLEAN_VALUE, "networksAdvanced": UNKNOWN}).answer
        assert found.nothing, rule.name


def test_a_user_that_is_left_to_an_unknown_image_waits_for_it() -> None:
    case = docker(USER, "", user=..., image=UNKNOWN)
    assert case.answer == Answer([], [unknown(BY_NAME[USER], "image")], [])


@pytest.mark.parametrize("user", ["1000", "app", "app:0", "1:1", "10000000000", "rooty"])
def test_what_is_no_root(user: str) -> None:
    assert not is_root(user)


def fixed(**changes: Any) -> tuple[Any, str]:
    properties, complaint = remediated(BY_NAME[GAINS], CONTAINER, container(**changes))
    return (properties or {}).get("securityOpts"), complaint


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (..., [NNP]),
        ([], [NNP]),
        (["apparmor=mine"], ["apparmor=mine", NNP]),
        (["no-new-privileges:false", "label=level:s0"], ["label=level:s0", NNP]),
        (["no-new-privileges", "no-new-privileges=false"], [NNP]),
    ],
)
def test_no_new_privileges_is_put_in_place(before: Any, after: list[str]) -> None:
    assert fixed(securityOpts=before) == (after, "")


def test_what_was_put_in_place_breaks_the_rule_no_more() -> None:
    properties, _ = remediated(BY_NAME[GAINS], CONTAINER, container(securityOpts=["no-new-privileges:false"]))
    assert properties
    assert docker(GAINS, "", **properties).answer.nothing


def test_a_container_that_is_fine_is_left_alone() -> None:
    assert fixed() == (None, "")


def test_a_resource_of_another_type_is_not_repaired() -> None:
    assert remediated(BY_NAME[GAINS], SERVICE, {}) == (None, "")
