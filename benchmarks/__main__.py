"""`make bench`: the pipeline beside the same tools in a shell script, and what changes nothing beside an empty program.

Everything is measured in one run, turn by turn, on real services, in a checkout and a backend of its own. Each figure
is a median of whole-process wall times in seconds; the ratio is what counts, machines differ. Results are printed and
written to benchmarks/results.md.
"""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.evidence import measure as evidence_benchmark
from benchmarks.measuring import RUN, Series, most_memory, row, run
from benchmarks.promotion import Place
from benchmarks.promotion import measure as promotion_benchmark
from benchmarks.rules import measure as rules_benchmark

PROJECT = Path(__file__).resolve().parent.parent
STATE = PROJECT / ".slipway"
FOLDER = STATE / "bench"
CHECKOUT = FOLDER / "checkout"
EMPTY = FOLDER / "empty"
BY_HAND = FOLDER / "by-hand"
EMPTY_PACK = FOLDER / "empty-pack"
SCRIPT = PROJECT / "benchmarks" / "pipeline.sh"
WARM = f"warm-{RUN}"
PIPELINE, BY_SCRIPT, DECLARED = "slipway-bench-pulumi", "slipway-bench-script", "slipway-bench-by-hand"
PORTS = {PIPELINE: 18081, BY_SCRIPT: 18082}
_SYSTEM = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_START = time.monotonic()
_NO_RULE = """from pulumi_policy import PolicyPack, ResourceValidationPolicy

PolicyPack("empty", [ResourceValidationPolicy("nothing", "Nothing is looked at", lambda args, report: None)])
"""
NO_CHANGE = "--expect-no-changes"
COLD_ROUNDS, WARM_ROUNDS, QUIET_ROUNDS = 2, 5, 5


def _run(command: Sequence[str], folder: Path) -> str:
    return run(command, folder, _environment())


def _environment() -> dict[str, str]:
    instance = json.loads((STATE / "buildx" / "instances" / "slipway").read_text())
    socket = instance["Nodes"][0]["Endpoint"].removeprefix("unix://")
    return {**os.environ, "PULUMI_BACKEND_URL": f"file://{FOLDER}/backend?metadata=skip", "BUILDKIT_SOCKET": socket}


def _prepare() -> None:
    _clean_up()
    (FOLDER / "backend").mkdir(parents=True)
    # The checkout may belong to somebody else; what serves the clone is a git of its own.
    git = ["git", "-c", f"safe.directory={PROJECT}", "-c", f"safe.directory={PROJECT}/.git"]
    serve = shlex.join([*git, "upload-pack"])
    _run([*git, "clone", "--quiet", "--upload-pack", serve, str(PROJECT), str(CHECKOUT)], PROJECT)
    for folder in (CHECKOUT, EMPTY, BY_HAND):
        folder.mkdir(exist_ok=True)
        (folder / ".venv").symlink_to(PROJECT / ".venv")
        for name in ("pyproject.toml", "uv.lock"):
            shutil.copy(PROJECT / name, folder / name)
    (CHECKOUT / ".slipway").symlink_to(STATE)
    (CHECKOUT / "policies" / ".venv").symlink_to(PROJECT / "policies" / ".venv")
    (CHECKOUT / "policy.json").write_text(_with_our_ports((PROJECT / "stacks" / "policy.dev.json").read_text()))
    for folder, program in ((EMPTY, "import pulumi\n"), (BY_HAND, (PROJECT / "benchmarks" / "by_hand.py").read_text())):
        project = (PROJECT / "Pulumi.yaml").read_text().replace("name: slipway", f"name: {folder.name}")
        (folder / "Pulumi.yaml").write_text(project)
        (folder / "__main__.py").write_text(program)
        _run(["pulumi", "stack", "init", folder.name], folder)
    EMPTY_PACK.mkdir()
    (EMPTY_PACK / ".venv").symlink_to(PROJECT / "policies" / ".venv")
    shutil.copy(PROJECT / "policies" / "PulumiPolicy.yaml", EMPTY_PACK)
    (EMPTY_PACK / "__main__.py").write_text(_NO_RULE)


def _clean_up() -> None:
    """Take down what this run, or one that was interrupted before, has made: its backend knows the stacks."""
    _take_down("slipway", CHECKOUT)
    _take_down(BY_HAND.name, BY_HAND)
    for container in (PIPELINE, BY_SCRIPT, DECLARED):
        _attempt(["docker", "rm", "--force", container], PROJECT)
    for name in (BY_SCRIPT, DECLARED):
        _attempt(["docker", "network", "rm", f"{name}-network"], PROJECT)
    shutil.rmtree(f"/var/lib/slipway/secrets/benchmark.{BY_SCRIPT}", ignore_errors=True)
    _remove_images()
    shutil.rmtree(FOLDER, ignore_errors=True)


def _take_down(project: str, folder: Path) -> None:
    """Destroy a project's stacks; one that stays is told, but neither hides why a run has failed nor stops the next."""
    for state in sorted((FOLDER / "backend" / ".pulumi" / "stacks" / project).glob("*.json*")):
        name = state.name.partition(".")[0]
        if state.suffix in (".json", ".gz"):
            # Whoever held the lock of this backend, which is the benchmarks' alone, has ended.
            _attempt(["pulumi", "cancel", "--yes", "--stack", name], folder)
            ended = _attempt(_destroy(name), folder)
            if ended.returncode:
                _say(f"stack {name} of {project} is not destroyed:\n{ended.stdout[-4000:]}{ended.stderr[-4000:]}")


def _remove_images() -> None:
    """Remove what the engine has pulled: it goes through all its images for each pull, which the next run would pay."""
    listed = _attempt(["docker", "images", "--digests", "--format", "{{.Repository}}@{{.Digest}}"], PROJECT).stdout
    if ours := [it for it in listed.split() if re.match(r"localhost:[0-9]+/(cold|warm)-[0-9]", it)]:
        _attempt(["docker", "rmi", *ours], PROJECT)


def _attempt(command: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, env=_environment(), capture_output=True, text=True, check=False)


def _destroy(name: str) -> list[str]:
    return ["pulumi", "destroy", "--yes", "--stack", name]


def _stack(name: str) -> None:
    """A stack of its own: the sample's settings with another repository, container and port."""
    settings = (PROJECT / "stacks" / "Pulumi.dev.yaml").read_text()
    for old, new in (
        ("repository: driftwood/web", f"repository: {name}/web"),
        ("name: driftwood-web", f"name: {PIPELINE}"),
        ("host: 8080", f"host: {PORTS[PIPELINE]}"),
    ):
        settings = settings.replace(old, new)
    settings = _with_our_ports(settings)
    (CHECKOUT / "stacks" / f"Pulumi.{name}.yaml").write_text(settings)
    _run(["pulumi", "stack", "init", name], CHECKOUT)


def _with_our_ports(text: str) -> str:
    for usual, moved in (("5380", "SLIPWAY_QUARANTINE_PORT"), ("5443", "SLIPWAY_REGISTRY_PORT")):
        text = text.replace(f"localhost:{usual}", f"localhost:{os.environ.get(moved, usual)}")
    return text


def _script(name: str) -> list[str]:
    return [str(SCRIPT), f"{name}/script", BY_SCRIPT, str(PORTS[BY_SCRIPT])]


def _up(name: str) -> list[str]:
    return ["pulumi", "up", "--yes", "--stack", name]


def _ready(series: Series) -> None:
    """What each verb begins with, in a bare shell, where every tool is installed and every service runs."""
    ports = {key: value for key, value in os.environ.items() if key.startswith("SLIPWAY_")}
    for _ in range(QUIET_ROUNDS):
        series.measure(["make", "services"], PROJECT, {"HOME": str(Path.home()), "PATH": _SYSTEM, **ports})


def _cold(pulumi: Series, script: Series) -> None:
    """From nothing to healthy: no layer, no cache in quarantine, no container."""
    for turn in range(COLD_ROUNDS):
        name = f"cold-{RUN}-{turn}"
        _stack(name)
        ways = [(pulumi, _up(name)), (script, _script(name))]
        for series, command in ways if turn % 2 == 0 else ways[::-1]:  # whoever comes second finds layers in the engine
            _forget()
            series.measure(command, CHECKOUT, _environment())
        _run(_destroy(name), CHECKOUT)
        _remove_script_container()


def _forget() -> None:
    _run(["buildctl", "--addr", f"unix://{_environment()['BUILDKIT_SOCKET']}", "prune", "--all"], CHECKOUT)


@dataclass
class Quiet:
    """`pulumi up` without a change: of the sample, of its resources declared by hand, of an empty program."""

    sample: Series = field(default_factory=Series)
    by_hand: Series = field(default_factory=Series)
    empty: Series = field(default_factory=Series)


@dataclass
class Previews:
    """Previews without a change: under the policy pack, without it, and without a pack of the two other programs."""

    judged: Series = field(default_factory=Series)
    plain: Series = field(default_factory=Series)
    by_hand: Series = field(default_factory=Series)
    least: Series = field(default_factory=Series)
    """Of the resources declared by hand, under a pack whose one rule looks at nothing."""
    empty: Series = field(default_factory=Series)
    memory: float = 0.0
    """The most that the pack's process took, in MB."""
    rules: tuple[list[str], list[str]] = ([], [])
    """What its rules took for the resources of that stack: rows, and what they were made of."""


def _preview(name: str, *flags: str) -> list[str]:
    return ["pulumi", "preview", NO_CHANGE, "--stack", name, *flags]


def _judged() -> list[str]:
    return ["--policy-pack", str(CHECKOUT / "policies"), "--policy-pack-config", str(CHECKOUT / "policy.json")]


def _warm(pulumi: Series, script: Series, quiet: Quiet, previews: Previews) -> None:
    """One line of the source changes; then nothing does."""
    _stack(WARM)
    _run(_up(WARM), CHECKOUT)
    _run(_script(WARM), CHECKOUT)
    turns: list[Callable[[], None]] = [
        lambda: pulumi.measure(_up(WARM), CHECKOUT, _environment()),
        lambda: script.measure(_script(WARM), CHECKOUT, _environment()),
    ]
    source = CHECKOUT / "examples" / "driftwood-web" / "driftwood" / "web.py"
    for number in range(WARM_ROUNDS):
        for way, measure in enumerate(turns):
            source.write_text(source.read_text() + f"# edit {number}.{way}\n")
            measure()
    _run(_up(WARM), CHECKOUT)
    _run(_up(EMPTY.name), EMPTY)
    _declare_by_hand()
    for _ in range(QUIET_ROUNDS):
        quiet.sample.measure([*_up(WARM), NO_CHANGE], CHECKOUT, _environment())
        quiet.by_hand.measure([*_up(BY_HAND.name), NO_CHANGE], BY_HAND, _environment())
        quiet.empty.measure([*_up(EMPTY.name), NO_CHANGE], EMPTY, _environment())
    for _ in range(QUIET_ROUNDS):
        for series, command, folder in (
            (previews.judged, _preview(WARM, *_judged()), CHECKOUT),
            (previews.plain, _preview(WARM), CHECKOUT),
            (previews.by_hand, _preview(BY_HAND.name), BY_HAND),
            (previews.least, _preview(BY_HAND.name, "--policy-pack", str(EMPTY_PACK)), BY_HAND),
            (previews.empty, _preview(EMPTY.name), EMPTY),
        ):
            series.measure(command, folder, _environment())
    _run(_destroy(BY_HAND.name), BY_HAND)
    words = ("pulumi.policy", str(CHECKOUT))
    previews.memory = most_memory(words, _preview(WARM, *_judged()), CHECKOUT, _environment())
    state = json.loads(_run(["pulumi", "stack", "export", "--stack", WARM], CHECKOUT))["deployment"]["resources"]
    settings = json.loads((CHECKOUT / "policy.json").read_text())["pack-is-configured"]
    previews.rules = rules_benchmark(state, settings)
    _run(_destroy(WARM), CHECKOUT)
    _remove_script_container()


def _declare_by_hand() -> None:
    """The resources of the sample, of its artifact, in a program that has nothing else."""
    record = json.loads(_run(["pulumi", "stack", "output", "--json", "--stack", WARM], CHECKOUT))["web"]["release"]
    settings = {
        "name": DECLARED,
        "context": str(CHECKOUT / "examples" / "driftwood-web"),
        "base": json.loads((STATE / "base-images.lock.json").read_text())["python:3.12-slim"],
        "keys": str(STATE / "keys"),
        "repository": f"{_with_our_ports('localhost:5380')}/{WARM}/by-hand",
        "reference": record["reference"],
    }
    plain = [word for key, value in settings.items() for word in ("--plaintext", f"{key}={value}")]
    _run(["pulumi", "config", "set-all", "--stack", BY_HAND.name, *plain], BY_HAND)
    _run(_up(BY_HAND.name), BY_HAND)


def _remove_script_container() -> None:
    _run(["docker", "rm", "--force", BY_SCRIPT], CHECKOUT)
    _run(["docker", "network", "rm", f"{BY_SCRIPT}-network"], CHECKOUT)
    shutil.rmtree(f"/var/lib/slipway/secrets/benchmark.{BY_SCRIPT}")


def _say(step: str) -> None:
    """Say what is measured now, and after how many seconds."""
    print(f"bench: {time.monotonic() - _START:4.0f} s: {step}", file=sys.stderr)


def main() -> int:
    """Measure, print, record; 1 where a bound was missed."""
    ready, cold, cold_script, warm, warm_script = (Series() for _ in range(5))
    quiet, previews = Quiet(), Previews()
    _say("tools and services that are in place")
    _ready(ready)
    _say("a checkout and a backend of its own")
    _prepare()
    try:
        _say("from nothing to healthy, beside the script")
        _cold(cold, cold_script)
        _say("one line changed, then nothing, beside the script and an empty program")
        _warm(warm, warm_script, quiet, previews)
        _say("ten promotions at once, beside ten in turn")
        promoted, promotions = promotion_benchmark(Place(CHECKOUT, STATE, _environment(), _with_our_ports))
    finally:
        _clean_up()
    _say("evidence of fifty digests, beside cosign")
    evidence, figures = evidence_benchmark()
    judged, plain = previews.judged.median / previews.empty.median, previews.plain.median / previews.empty.median
    by_hand = previews.plain.median / previews.by_hand.median
    rows = [
        row("tools and services found in place", ready.median, 1.0, "s"),
        row("cold pipeline / script", cold.median / cold_script.median, 1.05, "x"),
        row("from nothing to healthy", cold.median, 60, "s"),
        row("warm pipeline - script - empty program", warm.median - warm_script.median - quiet.empty.median, 1.0, "s"),
        row("no-change up / empty program", quiet.sample.median / quiet.empty.median, 1.5, "x"),
        row("no-change up / its resources declared by hand", quiet.sample.median / quiet.by_hand.median, 1.0, "x"),
        row("no-change up", quiet.sample.median, 10, "s"),
        row("no-change preview / empty program", plain, 1.5, "x"),
        row("no-change preview / its resources declared by hand", by_hand, 1.0, "x"),
        row("no-change preview with the pack / empty program", judged, 2.0, "x"),
        row("memory of the pack's process", previews.memory, 150, "MB"),
        *previews.rules[0],
        *evidence,
        *promoted,
    ]
    lines = [
        "| measure | seen | at most | |",
        "| --- | --- | --- | --- |",
        *rows,
        "",
        f"tools and services found in place: {ready}",
        f"cold: pulumi {cold}, script {cold_script}",
        f"warm, one line changed: pulumi {warm}, script {warm_script}",
        f"no-change up: {quiet.sample}, declared by hand: {quiet.by_hand}, empty program: {quiet.empty}",
        f"no-change preview with the pack: {previews.judged}, without: {previews.plain}, "
        f"declared by hand: {previews.by_hand}, that with an empty pack: {previews.least}, empty: {previews.empty}",
        *previews.rules[1],
        *figures,
        *promotions,
    ]
    report = "\n".join(lines)
    print(report)
    (PROJECT / "benchmarks" / "results.md").write_text(f"# Results of `make bench`\n\n{report}\n")
    return 1 if any(row.endswith("| missed |") for row in rows) else 0


if __name__ == "__main__":
    # Ends through what takes the stacks down.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(143))
    sys.exit(main())
