"""Bring a started container to rest: set the limit that its resource cannot say, wait for its health, look who runs.

`docker.Container` has no field for the pids limit (CIS Docker Benchmark 1.6, 5.29), so it is set on the container
itself and read back. A container that does not become healthy fails the step with its last health output and log lines.
"""

import argparse
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from steps.engine import docker, inspect, lack_of_memory
from steps.previous import printed
from steps.tool import StepError, ToolError, elapsed, run_step, say

_POLL = 0.1
_REPORT = 10.0
_LOG_LINES = 20


def limit_pids(host: str, container: str, pids: int) -> None:
    """Set the pids limit and make sure that the engine took it."""
    try:
        docker(host, "update", "--pids-limit", str(pids), container)
    except ToolError as error:
        if "stopped container" not in error.output and "not running" not in error.output:
            raise
        raise StepError(_last_words(host, container, _container(host, container), 0)) from None
    seen = _container(host, container)["HostConfig"]["PidsLimit"]
    if seen != pids:
        raise StepError(
            f"container {container}: its pids limit is {seen} after it was set to {pids}: the engine ignores it"
        )


def start_again(host: str, seen: Mapping[str, Any], *, changed: bool) -> None:
    """Start a container anew that is in trouble for what it had before: it may have what it lacked by now.

    A limit that is raised reaches a container that is there; the engine, which waits ever longer before it restarts
    what ends again and again, does not start it for that. What somebody has stopped stays stopped.

    Args:
        host: address of the Docker Engine.
        seen: what the engine knows of the container.
        changed: whether it has something else than when it was settled, if it ever was.
    """
    state = seen["State"]
    health = (state.get("Health") or {}).get("Status")
    ended = state.get("Restarting") or (not state["Running"] and state.get("OOMKilled"))
    if ended or (changed and state["Running"] and health == "unhealthy"):
        say(f"starting it again: it was {'ending' if ended else 'unhealthy'} with what it had before")
        docker(host, "restart", seen["Id"], timeout=None)


def check_memory(seen: Mapping[str, Any], memory: int) -> None:
    """Make sure that the engine took the limit of memory, in MiB, of a container that it knows."""
    took = seen["HostConfig"]["Memory"] / 2**20
    if took != memory:
        raise StepError(
            f"container {seen['Id']}: its memory limit is {took:g} MiB, not {memory}: the engine ignores it"
        )


def wait_until_healthy(host: str, container: str, timeout: float, since: datetime | None = None) -> str:
    """Wait for the engine's own verdict.

    Args:
        host: address of the Docker Engine.
        container: id of the container.
        timeout: seconds.
        since: only a check that began later counts; where none did in time, the one before is told as such.

    Raises:
        StepError: it stopped, is unhealthy, or says nothing in time; with its last words.
    """
    start = said = time.monotonic()
    while True:
        seen = _container(host, container)
        state = seen["State"]
        health = (state.get("Health") or {}).get("Status", "none")
        waited = time.monotonic() - start
        if health == "healthy" and (since is None or _checked_since(state, since)):
            return str(health)
        if health == "healthy" and waited > timeout:
            say(f"it was healthy before the change, and no check has ended in the {waited:.0f} s since")
            return str(health)
        if not state["Running"] or state.get("Restarting") or health == "unhealthy" or waited > timeout:
            raise StepError(_last_words(host, container, seen, waited))
        if time.monotonic() - said > _REPORT:
            said = time.monotonic()
            say(f"waiting for a healthy container: {health}, {waited:.0f} s of {timeout:.0f} s")
        time.sleep(_POLL)


def refuse_root(host: str, container: str) -> None:
    """Make sure that nothing in the container runs as root, whatever its user is called (CIS 4.1).

    Raises:
        StepError: something does; the container is stopped by then.
    """
    rows = docker(host, "top", container, "-eo", "pid,uid").splitlines()[1:]
    if any(row.split()[1:] == ["0"] for row in rows):
        docker(host, "stop", container, timeout=None)
        raise StepError(
            f"container {container[:12]} ran as root and was stopped: the image's user has a name of its own, and "
            "root's number (uid 0). Give it another, such as `useradd --uid 10001`, then run `pulumi up` again."
        )


def _checked_since(state: Mapping[str, Any], since: datetime) -> bool:
    """Whether a health check has ended that began after this time."""
    return any(datetime.fromisoformat(it["Start"]) > since for it in (state["Health"].get("Log") or ())[-1:])


def _container(host: str, container: str) -> dict[str, Any]:
    found = inspect(host, "container", [container])
    if not found:
        raise StepError(
            f"container {container} is gone: something else removed it; run `pulumi refresh`, then `pulumi up`"
        )
    return found[0]


def _last_words(host: str, container: str, seen: Mapping[str, Any], waited: float) -> str:
    state = seen["State"]
    health = state.get("Health") or {}
    log = health.get("Log") or []
    status = health.get("Status", "without a health check")
    if not state["Running"] or state.get("Restarting"):
        status = f"stopped with exit code {state['ExitCode']}"
    lines = docker(host, "logs", "--tail", str(_LOG_LINES), container, both=True).splitlines()
    return "\n".join(
        [
            f"container {container[:12]} is {status} after {waited:.0f} s.",
            *_causes(seen, lines),
            f"Last health output: {log[-1]['Output'].strip() or '(empty)'}" if log else "No health check has run.",
            f"Last log lines (`docker logs {container[:12]}` for more):",
            *(f"  {line}" for line in lines),
            "The container is left as it is for a look; correct the cause and run `pulumi up` again.",
        ]
    )


def _causes(seen: Mapping[str, Any], lines: Sequence[str]) -> Iterator[str]:
    """What its state and its log point to, in words for the settings."""
    if lacks := lack_of_memory(seen):
        yield f"{lacks[:1].upper()}{lacks[1:]}."
    if any("/run/secrets/" in line and "permission denied" in line.lower() for line in lines):
        yield (
            "The image's user may not read the secret files: run.secrets_owner has to be the number of that user, "
            "10001 if left out (`id -u USER` in the image shows it)."
        )


def main() -> dict[str, Any]:
    """Settle what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m steps.settle", description=__doc__)
    parser.add_argument("--docker", required=True, help="address of the Docker Engine")
    parser.add_argument("--container", required=True)
    parser.add_argument("--pids", required=True, type=int)
    parser.add_argument("--memory", required=True, type=int, help="MiB")
    parser.add_argument("--timeout", required=True, type=float, help="seconds to become healthy")
    request = parser.parse_args()
    before, began = printed(), datetime.now(UTC)
    # What was healthy with more memory says nothing of how it does with less.
    same = before is None or before.get("memory", request.memory) == request.memory
    seen = _container(request.docker, request.container)
    check_memory(seen, request.memory)
    start_again(request.docker, seen, changed=before is None or not same)
    limit_pids(request.docker, request.container, request.pids)
    with elapsed("healthy"):
        health = wait_until_healthy(request.docker, request.container, request.timeout, None if same else began)
    refuse_root(request.docker, request.container)
    return {"container": request.container, "health": health, "pids": request.pids, "memory": request.memory}


if __name__ == "__main__":
    run_step(main)
