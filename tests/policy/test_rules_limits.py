"""What a container may use up, and how its end is noticed: each rule by mutations of a compliant resource."""

from __future__ import annotations

from typing import Any

import pytest
from pulumi_policy.proxy import UNKNOWN_NUMBER_VALUE

from judging.engine import checks_nothing
from rules import limits
from tests.policy.answers import Answer, remediated
from tests.policy.compliant import CONTAINER, SERVICE, container
from tests.policy.hardening import BY_NAME, DEPLOYMENT, Case, docker, listed, pod, resource, swarm, unknown_in
from tests.policy.kubernetes_pods import UNKNOWN

MEMORY, SWAP, CPU = "container-memory-is-limited", "container-swap-is-limited", "container-cpu-is-limited"
PIDS, FILES, RESTART = (
    "container-processes-are-limited",
    "container-open-files-are-limited",
    "container-restart-is-bounded",
)
LOGS, HEALTH = "container-logs-are-bounded", "container-is-health-checked"
FIRST = "spec.containers[0]."
LIMITS = "spec.template.spec.containers[0].resources.limits."
NO_BYTES = "taskSpec.resources.limits.memoryBytes sets no limit; write one"
NO_CPU = "sets no limit; write one, such as 0.5"
RESTART_WRITE = 'write "unless-stopped", or "on-failure" with a maxRetryCount of at most 5'
SWARM_WRITE = 'write the condition "on-failure" with maxAttempts of at most 5'
DRIVERS = "local, journald, syslog, fluentd, gelf, awslogs, gcplogs, splunk, loki"
LOG_WRITE = f'write "json-file" with a max-size, or one of {DRIVERS}'
DEFAULT_LOGS = "is left to the engine, whose default keeps everything"
NO_SIZE = "is json-file without a max-size"
SIZE_WRITE = 'write max-size, such as "10m"'
NO_CHECK = "checks nothing; write a check that asks the service"


def swap(seen: str, **changes: Any) -> Case:
    return docker(SWAP, f"memorySwap {seen}; write 256, as much as memory", **changes)


def restarts(seen: str, **changes: Any) -> Case:
    return docker(RESTART, f"restart starts it again {seen}; {RESTART_WRITE}", **changes)


def restarts_task(seen: str, policy: Any) -> Case:
    said = f"taskSpec.restartPolicy starts it again {seen}; {SWARM_WRITE}"
    return swarm(RESTART, said, {"restartPolicy": policy})


def check(*tests: str, said: str = f"healthcheck.tests {NO_CHECK}") -> Case:
    return docker(HEALTH, said, healthcheck={"tests": list(tests)})


def left_to(image: str, path: str, problem: str) -> str:
    return (
        f"{path} is left to the image, and {problem}; write {path}, or name an image by digest that has a HEALTHCHECK"
    )


BROKEN = [
    docker(MEMORY, "memory sets no limit; write one", memory=...),
    docker(MEMORY, "memory sets no limit; write one", memory=0),
    docker(MEMORY, "memory sets no limit; write one", memory=None),
    docker(MEMORY, "memory sets no limit; write one", memory=-1),
    docker(MEMORY, "memory sets no limit; write one", memory=..., memoryReservation=128),
    swarm(MEMORY, NO_BYTES, {"resources.limits.memoryBytes": 0}),
    swarm(
        MEMORY,
        NO_BYTES,
        {"resources": {"reservation": {"memoryBytes": 1000000}}},
    ),
    pod(MEMORY, f"{LIMITS}memory sets no limit; write one", {f"{FIRST}resources.limits.memory": ...}),
    swap("lets both together come to 512 MiB", memorySwap=...),
    swap("lets both together come to 512 MiB", memorySwap=0),
    swap("lets both together come to 512 MiB", memorySwap=None),
    swap("lets both together come to 512 MiB", memorySwap=512),
    swap("lets both together come to 257 MiB", memorySwap=257),
    swap("does not limit it", memorySwap=-1),
    docker(CPU, f"cpus {NO_CPU}", cpus=...),
    docker(CPU, f"cpus {NO_CPU}", cpus="0"),
    docker(CPU, f"cpus {NO_CPU}", cpus="0.0", cpuQuota=50000),
    docker(CPU, f"cpus {NO_CPU}", cpus=..., cpuShares=512),
    docker(CPU, f"cpus {NO_CPU}", cpus=..., cpuSet="0-1"),
    docker(CPU, f"cpus {NO_CPU}", cpus=..., cpuQuota=-1),
    docker(CPU, f"cpus {NO_CPU}", cpus=..., cpuPeriod=100000),
    *(docker(CPU, f"cpus {NO_CPU}", cpus=value) for value in ("many", "-1", "nan", "inf", "1/0", "")),
    swarm(CPU, f"taskSpec.resources.limits.nanoCpus {NO_CPU}", {"resources.limits.nanoCpus": 0}),
    swarm(
        CPU,
        f"taskSpec.resources.limits.nanoCpus {NO_CPU}",
        {"resources": {"reservation": {"nanoCpus": 500000000}}},
    ),
    pod(CPU, f"{LIMITS}cpu {NO_CPU}", {f"{FIRST}resources.limits.cpu": ...}),
    docker(
        FILES,
        "ulimits[0] lifts the limit nofile; write a number",
        ulimits=[{"name": "nofile", "soft": 1024, "hard": -1}],
    ),
    docker(
        FILES,
        "ulimits[1] lifts the limit nproc; write a number",
        ulimits=[{"name": "nofile", "soft": 1, "hard": 1}, {"name": "NPROC", "soft": -1, "hard": -1}],
    ),
    restarts("without a maximum (always)", restart="always"),
    restarts("without a maximum (always)", restart="always", maxRetryCount=5),
    restarts("without a maximum (on-failure)", restart="on-failure"),
    restarts("without a maximum (on-failure)", restart="on-failure", maxRetryCount=0),
    restarts("6 times (on-failure)", restart="on-failure", maxRetryCount=6),
    restarts("-1 times (on-failure)", restart="on-failure", maxRetryCount=-1),
    restarts("without a maximum (on-failure:3)", restart="on-failure:3"),
    restarts_task("without a maximum (always)", ...),
    restarts_task("without a maximum (always)", {"condition": "any"}),
    restarts_task("without a maximum (always)", {"delay": "5s"}),
    restarts_task("without a maximum (on-failure)", {"condition": "on-failure"}),
    restarts_task("50 times (on-failure)", {"condition": "on-failure", "maxAttempts": 50}),
    docker(LOGS, f"logDriver {DEFAULT_LOGS}; {LOG_WRITE}", logDriver=...),
    docker(LOGS, f"logDriver {DEFAULT_LOGS}; {LOG_WRITE}", logDriver=""),
    docker(LOGS, f"logDriver {NO_SIZE}; {SIZE_WRITE}", logOpts=...),
    docker(LOGS, f"logDriver {NO_SIZE}; {SIZE_WRITE}", logOpts={"max-file": "3"}),
    docker(LOGS, f"logDriver is json-file with a max-size of -1; {SIZE_WRITE}", logOpts={"max-size": "-1"}),
    docker(LOGS, f"logDriver is json-file with a max-size of 0; {SIZE_WRITE}", logOpts={"max-size": "0"}),
    docker(LOGS, f"logDriver is json-file with a max-size of much; {SIZE_WRITE}", logOpts={"max-size": "much"}),
    docker(LOGS, f"logDriver is none; {LOG_WRITE}", logDriver="none"),
    docker(LOGS, f"logDriver is etwlogs; {LOG_WRITE}", logDriver="etwlogs"),
    swarm(LOGS, f"taskSpec.logDriver {DEFAULT_LOGS}; {LOG_WRITE}", {"logDriver": ...}),
    swarm(LOGS, f"taskSpec.logDriver {NO_SIZE}; {SIZE_WRITE}", {"logDriver": {"name": "json-file"}}),
    check("NONE"),
    check("none"),
    check("CMD"),
    check("CMD", "true"),
    check("CMD", "/bin/true"),
    check("CMD-SHELL", "exit 0"),
    check("CMD-SHELL", " true ;"),
    check("CMD", "/bin/sh", "-c", "true"),
    check("CMD-SHELL", "bash -ec 'exit 0'"),
    check("CMD-SHELL", "curl -f http://127.0.0.1 || true"),
    check("CMD-SHELL", "pgrep web | grep -q . || exit 0"),
    check("CMD-SHELL", "curl -f http://127.0.0.1; true"),
    check("CMD-SHELL", "a && b || echo failed"),
    check("CMD", "sleep", "0"),
    check("CMD", "echo", "ok"),
    check("curl", "http://127.0.0.1"),
    swarm(
        HEALTH,
        f"taskSpec.containerSpec.healthcheck.tests {NO_CHECK}",
        {"containerSpec.healthcheck": {"tests": ["NONE"]}},
    ),
    *(
        pod(HEALTH, f"spec.template.spec.containers[0].livenessProbe {NO_CHECK}", {f"{FIRST}livenessProbe": probe})
        for probe in (..., {}, {"exec": {"command": ["true"]}}, {"exec": {"command": ["sh", "-c", "exit 0"]}})
    ),
    pod(MEMORY, f"{LIMITS}memory sets no limit; write one", {f"{FIRST}resources.limits.memory": "-1"}),
    pod(CPU, f"{LIMITS}cpu {NO_CPU}", {f"{FIRST}resources.limits.cpu": "-1"}),
    docker(
        HEALTH,
        left_to("web", "healthcheck.tests", "image is web, which has no digest to read it by"),
        healthcheck=...,
        image="web",
    ),
    docker(
        HEALTH,
        left_to("web", "healthcheck.tests", "image is web, which has no digest to read it by"),
        healthcheck={"interval": "5s"},
        image="web",
    ),
]  # fmt: skip
FINE = [
    docker(MEMORY, "", memory=1e308, memorySwap=1e308),
    docker(SWAP, "", memory=..., memorySwap=...),
    docker(SWAP, "", memory=512, memorySwap=512),
    docker(SWAP, "", memorySwap=128),  # the engine refuses it
    docker(CPU, "", cpus=..., cpuQuota=50000),
    docker(CPU, "", cpus=..., cpuQuota=50000, cpuPeriod=50000),
    docker(CPU, "", cpus=0.5),
    docker(CPU, "", cpus="1/2"),
    docker(
        FILES, "", ulimits=[{"name": "nofile", "soft": 1024, "hard": 2048}, {"name": "core", "soft": -1, "hard": -1}]
    ),
    listed(FILES, {"ulimits": [{"name": "nofile", "soft": -1, "hard": -1}]}, bounded=["nproc"]),
    docker(RESTART, "", restart="no"),
    docker(RESTART, "", restart=...),
    docker(RESTART, "", restart="on-failure", maxRetryCount=5),
    listed(RESTART, {"restart": "on-failure", "maxRetryCount": 9}, maximum=9),
    swarm(RESTART, "", {"restartPolicy": {"condition": "none"}}),
    swarm(RESTART, "", {"restartPolicy": {"condition": "any", "maxAttempts": 5}}),
    docker(LOGS, "", logDriver="local", logOpts=...),
    docker(LOGS, "", logDriver="journald", logOpts=...),
    docker(LOGS, "", logOpts={"max-size": "10 MiB"}),
    docker(LOGS, "", logOpts={"max-size": "1048576"}),
    listed(LOGS, {"logDriver": "none"}, drivers=["none"]),
    check("CMD-SHELL", "curl -f http://127.0.0.1 || exit 1", said=""),
    docker(HEALTH, "", healthcheck={"tests": ["CMD-SHELL", "curl -f http://127.0.0.1 || exit 1; rm -f x || true"]}),
    docker(HEALTH, "", healthcheck={"tests": ["CMD-SHELL", "curl -f http://127.0.0.1 || exit"]}),
    docker(HEALTH, "", healthcheck={"tests": ["CMD-SHELL", "echo x | nc -w1 127.0.0.1 8080"]}),
    pod(HEALTH, "", {f"{FIRST}livenessProbe": {"exec": {"command": ["sh", "-c", "test -f /tmp/live"]}}}),
    pod(HEALTH, "", {f"{FIRST}livenessProbe": {"grpc": {"port": 1}}}),
    pod(HEALTH, "", {f"{FIRST}livenessProbe": UNKNOWN, f"{FIRST}readinessProbe": {"tcpSocket": {"port": 1}}}),
    docker(HEALTH, "", healthcheck={"tests": ["CMD", "bash", "-c", "echo > /dev/tcp/localhost/9092"]}),
    docker(HEALTH, "", healthcheck={"tests": ["CMD-SHELL", "set -e\ncurl -f http://x\nrm -f /tmp/a || true"]}),
    pod(HEALTH, "", {f"{FIRST}livenessProbe": ..., f"{FIRST}readinessProbe": {"tcpSocket": {"port": 1}}}),
]
NO_PIDS = (
    "the docker plugin's Container has no limit of processes: it is set and verified on the host, by "
    "--default-pids-limit of the engine or `docker update --pids-limit`"
)
SILENT = [
    (Case(PIDS, {}), NO_PIDS),
    (
        swarm(PIDS, "", {}),
        "the docker plugin's Service has no limit of processes: it is set and verified on the nodes, by "
        "--default-pids-limit of the engine",
    ),
    (pod(PIDS, "", {}), "the node limits processes (podPidsLimit of the kubelet), no pod does"),
    (
        swarm(SWAP, "", {}),
        "the docker plugin's Service cannot limit swap: turn it off on the nodes, and verify it there",
    ),
    (pod(SWAP, "", {}), "the node decides on swap (memorySwap.swapBehavior of the kubelet), no pod does"),
    (pod(RESTART, "", {}), "the kubelet waits longer before each restart, up to five minutes"),
    (pod(LOGS, "", {}), "the kubelet rotates logs (containerLogMaxSize), no pod does"),
    (pod(FILES, "", {}), "the node's container runtime sets them, no pod does"),
]
UNKNOWNS = [
    unknown_in(MEMORY, "memory", "memory"),
    unknown_in(SWAP, "memorySwap", "memorySwap"),
    unknown_in(SWAP, "memory", "memory"),
    unknown_in(CPU, "cpus", "cpus"),
    unknown_in(FILES, "ulimits", "ulimits"),
    unknown_in(FILES, "ulimits[0].hard", "ulimits.0.hard"),
    unknown_in(RESTART, "restart", "restart"),
    unknown_in(LOGS, "logDriver", "logDriver"),
    unknown_in(LOGS, 'logOpts."max-size"', "logOpts.max-size"),
    unknown_in(HEALTH, "healthcheck.tests[1]", "healthcheck.tests.1"),
    unknown_in(MEMORY, "resources.limits.memoryBytes", "taskSpec.resources.limits.memoryBytes", SERVICE),
    unknown_in(RESTART, "restartPolicy", "taskSpec.restartPolicy", SERVICE),
    unknown_in(
        MEMORY,
        f"{FIRST}resources.limits.memory",
        "spec.template.spec.containers.0.resources.limits.memory",
        DEPLOYMENT,
    ),
]


@pytest.mark.parametrize("case", BROKEN, ids=str)
def test_a_weakness_is_a_violation_that_says_where_and_what_to_write(case: Case) -> None:
    found = case.answer
    assert found.violations == [case.message]
    assert not found.advice


@pytest.mark.parametrize("case", FINE, ids=str)
def test_a_safe_spelling_is_fine(case: Case) -> None:
    found = case.answer
    assert not found.violations
    assert not found.advice


@pytest.mark.parametrize(("case", "reason"), SILENT, ids=lambda it: str(it)[:60])
def test_what_a_type_cannot_say_does_not_apply(case: Case, reason: str) -> None:
    assert case.answer == Answer([], [], [reason])


@pytest.mark.parametrize(("case", "expected"), UNKNOWNS, ids=lambda it: str(it)[:80])
def test_an_unknown_value_is_an_advisory_with_its_path(case: Case, expected: Answer) -> None:
    assert case.answer == expected


def test_another_unknown_property_keeps_no_rule_from_judging() -> None:
    for rule in limits.RULES:
        found = Case(rule.name, {"image": UNKNOWN, "mounts": UNKNOWN, "shmSize": UNKNOWN_NUMBER_VALUE}).answer
        assert not found.advice, rule.name


def test_what_is_known_decides_before_what_is_not() -> None:
    case = docker(LOGS, f"logDriver is none; {LOG_WRITE}", logDriver="none", logOpts=UNKNOWN)
    assert case.answer == Answer([case.message], [], [])


def repaired(rule: str, **changes: Any) -> dict[str, Any]:
    """What a remedy changes."""
    before = container(**changes)
    after, complaint = remediated(BY_NAME[rule], CONTAINER, before)
    assert not complaint
    return {key: value for key, value in (after or before).items() if value != before.get(key)}


@pytest.mark.parametrize("wrong", [..., 0, -1, 512])
def test_swap_is_set_to_the_memory(wrong: Any) -> None:
    assert repaired(SWAP, memorySwap=wrong) == {"memorySwap": 256}


def test_swap_is_left_alone_where_it_is_fine_or_memory_has_no_limit() -> None:
    assert repaired(SWAP) == {}
    assert repaired(SWAP, memory=..., memorySwap=...) == {}


BOUND = {"max-size": "10m", "max-file": "3"}


@pytest.mark.parametrize(
    ("changes", "after"),
    [
        ({"logDriver": ..., "logOpts": ...}, {"logDriver": "json-file", "logOpts": BOUND}),
        ({"logOpts": ...}, {"logOpts": BOUND}),
        ({"logOpts": {"max-file": "9", "labels": "a"}}, {"logOpts": {**BOUND, "max-file": "9", "labels": "a"}}),
        ({"logOpts": {"max-size": "-1"}}, {"logOpts": BOUND}),
        ({"logDriver": "none"}, {}),
        ({"logDriver": "local", "logOpts": ...}, {}),
        ({}, {}),
    ],
)
def test_logs_are_bound_where_they_are_kept_on_the_host(changes: dict[str, Any], after: dict[str, Any]) -> None:
    assert repaired(LOGS, **changes) == after


def test_what_was_put_in_place_breaks_no_rule() -> None:
    for rule, changes in ((SWAP, {"memorySwap": -1}), (LOGS, {"logDriver": ..., "logOpts": ...})):
        after, _ = remediated(BY_NAME[rule], CONTAINER, resource(CONTAINER, changes))
        assert after
        assert docker(rule, "", **after).answer.nothing


@pytest.mark.parametrize("rule", [SWAP, LOGS])
def test_a_resource_of_another_type_is_not_repaired(rule: str) -> None:
    assert remediated(BY_NAME[rule], SERVICE, resource(SERVICE, {"logDriver": ...})) == (None, "")


@pytest.mark.parametrize(("rule", "key"), [(SWAP, "memorySwap"), (LOGS, "logDriver")])
def test_what_is_not_known_yet_is_not_repaired(rule: str, key: str) -> None:
    after, complaint = remediated(BY_NAME[rule], CONTAINER, container(**{key: UNKNOWN}))
    assert after is None
    assert f".{key} can't be known during preview" in complaint


def test_every_rule_of_the_family_has_a_case_and_an_unknown_case() -> None:
    names = {rule.name for rule in limits.RULES}
    assert {case.rule for case in BROKEN} | {PIDS} == names
    assert {case.rule for case, _ in UNKNOWNS} | {PIDS} == names


@pytest.mark.parametrize(
    "command",
    [
        "curl -f http://$(hostname -i || echo localhost):8080/health",
        '[ "$(redis-cli ping || echo down)" = PONG ]',
        "set -o errexit; curl http://127.0.0.1; true",
        'curl http://127.0.0.1 || exit "1"\nexit 0',
        "curl -f http://127.0.0.1/ || exit 1",
        "nc -z 127.0.0.1 80; exit $?",
    ],
)
def test_a_check_that_can_fail_is_one(command: str) -> None:
    assert not checks_nothing([command])
    assert not checks_nothing(["\n" * 100_000 + command])
