"""Rules about what a container may use up, and about how its end is noticed."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pulumi_policy import Severity

from judging.engine import health_of
from judging.image_config import image_configs
from judging.images import Image
from judging.rule import NotApplicable, Problem, Rule, Source, Subject
from judging.workload import Container, each
from rules.sources import CIS, ENGINE

SIZE = re.compile(r"(?P<number>[0-9]+(?:\.[0-9]+)?) ?(?:[kKmMgGtTpP]?i?[bB]?)")
"""A size as the engine reads it: 10m, 10MiB, 10485760."""
ROTATED = ("json-file", "local")
"""Drivers that keep files on the host's disk."""
OTHER_DRIVERS = ("journald", "syslog", "fluentd", "gelf", "awslogs", "gcplogs", "splunk", "loki")
"""Drivers that hand on what they get."""
SWAP_FIX = "Write memorySwap equal to memory: the two together are the limit."
REPAIRED = "docker:index/container:Container"


def memory_is_limited(subject: Subject) -> Iterator[Problem]:
    """Without a limit one leak takes the memory of everybody on the host, and the kernel ends whom it likes."""

    def judge(container: Container) -> Iterator[Problem]:
        if container.memory is None:
            yield Problem(f"{container.path('memory')} sets no limit", "write one", container.where)

    return each(subject, judge)


def swap_is_limited(subject: Subject) -> Iterator[Problem]:
    """Left out, swap is as much again as the memory: the limit is twice what it says, and the disk slows down all."""

    def judge(container: Container) -> Iterator[Problem]:
        total, memory = container.memory_and_swap, container.memory
        if memory is None or total is None:
            return  # a matter of the rule on memory
        if total < 0 or total > memory:
            much = "does not limit it" if total < 0 else f"lets both together come to {total // 1024**2} MiB"
            path = container.path("memory_and_swap")
            yield Problem(
                f"{path} {much}", f"write {memory // 1024**2}, as much as {container.path('memory')}", container.where
            )

    return each(subject, judge)


def forbid_swap(subject: Subject) -> Mapping[str, Any] | None:
    """A limit of memory and swap together that is the limit of memory."""
    _repairable(subject)
    return {"memorySwap": subject.properties["memory"]} if list(swap_is_limited(subject)) else None


def cpu_is_limited(subject: Subject) -> Iterator[Problem]:
    """Without a limit one loop slows down everybody on the host.

    CIS asks for shares, which only weigh: alone on the host a container with few of them still takes all.
    """

    def judge(container: Container) -> Iterator[Problem]:
        if container.cpus is None:
            yield Problem(f"{container.path('cpus')} sets no limit", "write one, such as 0.5", container.where)

    return each(subject, judge)


def processes_are_limited(subject: Subject) -> Iterator[Problem]:
    """A fork bomb needs no memory and no CPU time: it uses up the host's processes."""

    def judge(container: Container) -> Iterator[Problem]:
        if container.pids is None:
            yield Problem(f"{container.path('pids')} sets no limit", "write one, such as 100", container.where)

    return each(subject, judge)


def open_files_are_limited(subject: Subject) -> Iterator[Problem]:
    """The engine's own limits are finite; a container that lifts them can use up the host's files and processes."""
    bounded = subject.options["bounded"]

    def judge(container: Container) -> Iterator[Problem]:
        for limit in container.ulimits:
            if limit.name in bounded and limit.value == "-1":
                yield Problem(f"{limit.path} lifts the limit {limit.name}", "write a number", container.where)

    return each(subject, judge)


def restart_is_bounded(subject: Subject) -> Iterator[Problem]:
    """A container that fails at once and is started forever uses up the host and hides the failure.

    CIS allows nothing but on-failure with at most 5 tries. `unless-stopped` is allowed here, against CIS: a service has
    to come back when its host does. `always` is not: it also starts again what somebody stopped.
    """
    most = int(subject.options["maximum"])

    def judge(container: Container) -> Iterator[Problem]:
        restart = container.restart
        if restart.policy in ("no", "unless-stopped"):
            return
        if restart.maximum is None or restart.maximum > most or restart.maximum < 0:
            tries = "without a maximum" if restart.maximum is None else f"{restart.maximum} times"
            yield Problem(
                f"{container.path('restart')} starts it again {tries} ({restart.policy})",
                _restart_to_write(container.path("restart"), most),
                container.where,
            )

    return each(subject, judge)


def _restart_to_write(path: str, most: int) -> str:
    if path == "restart":
        return f'write "unless-stopped", or "on-failure" with a maxRetryCount of at most {most}'
    return f'write the condition "on-failure" with maxAttempts of at most {most}'


def logs_are_bounded(subject: Subject) -> Iterator[Problem]:
    """The engine's default driver keeps everything, until the disk is full; `none` keeps nothing to look into."""
    others = subject.options["drivers"]

    def judge(container: Container) -> Iterator[Problem]:
        path, driver = container.path("logs"), container.logs.driver
        write = f'write "json-file" with a max-size, or one of {", ".join(("local", *others))}'
        if driver is None:
            yield Problem(f"{path} is left to the engine, whose default keeps everything", write, container.where)
        elif driver in ROTATED:
            size = container.logs.option("max-size")
            if not (size or driver == "local") or (size and not _is_size(size)):
                yield Problem(f"{path} is {driver} {_size(size)}", 'write max-size, such as "10m"', container.where)
        elif driver not in others:
            yield Problem(f"{path} is {driver}", write, container.where)

    return each(subject, judge)


def _size(size: str) -> str:
    return f"with a max-size of {size}" if size else "without a max-size"


def _is_size(text: str) -> bool:
    matched = SIZE.fullmatch(text)
    return matched is not None and float(matched["number"]) > 0


def bound_logs(subject: Subject) -> Mapping[str, Any] | None:
    """The options of json-file with a limit, where that driver is said or the engine's default would decide."""
    _repairable(subject)
    driver = subject.properties.get("logDriver") or "json-file"
    if driver not in ROTATED or not list(logs_are_bounded(subject)):
        return None
    options = {name: value for name, value in (subject.properties.get("logOpts") or {}).items() if name != "max-size"}
    return {"logDriver": driver, "logOpts": {"max-file": "3", **options, "max-size": "10m"}}


def is_health_checked(subject: Subject) -> Iterator[Problem]:
    """A process that runs and does not answer is dead to its users; only a check of its own tells."""

    def judge(container: Container) -> Iterator[Problem]:
        health = container.health
        if health == "own":
            return
        path = container.path("health")
        if health == "disabled":
            yield Problem(f"{path} checks nothing", "write a check that asks the service", container.where)
            return
        images = image_configs(Image(container.image, container.where, container.path("image")), subject.settings)
        write = f"write {path}, or name an image by digest that has a HEALTHCHECK"
        if images.problem:
            yield Problem(f"{path} is left to the image, and {images.problem}", write, container.where)
        without = sorted(it for it, config in images.platforms.items() if health_of(config.health_test) != "own")
        if without:
            yield Problem(f"{path} is left to the image, which has none ({', '.join(without)})", write, container.where)

    return each(subject, judge)


def _repairable(subject: Subject) -> None:
    if subject.type != REPAIRED:
        raise NotApplicable("only a container of the docker plugin is repaired")


def _strings(default: tuple[str, ...], description: str) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "string"}, "default": list(default), "description": description}


RULES: tuple[Rule, ...] = (
    Rule(
        name="container-memory-is-limited",
        statement="A container's memory is limited",
        check=memory_is_limited,
        source=CIS(control="5.11"),
        severity=Severity.HIGH,
        fix="Write memory (in MiB; memoryBytes of a service, resources.limits.memory of a pod).",
    ),
    Rule(
        name="container-swap-is-limited",
        statement="A container has no swap on top of its memory",
        check=swap_is_limited,
        source=ENGINE(control="--memory-swap"),
        severity=Severity.MEDIUM,
        fix=SWAP_FIX,
        remedy=forbid_swap,
    ),
    Rule(
        name="container-cpu-is-limited",
        statement="A container's CPU time is limited",
        check=cpu_is_limited,
        source=CIS(control="5.12"),
        severity=Severity.MEDIUM,
        fix="Write cpus, or cpuQuota with cpuPeriod (nanoCpus of a service, resources.limits.cpu of a pod).",
    ),
    Rule(
        name="container-processes-are-limited",
        statement="A container's processes are limited",
        check=processes_are_limited,
        source=CIS(control="5.29"),
        severity=Severity.MEDIUM,
        fix="Write a limit where the resource has one; set and verify it on the host where it has none.",
    ),
    Rule(
        name="container-open-files-are-limited",
        statement="A container does not lift the limits of open files and processes",
        check=open_files_are_limited,
        source=CIS(control="5.19"),
        severity=Severity.MEDIUM,
        fix="Write numbers into ulimits, or leave them out.",
        options={"bounded": _strings(("nofile", "nproc"), "resource limits that a container must not lift")},
    ),
    Rule(
        name="container-restart-is-bounded",
        statement="A container restarts unless stopped, or a bounded number of times",
        check=restart_is_bounded,
        source=CIS(control="5.15"),
        severity=Severity.MEDIUM,
        fix='Write restart: "unless-stopped", or "on-failure" with maxRetryCount (maxAttempts of a service).',
        options={
            "maximum": {
                "type": "integer",
                "minimum": 1,
                "default": 5,
                "description": "times that a container may be started again",
            }
        },
    ),
    Rule(
        name="container-logs-are-bounded",
        statement="A container's logs go to json-file with a maximum size, or to another driver of the list",
        check=logs_are_bounded,
        source=Source(
            "Docker documentation",
            "",
            "Configure logging drivers",
            "https://docs.docker.com/engine/logging/configure/",
        ),
        severity=Severity.MEDIUM,
        fix='Write logDriver: "json-file" and logOpts: {max-size: "10m", max-file: "3"}.',
        options={"drivers": _strings(OTHER_DRIVERS, "log drivers beside json-file and local that are fine")},
        remedy=bound_logs,
    ),
    Rule(
        name="container-is-health-checked",
        statement="A container has a health check, of its own or of its image",
        check=is_health_checked,
        source=CIS(control="5.27"),
        severity=Severity.MEDIUM,
        fix="Write healthcheck.tests (livenessProbe or readinessProbe of a pod), or HEALTHCHECK in the Dockerfile.",
    ),
)
