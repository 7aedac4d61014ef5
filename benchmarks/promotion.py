"""Ten services promoted at once, beside ten promoted in turn; a part of `make bench`.

Both are whole runs of `pulumi up`, turn by turn, of services that this stack has never run: each is verified during
preview and once more, scanned, copied to another registry and tagged. A stack that builds releases one image; it is
known under ten names, each with a signature and a proof of its own. What counts is the ratio.
"""

import base64
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from benchmarks.measuring import RUN, Series, row, run

SERVICES, ROUNDS, MOST = 10, 2, 0.7
BUILDS, TAKES = f"promotion-builds-{RUN}", "promotion-takes"
_QUIET = ("--yes", "--tlog-upload=false", "--use-signing-config=false", "--allow-http-registry")


@dataclass(frozen=True)
class Place:
    """Where the benchmark runs: a checkout with a backend of its own, and the services' state."""

    checkout: Path
    state: Path
    environment: Mapping[str, str]
    with_our_ports: Callable[[str], str]
    """Names the embedded registries where they listen."""

    def run(self, *command: str, **more: str) -> str:
        """Run a command in the checkout."""
        return run(command, self.checkout, {**self.environment, **more})

    def settings(self, name: str) -> dict[str, Any]:
        """The settings of a stack's file."""
        text = (self.checkout / "stacks" / f"Pulumi.{name}.yaml").read_text()
        document = yaml.safe_load(self.with_our_ports(text))
        return {key.removeprefix("slipway:"): value for key, value in document["config"].items()}

    def stack(self, name: str, settings: Mapping[str, Any]) -> None:
        """Make a stack, its file committed: what promotes refuses a tree with changes."""
        document = {"config": {f"slipway:{key}": value for key, value in settings.items()}}
        (self.checkout / "stacks" / f"Pulumi.{name}.yaml").write_text(yaml.safe_dump(document))
        self.run("pulumi", "stack", "init", name)  # notes a salt in that file
        self.run("git", "add", "--all")
        identity = ["-c", "user.name=Driftwood", "-c", "user.email=driftwood@example.invalid"]
        self.run("git", *identity, "commit", "--quiet", "--allow-empty", "-m", f"write {name}")


def measure(place: Place) -> tuple[list[str], list[str]]:
    """Measure; the rows of the report, and the figures that they are made of."""
    _release(place)
    names = [f"s{number}" for number in range(SERVICES)]
    at_once, in_turn = Series(), Series()
    # The first promotion of each scans its layers, which are kept by repository: neither way may be the one that pays.
    _promote(place, "first", [names], Series())
    for number in range(ROUNDS):
        _promote(place, str(number), [names], at_once)
        _promote(place, str(number), [[name] for name in names], in_turn)
    rows = [row(f"{SERVICES} promotions at once / in turn", at_once.median / in_turn.median, MOST, "x")]
    return rows, [f"{SERVICES} promotions at once: {at_once}, in turn: {in_turn}"]


def _promote(place: Place, turn: str, groups: Sequence[Sequence[str]], series: Series) -> None:
    """Promote groups of services one after the other, each group by one run, and take all of it down again."""
    stacks = [f"{TAKES}-{turn}-{'-'.join(group)}"[:60] for group in groups]
    for stack, group in zip(stacks, groups, strict=True):
        place.stack(stack, _taking(place, group))
    script = " && ".join(f"pulumi up --yes --stack {stack}" for stack in stacks)
    series.measure(["sh", "-c", script], place.checkout, place.environment)
    for stack in stacks:
        place.run("pulumi", "destroy", "--yes", "--stack", stack)
        shutil.rmtree(place.state / "reports" / stack, ignore_errors=True)
    _forget(place)


def _release(place: Place) -> None:
    """Let a stack build one image, and say that it has proved it under each of the names."""
    settings = place.settings("staging")
    settings.pop("prove")
    web = settings["services"]["web"]
    web.pop("run")
    web["repository"] = f"{BUILDS}/web"
    place.stack(BUILDS, settings)
    place.run("pulumi", "up", "--yes", "--stack", BUILDS)
    state = json.loads(place.run("pulumi", "stack", "export", "--stack", BUILDS))
    [root] = [it for it in state["deployment"]["resources"] if it["type"] == "pulumi:pulumi:Stack"]
    record = root["outputs"]["web"]["release"]
    with ThreadPoolExecutor(2) as pool:
        named = list(pool.map(lambda number: _named(place, record, f"s{number}"), range(SERVICES)))
    root["outputs"] = {f"s{number}": {"release": known} for number, known in enumerate(named)}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(state, file)
        file.flush()
        place.run("pulumi", "stack", "import", "--stack", BUILDS, "--file", file.name)


def _named(place: Place, record: Mapping[str, Any], service: str) -> dict[str, Any]:
    """The release under another name: copied with its evidence, signed and proved there."""
    source, digest = record["reference"].split("@")
    registry = source.partition("/")[0]
    repository = f"{registry}/{BUILDS}/{service}"
    authority = str(place.state / "services" / "registry" / "ca.crt")
    password = (place.state / "keys" / "registry.password").read_text().strip()
    with tempfile.TemporaryDirectory() as folder:
        auth = base64.b64encode(f"slipway:{password}".encode()).decode()
        Path(folder, "config.json").write_text(json.dumps({"auths": {registry: {"auth": auth}}}))
        login, config = {"DOCKER_CONFIG": folder}, f"{folder}/config.json"
        flags = [f"--from-registry-config={config}", f"--to-registry-config={config}"]
        flags += ["--from-ca-file", authority, "--to-ca-file", authority]
        flags += ["--from-plain-http=false", "--to-plain-http=false"]
        place.run("oras", "cp", "--recursive", *flags, record["reference"], f"{repository}@{digest}")
        fetch = ["oras", "manifest", "fetch", "--ca-file", authority, "--plain-http=false"]
        index = json.loads(place.run(*fetch, f"{repository}@{digest}", **login))
        says = {"repository": repository, "version": record["version"]}
        said = [word for name, text in says.items() for word in ("--annotations", f"{name}={text}")]
        for manifest in (digest, *(it["digest"] for it in index["manifests"])):
            _cosign(place, login, authority, "sign", *said, f"{repository}@{manifest}")
        proof = Path(folder, "proof.json")
        proof.write_text(json.dumps(_proof()))
        type_ = ["--type", "https://slipway.dev/proved/v1", "--predicate", str(proof)]
        _cosign(place, login, authority, "attest", *type_, f"{repository}@{digest}")
    return {**record, "reference": f"{repository}@{digest}", "signature": {**record["signature"], **says}}


def _cosign(place: Place, login: Mapping[str, str], authority: str, verb: str, *words: str) -> None:
    keys = place.state / "keys"
    password = (keys / "cosign.password").read_text()
    flags = [verb, *_QUIET, "--key", str(keys / "cosign.key"), "--registry-cacert", authority]
    place.run("cosign", *flags, *words, COSIGN_PASSWORD=password, **login)


def _proof() -> dict[str, Any]:
    time = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    known = {"schemaVersion": 1, "project": "slipway", "stack": BUILDS, "commit": "unknown", "time": time}
    return {**known, "kind": "deployed", "checks": []}


def _taking(place: Place, services: Sequence[str]) -> dict[str, Any]:
    """The settings of a stack that takes these services, to the registry that stands for another one."""
    settings = place.settings("staging")
    registry = settings["registry"]
    return {
        "channel": "release",
        "registry": settings["quarantine"],
        "sign": settings["sign"],
        "scan": settings["scan"],
        "protect": False,
        "promote": {"from": [BUILDS], "public_key": settings["sign"]["public_key"], "registries": [registry]},
        "services": {name: {"repository": f"{BUILDS}/{name}"} for name in services},
    }


def _forget(place: Place) -> None:
    """Let the registry that stands for another one be as it was."""
    data = place.state / "services" / "quarantine" / "data" / "docker" / "registry" / "v2" / "repositories" / BUILDS
    for number in range(SERVICES):
        shutil.rmtree(data / f"s{number}", ignore_errors=True)
