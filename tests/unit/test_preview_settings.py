"""The run settings of two moments: what changes, what it does to the security, and that no secret shows."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands.previews.change import SECRET
from commands.previews.report import WEIGHTS, SettingChange
from commands.previews.workload import facts_of, settings_between, weaknesses
from components.run import Run

HARDENED = {"capabilities": {"drops": ["ALL"]}, "securityOpts": ["no-new-privileges:true"], "privileged": False}


def run(**changes: Any) -> dict[str, Any]:
    """The settings of a workload as a preview shows them."""
    given: dict[str, Any] = {"name": "web", "ports": ({"container": 8080, "host": 8080},)}
    properties: dict[str, Any] = json.loads(json.dumps(Run(**given | changes).properties()))
    return properties


def changes(
    before: dict[str, Any], after: dict[str, Any], container: dict[str, Any] | None = None
) -> list[SettingChange]:
    """What changes between two settings, and between the hardened container and another."""
    old, new = facts_of(before, HARDENED), facts_of(after, HARDENED if container is None else HARDENED | container)
    return list(settings_between(old, new, after.get("reasons") or {}))


def change(before: dict[str, Any], after: dict[str, Any], container: dict[str, Any] | None = None) -> SettingChange:
    """The only change."""
    [found] = changes(before, after, container)
    return found


OPEN = ({"container": 8080, "host": 8080, "address": "0.0.0.0"},)
REASON = "a reason that is long enough"

EVERY = ({"container": 8080, "host": 8080, "address": "::"},)
NAMED = ({"container": 8080, "host": 8080, "address": "10.0.0.5"},)
SPOOL = {"/tmp": "rw,noexec,nosuid,nodev,size=64m", "/spool": "rw,exec"}


def because(setting: str, value: Any) -> dict[str, Any]:
    """A setting with the reason that it needs."""
    return {setting: value, "reasons": {setting: REASON}}


WEAKER: list[tuple[str, dict[str, Any], str]] = [
    ("read_only", because("read_only", False), "the root file system becomes writable"),
    ("capabilities.NET_ADMIN", because("capabilities", ("NET_ADMIN",)), "NET_ADMIN is added"),
    ("capabilities.NET_BIND_SERVICE", {"capabilities": ("NET_BIND_SERVICE",)}, "NET_BIND_SERVICE is added"),
    ("ports.8080", because("ports", OPEN), "listens on every address of the host"),
    ("ports.8080", because("ports", EVERY), "listens on every address"),
    ("ports.8080", {"ports": NAMED}, "that others can reach"),
    ("temporary./tmp", because("temporary", {"/tmp": "rw,nosuid,nodev"}), "loses noexec"),
    ("temporary./spool", because("temporary", SPOOL), "loses noexec"),
]
WEAKER_CONTAINERS: list[tuple[str, dict[str, Any], str]] = [
    ("container.privileged", {"privileged": True}, "it is privileged"),
    ("container.dropped.ALL", {"capabilities": {"drops": []}}, "ALL is not dropped any more"),
    ("container.security.no-new-privileges:true", {"securityOpts": []}, "runs without no-new-privileges"),
    ("container.network", {"networkMode": "host"}, "shares the network of the host"),
    ("container.pid", {"pidMode": "host"}, "shares the processes of the host"),
    ("container.ipc", {"ipcMode": "container:0123"}, "of another container"),
    ("container.userns", {"usernsMode": "host"}, "user namespace of the host"),
    ("container.user", {"user": "root"}, "runs as root"),
    ("container.devices./dev/kvm", {"devices": [{"hostPath": "/dev/kvm"}]}, "/dev/kvm"),
    (
        "container.mounts./sock",
        {"mounts": [{"type": "bind", "target": "/sock", "source": "/var/run/docker.sock", "readOnly": True}]},
        "sees /var/run/docker.sock",
    ),
    *(
        (
            "container.mounts./host",
            {"mounts": [{"type": "bind", "target": "/host", "source": source, "readOnly": True}]},
            f"sees {source}",
        )
        for source in ("/", "/run", "/var/run", "/var", "/etc/ssl")
    ),
    (
        "container.mounts./data",
        {"volumes": [{"containerPath": "/data", "hostPath": "/srv/data"}]},
        "may write to /srv/data",
    ),
]


@pytest.mark.parametrize(("setting", "after", "why"), WEAKER, ids=[f"{it[0]} {it[2]}" for it in WEAKER])
def test_what_weakens_is_marked_and_its_way_back_is_not(setting: str, after: dict[str, Any], why: str) -> None:
    found = change(run(), run(**after))
    assert (found.setting, found.weight) == (setting, "weakens")
    assert why in found.why
    assert change(run(**after), run()).weight in ("tightens", "neutral")


@pytest.mark.parametrize(
    ("setting", "container", "why"), WEAKER_CONTAINERS, ids=[f"{it[0]} {it[2]}" for it in WEAKER_CONTAINERS]
)
def test_a_container_that_is_weaker_than_its_settings_say_is_marked(
    setting: str, container: dict[str, Any], why: str
) -> None:
    found = next(it for it in changes(run(), run(), container) if it.setting == setting)
    assert found.weight == "weakens"
    assert why in found.why


def test_a_seccomp_profile_that_is_switched_off_is_marked() -> None:
    options = {"securityOpts": ["no-new-privileges:true", "seccomp=unconfined"]}
    found = change(run(), run(), options)
    assert (found.setting, found.weight) == ("container.security.seccomp=unconfined", "weakens")


@pytest.mark.parametrize(
    ("setting", "loose", "tight"),
    [
        ("memory", {"memory": 512}, {"memory": 128}),
        ("cpus", {"cpus": 2.5}, {"cpus": 0.5}),
        ("pids", {"pids": 200}, {"pids": 50}),
        ("open_files", {"open_files": 4096}, {"open_files": 64}),
    ],
)
def test_a_bound_that_moves_loosens_or_tightens(setting: str, loose: dict[str, Any], tight: dict[str, Any]) -> None:
    assert (change(run(), run(**loose)).setting, change(run(), run(**loose)).weight) == (setting, "loosens")
    assert change(run(), run(**tight)).weight == "tightens"


def test_one_more_port_on_loopback_loosens_and_another_host_port_is_neutral() -> None:
    more = ({"container": 8080, "host": 8080}, {"container": 9090, "host": 9090})
    assert (change(run(), run(ports=more)).setting, change(run(), run(ports=more)).weight) == ("ports.9090", "loosens")
    moved = change(run(), run(ports=({"container": 8080, "host": 8081},)))
    assert (moved.before, moved.after, moved.weight) == ("127.0.0.1:8080", "127.0.0.1:8081", "neutral")


def test_a_port_beside_another_of_the_same_container_port_counts_by_its_widest() -> None:
    # Settings refuse it today; a state may be from a day when they did not.
    both = [*run()["ports"], {"container": 8080, "host": 8081, "address": "0.0.0.0"}]
    assert change(run(), run() | {"ports": both}).weight == "weakens"


GATES = {
    "scan": {"fail_on": ["HIGH", "CRITICAL"], "ignore": [], "unfixed": "fail", "database_age": 7},
    "promote": {
        "stacks": ["staging", "canary"],
        "requires": "all",
        "soak": 24,
        "report_age": 7,
        "held": True,
        "public_key": "staging.pub",
        "approval": {"approvers": {"ann": "ann.pub"}, "counts": "besides"},
        "registries": [{"address": "localhost:5443"}],
    },
}
EXCUSED = [{"id": "CVE-2024-1", "reason": "not reachable from our code", "expires": "2027-01-31"}]


@pytest.mark.parametrize(
    ("gate", "changes", "setting", "weight"),
    [
        ("scan", {"fail_on": ["CRITICAL"]}, "scan.fail_on.HIGH", "weakens"),
        ("scan", {"ignore": EXCUSED}, "scan.ignore.CVE-2024-1", "weakens"),
        ("scan", {"unfixed": "report"}, "scan.unfixed", "weakens"),
        ("scan", {"database_age": 30}, "scan.database_age", "loosens"),
        ("promote", {"stacks": ["staging"]}, "promote.stacks.canary", "weakens"),
        ("promote", {"requires": "any"}, "promote.requires", "weakens"),
        ("promote", {"soak": 1}, "promote.soak", "weakens"),
        ("promote", {"soak": 48}, "promote.soak", "tightens"),
        ("promote", {"report_age": 30}, "promote.report_age", "loosens"),
        ("promote", {"held": False}, "promote.held", "weakens"),
        ("promote", {"public_key": "other.pub"}, "promote.public_key", "weakens"),
    ],
)
def test_a_gate_that_asks_for_less_is_marked(gate: str, changes: dict[str, Any], setting: str, weight: str) -> None:
    after = {**GATES, gate: {**GATES[gate], **changes}}
    [found] = settings_between(facts_of({}, {}, GATES), facts_of({}, {}, after), {})
    assert (found.setting, found.weight) == (setting, weight)


@pytest.mark.parametrize(
    ("approval", "setting"),
    [
        ({"approvers": {"ann": "ann.pub", "bob": "bob.pub"}, "counts": "besides"}, "promote.approval.approvers.bob"),
        ({"approvers": {"ann": "ann.pub"}, "counts": "instead"}, "promote.approval.counts"),
        (None, "promote.approval.approvers.ann"),
    ],
    ids=["one more may approve", "instead of proofs", "nobody needs to approve"],
)
def test_an_approval_that_counts_for_less_is_marked(approval: Any, setting: str) -> None:
    after = {**GATES, "promote": {**GATES["promote"], "approval": approval}}
    found = {it.setting: it.weight for it in settings_between(facts_of({}, {}, GATES), facts_of({}, {}, after), {})}
    assert found[setting] == "weakens"


def test_weakening_comes_first_and_tightening_last() -> None:
    after = run(
        memory=512, capabilities=("SYS_TIME",), pids=50, environment={"A": "b"}, reasons={"capabilities": REASON}
    )
    found = [it.weight for it in changes(run(), after)]
    assert found == ["weakens", "loosens", "neutral", "tightens"]
    assert found == sorted(found, key=WEIGHTS.index)


def test_the_reason_of_what_weakens_is_told_with_it_and_not_twice() -> None:
    found = change(run(), run(read_only=False, reasons={"read_only": REASON}))
    assert found.reason == REASON


def test_where_a_secret_comes_from_is_told_and_what_it_is_never() -> None:
    before, after = (
        run(secrets={"db": {"file": "/run/a"}}),
        run(secrets={"db": {"config": "db"}, "new": {"file": "/b"}}),
    )
    found = {it.setting: (it.before, it.after) for it in changes(before, after)}
    assert found == {"secrets.db": ("file /run/a", "config db"), "secrets.new": (None, "file /b")}


@pytest.mark.parametrize(
    "environment",
    [{"API_TOKEN": "hunter2"}, {"URL": "https://user:hunter2@example.org"}, {"PLAIN": SECRET}],
    ids=["by name", "by look", "as Pulumi has marked it"],
)
def test_a_secret_in_the_environment_does_not_show(environment: dict[str, str]) -> None:
    after = run() | {"environment": environment}
    found = change(run(), after)
    assert "hunter2" not in repr(found)
    assert found.after == SECRET


def test_a_new_workload_is_told_by_what_is_weaker_than_the_default() -> None:
    default = facts_of(run(ports=()), HARDENED)
    after = run(read_only=False, memory=4096, reasons={"read_only": REASON})
    found = weaknesses(default, facts_of(after, HARDENED), after["reasons"])
    assert [it.setting for it in found] == ["read_only"]


def test_a_setting_that_no_rule_knows_is_neutral() -> None:
    found = change(run() | {"future": {"of": 1}}, run() | {"future": {"of": 2}})
    assert (found.setting, found.before, found.after, found.weight) == ("future.of", "1", "2", "neutral")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=5,
)
KEYS = st.sampled_from(("read_only", "memory", "environment", "secrets", "health", "future", "temporary", "logs"))
RUNS = st.dictionaries(KEYS, VALUES, max_size=5)


@given(RUNS)
def test_settings_compared_with_themselves_have_no_change(settings: dict[str, Any]) -> None:
    facts = facts_of(settings, settings)
    assert settings_between(facts, facts, {}) == ()


@given(RUNS, RUNS)
def test_every_change_is_told_once_whatever_the_settings_are(one: dict[str, Any], other: dict[str, Any]) -> None:
    before, after = facts_of(one), facts_of(other)
    found = settings_between(before, after, {})
    assert len(found) == len([path for path in {**before, **after} if before.get(path) != after.get(path)])
