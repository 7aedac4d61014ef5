"""All embedded services together: started at the same time, listed, and ended."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

from toolchain.environment import PRODUCTION, Project
from toolchain.errors import ToolchainError
from toolchain.services import process
from toolchain.services.buildkit import buildkit, write_buildx_instance
from toolchain.services.emulation import PLATFORMS, ensure_emulation
from toolchain.services.engine import docker_host, ensure_engine, stop_engine
from toolchain.services.probe import docker_answers
from toolchain.services.process import ServiceRecord
from toolchain.services.registries import private, production, quarantine
from toolchain.services.service import Report, ensure_running

GRACE = {"quarantine": 10.0, "registry": 10.0, PRODUCTION: 10.0, "buildkit": 20.0}
"""Seconds that a service gets to end; the Docker Engine is ended by rules of its own."""


@contextlib.contextmanager
def exclusive(project: Project, report: Report) -> Iterator[None]:
    """Lets one run of the toolchain at a time start or end services of this checkout, or fill what they serve."""
    project.run.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (project.run / "services.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("waiting for another run of the toolchain in this checkout")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def start_services(
    project: Project,
    environment: Mapping[str, str],
    report: Report,
    platforms: Iterable[str] = PLATFORMS,
    *,
    with_production: bool = False,
) -> None:
    """Makes sure that every service runs; those that depend on nothing of each other start at the same time.

    Args:
        project: the checkout.
        environment: the prepared environment.
        report: takes a line for each thing that was done.
        platforms: what must be built here.
        with_production: whether production's own registry is needed, too.

    Raises:
        ToolchainError: with what every service that failed has to say.
    """

    def start_buildkit() -> None:
        # BuildKit looks for emulators when it starts.
        ensure_emulation(platforms, report)
        record = ensure_running(buildkit(project), environment, report)
        write_buildx_instance(project, record.address)

    tasks: dict[str, Callable[[], object]] = {
        "quarantine": lambda: ensure_running(quarantine(project), environment, report),
        "registry": lambda: ensure_running(private(project, environment), environment, report),
        "buildkit": start_buildkit,
        "docker": lambda: ensure_engine(project, environment, report),
    }
    if with_production:
        tasks[PRODUCTION] = lambda: ensure_running(production(project, environment), environment, report)
    with exclusive(project, report):
        _together(tasks)


def running_services(project: Project) -> list[ServiceRecord]:
    """Returns the records of the services that this checkout started and that still run."""
    records = (process.read_record(path.parent) for path in sorted(project.services.glob("*/record.json")))
    return [record for record in records if record is not None and record.alive()]


def stop_services(project: Project, report: Report) -> list[ServiceRecord]:
    """Ends the services that this checkout started, and returns those that had to be left running.

    Each is known by its id, start time and boot; a process that merely has the same id is not touched.
    """
    with exclusive(project, report):
        records = running_services(project)

        def end(record: ServiceRecord) -> None:
            if record.name == "docker":
                ended = stop_engine(project, report)
            else:
                ended = process.stop(record, grace=GRACE.get(record.name, 10.0))
            if ended:
                report(f"{record.name}: ended (pid {record.pid})")

        _together({record.name: functools.partial(end, record) for record in records})
        return running_services(project)


@contextlib.contextmanager
def shared_engine(project: Project, environment: Mapping[str, str], report: Report) -> Iterator[None]:
    """Makes sure of a Docker Engine and of emulators for several checkouts that work side by side in the block.

    Each would start an engine at the same time, and the first to be done would end it under the others. One that was
    started here ends with the block.
    """
    ensure_emulation(PLATFORMS, report)
    started = not docker_answers(docker_host(environment))
    try:
        ensure_engine(project, environment, report)
        yield
    finally:
        if started:
            stop_engine(project, report)


def _together(tasks: Mapping[str, Callable[[], object]]) -> None:
    """Runs ``tasks`` at the same time, waits for all, and raises what failed as one message."""
    if not tasks:
        return
    failures: list[str] = []
    guard = threading.Lock()

    def run(task: Callable[[], object]) -> None:
        try:
            task()
        except ToolchainError as error:
            with guard:
                failures.append(str(error))

    with ThreadPoolExecutor(len(tasks)) as pool:
        for future in [pool.submit(run, task) for task in tasks.values()]:
            future.result()
    if failures:
        raise ToolchainError("\n".join(failures))
