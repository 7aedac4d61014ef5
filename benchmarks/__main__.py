"""`make bench`: the pipeline beside the same tools in a shell script, and a no-change `up` beside an empty program.

Everything is measured in one run, turn by turn, on real services, in a checkout and a backend of its own. Each figure
is a median of whole-process wall times in seconds; the ratio is what counts, machines differ. Results are printed and
written to benchmarks/results.md.
"""

import json
import os
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
STATE = PROJECT / ".slipway"
FOLDER = STATE / "bench"
CHECKOUT = FOLDER / "checkout"
EMPTY = FOLDER / "empty"
SCRIPT = PROJECT / "benchmarks" / "pipeline.sh"
PIPELINE, BY_SCRIPT = "slipway-bench-pulumi", "slipway-bench-script"
PORTS = {PIPELINE: 18081, BY_SCRIPT: 18082}
COLD_ROUNDS, WARM_ROUNDS, QUIET_ROUNDS = 2, 3, 5


@dataclass
class Series:
    """Wall times of one command, in seconds."""

    times: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """The middle of the times."""
        return statistics.median(self.times)

    def measure(self, command: Sequence[str], folder: Path) -> None:
        """Run the command once; its output is shown only when it fails."""
        start = time.monotonic()
        _run(command, folder)
        self.times.append(time.monotonic() - start)

    def __str__(self) -> str:
        return f"{self.median:.2f} s ({min(self.times):.2f} to {max(self.times):.2f}, {len(self.times)} runs)"


def _run(command: Sequence[str], folder: Path) -> str:
    ended = subprocess.run(command, cwd=folder, env=_environment(), capture_output=True, text=True, check=False)
    if ended.returncode:
        sys.exit(f"{' '.join(command)} failed in {folder}:\n{ended.stdout[-4000:]}{ended.stderr[-4000:]}")
    return ended.stdout


def _environment() -> dict[str, str]:
    instance = json.loads((STATE / "buildx" / "instances" / "slipway").read_text())
    socket = instance["Nodes"][0]["Endpoint"].removeprefix("unix://")
    return {**os.environ, "PULUMI_BACKEND_URL": f"file://{FOLDER}/backend", "BUILDKIT_SOCKET": socket}


def _prepare() -> None:
    _clean_up()
    (FOLDER / "backend").mkdir(parents=True)
    # The checkout may belong to somebody else; what serves the clone is a git of its own.
    git = ["git", "-c", f"safe.directory={PROJECT}", "-c", f"safe.directory={PROJECT}/.git"]
    serve = shlex.join([*git, "upload-pack"])
    _run([*git, "clone", "--quiet", "--upload-pack", serve, str(PROJECT), str(CHECKOUT)], PROJECT)
    for folder in (CHECKOUT, EMPTY):
        folder.mkdir(exist_ok=True)
        (folder / ".venv").symlink_to(PROJECT / ".venv")
        for name in ("pyproject.toml", "uv.lock"):
            shutil.copy(PROJECT / name, folder / name)
    (CHECKOUT / ".slipway").symlink_to(STATE)
    (EMPTY / "Pulumi.yaml").write_text((PROJECT / "Pulumi.yaml").read_text().replace("name: slipway", "name: empty"))
    (EMPTY / "__main__.py").write_text("import pulumi\n")
    _run(["pulumi", "stack", "init", "empty"], EMPTY)


def _clean_up() -> None:
    """Take down what this run, or one that was interrupted before, has made: its backend knows the stacks."""
    for state in sorted((FOLDER / "backend" / ".pulumi" / "stacks" / "slipway").glob("*.json*")):
        name = state.name.partition(".")[0]
        if state.suffix in (".json", ".gz"):
            # Whoever held the lock of this backend, which is the benchmarks' alone, has ended.
            _attempt(["pulumi", "cancel", "--yes", "--stack", name], CHECKOUT)
            _run(_destroy(name), CHECKOUT)
    for container in (PIPELINE, BY_SCRIPT):
        _attempt(["docker", "rm", "--force", container], PROJECT)
    _attempt(["docker", "network", "rm", f"{BY_SCRIPT}-network"], PROJECT)
    shutil.rmtree(f"/var/lib/slipway/secrets/benchmark.{BY_SCRIPT}", ignore_errors=True)
    shutil.rmtree(FOLDER, ignore_errors=True)


def _attempt(command: Sequence[str], folder: Path) -> None:
    subprocess.run(command, cwd=folder, env=_environment(), capture_output=True, check=False)


def _destroy(name: str) -> list[str]:
    return ["pulumi", "destroy", "--yes", "--stack", name]


def _stack(name: str) -> None:
    """A stack of its own: the sample's settings with another repository, container and port."""
    settings = (PROJECT / "stacks" / "Pulumi.dev.yaml").read_text()
    for old, new in (
        ("repository: driftwood/web", f"repository: {name}/web"),
        ("name: driftwood-web", f"name: {PIPELINE}"),
        ("host: 8080", f"host: {PORTS[PIPELINE]}"),
        ("localhost:5380", f"localhost:{os.environ.get('SLIPWAY_QUARANTINE_PORT', '5380')}"),
        ("localhost:5443", f"localhost:{os.environ.get('SLIPWAY_REGISTRY_PORT', '5443')}"),
    ):
        settings = settings.replace(old, new)
    (CHECKOUT / "stacks" / f"Pulumi.{name}.yaml").write_text(settings)
    _run(["pulumi", "stack", "init", name], CHECKOUT)


def _script(name: str) -> list[str]:
    return [str(SCRIPT), f"{name}/script", BY_SCRIPT, str(PORTS[BY_SCRIPT])]


def _up(name: str) -> list[str]:
    return ["pulumi", "up", "--yes", "--stack", name]


def _cold(pulumi: Series, script: Series) -> None:
    """From nothing to healthy: no layer, no cache in quarantine, no container."""
    for turn in range(COLD_ROUNDS):
        name = f"cold{turn}"
        _stack(name)
        for series, command in ((pulumi, _up(name)), (script, _script(name))):
            _forget()
            series.measure(command, CHECKOUT)
        _run(_destroy(name), CHECKOUT)
        _remove_script_container()


def _forget() -> None:
    _run(["buildctl", "--addr", f"unix://{_environment()['BUILDKIT_SOCKET']}", "prune", "--all"], CHECKOUT)


def _warm(pulumi: Series, script: Series, quiet: Series, empty: Series) -> None:
    """One line of the source changes; then nothing does."""
    _stack("warm")
    _run(_up("warm"), CHECKOUT)
    _run(_script("warm"), CHECKOUT)
    turns: list[Callable[[], None]] = [
        lambda: pulumi.measure(_up("warm"), CHECKOUT),
        lambda: script.measure(_script("warm"), CHECKOUT),
    ]
    source = CHECKOUT / "examples" / "driftwood-web" / "driftwood" / "web.py"
    for number in range(WARM_ROUNDS):
        for way, measure in enumerate(turns):
            source.write_text(source.read_text() + f"# edit {number}.{way}\n")
            measure()
    _run(_up("warm"), CHECKOUT)
    for _ in range(QUIET_ROUNDS):
        quiet.measure(_up("warm"), CHECKOUT)
        empty.measure(_up("empty"), EMPTY)
    _run(_destroy("warm"), CHECKOUT)
    _remove_script_container()


def _remove_script_container() -> None:
    _run(["docker", "rm", "--force", BY_SCRIPT], CHECKOUT)
    _run(["docker", "network", "rm", f"{BY_SCRIPT}-network"], CHECKOUT)
    shutil.rmtree(f"/var/lib/slipway/secrets/benchmark.{BY_SCRIPT}")


def _row(what: str, value: float, most: float, unit: str) -> str:
    return f"| {what} | {value:.2f} {unit} | {most:.2f} {unit} | {'met' if value <= most else 'missed'} |"


def main() -> int:
    """Measure, print, record; 1 where a bound was missed."""
    cold, cold_script, warm, warm_script, quiet, empty = (Series() for _ in range(6))
    _prepare()
    try:
        _cold(cold, cold_script)
        _warm(warm, warm_script, quiet, empty)
    finally:
        _clean_up()
    rows = [
        _row("cold pipeline / script", cold.median / cold_script.median, 1.05, "x"),
        _row("from nothing to healthy", cold.median, 60, "s"),
        _row("warm pipeline - script - empty program", warm.median - warm_script.median - empty.median, 1.0, "s"),
        _row("no-change up / empty program", quiet.median / empty.median, 1.5, "x"),
        _row("no-change up", quiet.median, 10, "s"),
    ]
    lines = [
        "| measure | seen | at most | |",
        "| --- | --- | --- | --- |",
        *rows,
        "",
        f"cold: pulumi {cold}, script {cold_script}",
        f"warm, one line changed: pulumi {warm}, script {warm_script}",
        f"no-change up: {quiet}, empty program: {empty}",
    ]
    report = "\n".join(lines)
    print(report)
    (PROJECT / "benchmarks" / "results.md").write_text(f"# Results of `make bench`\n\n{report}\n")
    return 1 if any(row.endswith("| missed |") for row in rows) else 0


if __name__ == "__main__":
    # Ends through what takes the stacks down.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(143))
    sys.exit(main())
