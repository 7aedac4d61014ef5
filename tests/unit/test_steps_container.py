"""What a container needs before it starts, and how it comes to rest, with a shell script in docker's place."""

from __future__ import annotations

import json
import re
import shlex
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steps.preflight import Service, check_image, check_network, go_duration, preflight
from steps.settle import check_memory, limit_pids, refuse_root, start_again, wait_until_healthy
from steps.tool import StepError
from tests.conftest import ToolMaker
from tests.engine import CHECK, CONTAINER, DOWN, HOST, REFERENCE, STACK, docker, image
from tests.running import calls, fails, run_step_program


@pytest.mark.parametrize("user", ["app", "10001", "app:app", "10001:10001", "rooted"])
def test_an_image_with_a_user_of_its_own_may_run(tool: ToolMaker, user: str) -> None:
    docker(tool, image=image(user))
    health = check_image(HOST, REFERENCE, {})
    assert health["tests"] == CHECK["Test"]
    assert health["interval"] == "30s"
    assert health["timeout"] == "3s"


@pytest.mark.parametrize("user", ["", "root", "0", "0:0", "root:app", "00", "+0"])
def test_an_image_that_runs_as_root_is_refused(tool: ToolMaker, user: str) -> None:
    docker(tool, image=image(user))
    with pytest.raises(StepError) as caught:
        check_image(HOST, REFERENCE, {})
    assert str(caught.value).startswith(f"{REFERENCE} runs as root")
    assert "set USER in the Dockerfile" in str(caught.value)


@pytest.mark.parametrize("health", [None, {}, {"Test": []}, {"Test": ["NONE"]}])
def test_an_image_that_cannot_say_whether_it_is_healthy_is_refused(tool: ToolMaker, health: Any) -> None:
    docker(tool, image=image(health=health))
    with pytest.raises(StepError, match="has no health check: add HEALTHCHECK to the Dockerfile"):
        check_image(HOST, REFERENCE, {"interval": 1})


def test_a_health_check_of_the_stack_takes_the_place_of_the_images(tool: ToolMaker) -> None:
    docker(tool, image=image(health=None))
    assert check_image(HOST, REFERENCE, {"tests": ["CMD", "true"], "retries": 2, "interval": 1.5}) == {
        "tests": ["CMD", "true"],
        "retries": 2,
        "interval": "1.5s",
    }


def test_an_image_that_was_not_pulled_is_told(tool: ToolMaker) -> None:
    docker(tool)
    with pytest.raises(StepError, match="is not on the host"):
        check_image(HOST, REFERENCE, {})


def seconds_of(text: str) -> float:
    """Seconds of a duration as Go writes it."""
    units = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
    found = re.findall(r"([0-9.]+)(ms|h|m|s)", text)
    assert "".join(number + unit for number, unit in found) == text
    return sum(float(number) * units[unit] for number, unit in found)


@given(st.integers(0, 3_600_000))
def test_a_duration_is_spelled_as_go_does_and_keeps_its_value(milliseconds: int) -> None:
    assert round(seconds_of(go_duration(milliseconds * 1_000_000)) * 1000) == milliseconds


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0s"),
        (500_000_000, "500ms"),
        (1_000_000_000, "1s"),
        (1_500_000_000, "1.5s"),
        (60_000_000_000, "1m0s"),
        (90_000_000_000, "1m30s"),
        (3_600_000_000_000, "1h0m0s"),
        (3_661_000_000_000, "1h1m1s"),
        (59_999_999_900, "59.9999999s"),
    ],
)
def test_durations_are_spelled_as_the_provider_reads_them_back(nanoseconds: int, text: str) -> None:
    assert go_duration(nanoseconds) == text


def test_the_preflight_hands_on_what_may_run_and_its_whole_health_check(tool: ToolMaker) -> None:
    docker(tool, image=image(), network=[{}])
    result = preflight(HOST, REFERENCE, "own", "web", [], Service(STACK, "web"), {"interval": 1})
    assert result["reference"] == REFERENCE
    assert result["health"]["interval"] == "1s"
    assert result["health"]["tests"] == CHECK["Test"]


def test_a_network_that_somebody_has_removed_is_refused_with_what_makes_it_anew(tool: ToolMaker) -> None:
    docker(tool, network=[])
    with pytest.raises(StepError) as caught:
        check_network(HOST, "web-network-0123456")
    assert str(caught.value).startswith(
        "network web-network-0123456 is in this stack's state, but no more on the engine"
    )
    assert "`pulumi up --refresh` makes it anew" in str(caught.value)


@pytest.mark.parametrize("step", ["preflight", "settle"])
def test_an_engine_that_is_down_is_told_as_such(tool: ToolMaker, step: str) -> None:
    tool("docker", fails(DOWN))
    given = {
        "preflight": [
            "--reference",
            REFERENCE,
            "--network",
            "own",
            "--name",
            "web",
            "--stack",
            STACK,
            "--service",
            "web",
        ],
        "settle": ["--container", CONTAINER, "--pids", "100", "--memory", "256", "--timeout", "5"],
    }[step]
    ended = run_step_program(step, ["--docker", HOST, *given])
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith(f"error: the Docker Engine at {HOST} does not answer")
    assert "Traceback" not in ended.stderr


def test_a_container_that_is_gone_is_told_as_such(tool: ToolMaker) -> None:
    tool("docker", "[ $3 = update ] || echo '[]'")
    with pytest.raises(StepError, match=f"container {CONTAINER} is gone: something else removed it"):
        limit_pids(HOST, CONTAINER, 100)


def state(health: str | None = None, running: bool = True, output: str = "", **more: Any) -> list[dict[str, Any]]:
    """What the engine says of the container's state."""
    log = [{"Output": output}] if output else []
    checked = {"Health": {"Status": health, "Log": log}} if health else {}
    return [{"State": {"Running": running, "ExitCode": 0, **checked, **more}, "HostConfig": {"PidsLimit": 100}}]


def test_a_healthy_container_settles_at_once(tool: ToolMaker) -> None:
    path = docker(tool, container=state("healthy"))
    assert wait_until_healthy(HOST, CONTAINER, 5) == "healthy"
    assert len(calls(path)) == 1


def test_it_waits_while_the_container_is_starting(tool: ToolMaker) -> None:
    starting, healthy = (json.dumps(state(it)) for it in ("starting", "healthy"))
    docker(
        tool, container=f"if [ -e \"$0.seen\" ]; then echo '{healthy}'; else echo '{starting}'; touch \"$0.seen\"; fi"
    )
    assert wait_until_healthy(HOST, CONTAINER, 5) == "healthy"


def test_after_a_change_only_a_check_that_began_later_counts(
    tool: ToolMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    since = datetime(2026, 11, 29, 12, tzinfo=UTC)
    old, new = state("healthy", output="fine"), state("healthy", output="fine")
    old[0]["State"]["Health"]["Log"][0]["Start"] = "2026-11-29T12:59:59.999999999+01:00"
    new[0]["State"]["Health"]["Log"][0]["Start"] = "2026-11-29T12:00:00.000001001Z"
    path = docker(
        tool,
        container=f"if [ -e \"$0.seen\" ]; then echo '{json.dumps(new)}'; "
        f"else echo '{json.dumps(old)}'; touch \"$0.seen\"; fi",
    )
    assert wait_until_healthy(HOST, CONTAINER, 5, since) == "healthy"
    assert len(calls(path)) == 2
    docker(tool, container=old)
    assert wait_until_healthy(HOST, CONTAINER, 0, since) == "healthy"
    assert "it was healthy before the change, and no check has ended" in capsys.readouterr().err


LOGS = 'echo "to standard output"; echo "Traceback: to standard error" >&2'


def last_words(tool: ToolMaker, timeout: float, logs: str = "", **of: Any) -> str:
    """What is said of a container that does not become healthy; it logs a line of its own, too."""
    docker(tool, container=state(**of), logs=f"{LOGS}; echo {shlex.quote(logs)}")
    with pytest.raises(StepError) as caught:
        wait_until_healthy(HOST, CONTAINER, timeout)
    message = str(caught.value)
    assert message.startswith(f"container {CONTAINER[:12]} is ")
    # What a program says as it dies, it says on standard error.
    assert "  to standard output" in message
    assert "  Traceback: to standard error" in message
    assert "pulumi up" in message
    return message


def test_an_unhealthy_container_fails_with_its_last_health_output_and_log_lines(tool: ToolMaker) -> None:
    message = last_words(tool, 30, health="unhealthy", output="HTTP 500 from /healthz\n")
    assert "is unhealthy after 0 s." in message  # the engine's verdict, not the end of the time
    assert "Last health output: HTTP 500 from /healthz" in message


def test_an_app_that_may_not_read_its_secret_is_told_whose_the_files_are(tool: ToolMaker) -> None:
    """Of a user with a name, the image's configuration does not say the number."""
    denied = "PermissionError: [Errno 13] Permission denied: '/run/secrets/db_password'"
    stopped: dict[str, Any] = {"health": "starting", "running": False, "ExitCode": 1}
    assert "run.secrets_owner has to be the number of that user" in last_words(tool, 30, denied, **stopped)
    elsewhere = denied.replace("/run/secrets", "/srv")
    assert "secrets_owner" not in last_words(tool, 30, elsewhere, **stopped)


def test_a_container_that_stopped_fails_with_its_exit_code(tool: ToolMaker) -> None:
    message = last_words(tool, 30, health="starting", running=False, ExitCode=3)
    assert "stopped with exit code 3 after 0 s." in message
    assert "No health check has run" in message


OUT_OF_MEMORY = {
    "Status": "restarting",
    "Running": True,
    "Paused": False,
    "Restarting": True,
    "OOMKilled": True,
    "Dead": False,
    "Pid": 0,
    "ExitCode": 137,
    "Error": "",
    "StartedAt": "2026-11-29T02:16:53.120412907Z",
    "FinishedAt": "2026-11-29T02:16:53.794718025Z",
    "Health": {"Status": "unhealthy", "FailingStreak": 0, "Log": []},
}
"""What the engine says of a container that the kernel has killed for its memory limit, and that it starts again."""


def test_a_container_that_was_killed_for_lack_of_memory_is_told_to_get_more(tool: ToolMaker) -> None:
    docker(tool, container=[{"State": OUT_OF_MEMORY, "HostConfig": {"Memory": 256 * 2**20}}], logs="exit 0")
    with pytest.raises(StepError) as caught:
        wait_until_healthy(HOST, CONTAINER, 30)
    first, second, *_ = str(caught.value).splitlines()
    assert first == f"container {CONTAINER[:12]} is stopped with exit code 137 after 0 s."
    assert second == "A process in it was killed for lack of memory (run.memory is 256 MiB): raise it."


def test_a_process_that_was_killed_for_lack_of_memory_is_told_where_the_container_goes_on(tool: ToolMaker) -> None:
    going_on = OUT_OF_MEMORY | {"Status": "running", "Restarting": False, "ExitCode": 0}
    docker(tool, container=[{"State": going_on, "HostConfig": {"Memory": 2**30}}], logs="exit 0")
    with pytest.raises(StepError, match=r"is unhealthy after 0 s\.\nA process .* \(run\.memory is 1024 MiB\)"):
        wait_until_healthy(HOST, CONTAINER, 30)


def test_a_container_that_restarts_over_and_over_is_not_waited_for(tool: ToolMaker) -> None:
    message = last_words(tool, 30, health="starting", Restarting=True, ExitCode=137, OOMKilled=False)
    assert "stopped with exit code 137 after 0 s." in message
    assert "memory" not in message  # somebody may have killed it


def test_a_container_that_stays_starting_fails_when_the_time_is_over(tool: ToolMaker) -> None:
    assert "is starting after" in last_words(tool, 0, health="starting", output="refused")


def test_a_container_without_a_health_check_never_counts_as_healthy(tool: ToolMaker) -> None:
    assert "without a health check" in last_words(tool, 0)


def test_a_container_that_is_gone_is_told(tool: ToolMaker) -> None:
    docker(tool)
    with pytest.raises(StepError, match=r"is gone: .*pulumi refresh"):
        wait_until_healthy(HOST, CONTAINER, 5)


@pytest.mark.parametrize(
    ("seen", "changed", "again"),
    [
        (state("healthy"), True, False),
        (state("starting"), True, False),
        (state(), True, False),
        (state("unhealthy"), True, True),
        (state("unhealthy"), False, False),
        (state("unhealthy", running=False), True, False),  # stopped by somebody, or because it ran as root
        (state("starting", running=False, OOMKilled=True), False, True),
        (state("starting", Restarting=True), False, True),
    ],
)
def test_what_is_in_trouble_for_what_it_had_before_is_started_again(
    tool: ToolMaker, seen: list[dict[str, Any]], changed: bool, again: bool
) -> None:
    path = docker(tool, restart="exit 0")
    start_again(HOST, seen[0] | {"Id": CONTAINER}, changed=changed)
    assert calls(path) == ([f"--host {HOST} restart {CONTAINER}"] if again else [])


def test_a_memory_limit_that_the_engine_ignores_is_told() -> None:
    seen = {"Id": CONTAINER, "HostConfig": {"Memory": 256 * 2**20}}
    check_memory(seen, 256)
    with pytest.raises(StepError, match="its memory limit is 256 MiB, not 512: the engine ignores it"):
        check_memory(seen, 512)


def test_the_pids_limit_is_set_and_read_back(tool: ToolMaker) -> None:
    path = docker(tool, update="exit 0", container=state())
    limit_pids(HOST, CONTAINER, 100)
    assert calls(path)[0].endswith(f"update --pids-limit 100 {CONTAINER}")
    with pytest.raises(StepError, match="its pids limit is 100 after it was set to 42"):
        limit_pids(HOST, CONTAINER, 42)


@pytest.mark.parametrize("uids", [["10001"], ["10001", "10001"], ["100000"], []])
def test_a_container_whose_processes_are_not_roots_settles(tool: ToolMaker, uids: list[str]) -> None:
    rows = "\\n".join(["PID UID", *(f"{number + 40} {uid}" for number, uid in enumerate(uids))])
    path = docker(tool, top=f"printf '{rows}\\n'")
    refuse_root(HOST, CONTAINER)
    assert len(calls(path)) == 1


def test_a_container_that_runs_as_root_under_another_name_is_stopped(tool: ToolMaker) -> None:
    path = docker(tool, top="printf 'PID UID\\n41 10001\\n42 0\\n'", stop="exit 0")
    with pytest.raises(StepError, match=r"ran as root and was stopped.*uid 0.*useradd --uid 10001"):
        refuse_root(HOST, CONTAINER)
    assert calls(path)[-1].endswith(f"stop {CONTAINER}")
