"""Around a promotion: what is interrupted, refused, protected or done twice, and what an older release is told."""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from components.record import ReleaseRecord
from tests.e2e.conftest import Checkout, free_port
from tests.e2e.environments import FAULTS as PATH
from tests.e2e.environments import PROVED as STAGING
from tests.e2e.environments import edit, production, record, registry
from tests.e2e.small import container_of, containers, refused

PRODUCTION = "production-guards"


@contextlib.contextmanager
def read_only_registry(checkout: Checkout, folder: Path) -> Iterator[str]:
    """A registry that answers, and takes nothing."""
    port = free_port()
    (folder / "registry.yml").write_text(
        "version: 0.1\nlog: {level: warn, accesslog: {disabled: true}}\n"
        f"storage: {{filesystem: {{rootdirectory: {folder}/data}}, maintenance: {{readonly: {{enabled: true}}}}}}\n"
        f"http: {{addr: '127.0.0.1:{port}'}}\n"
    )
    command = ["docker-registry", "serve", str(folder / "registry.yml")]
    with subprocess.Popen(command, env=checkout.environment, stderr=subprocess.DEVNULL) as server:
        try:
            checkout.wait_for(
                lambda: checkout.run("curl", "-sf", f"http://localhost:{port}/v2/", check=False).returncode == 0
            )
            yield f"localhost:{port}"
        finally:
            server.terminate()


def test_a_registry_of_productions_that_is_read_only_is_told_and_nothing_runs(
    checkout: Checkout, release: ReleaseRecord, tmp_path: Path
) -> None:
    assert release.version == "1.4.0"
    with read_only_registry(checkout, tmp_path) as address:
        production(checkout, PRODUCTION, STAGING, lambda it: it.update(registry={"address": address}), PATH)
        output = refused(
            checkout.run("pulumi", "up", "--yes", "--skip-preview", "--stack", PRODUCTION, check=False),
            f"registry {address} is read-only: make it take {PATH}, then try again",
        )
    assert "web-publication-oras" in output
    assert containers(checkout, container_of(PRODUCTION)) == []


def test_a_copy_that_is_interrupted_goes_on_where_it_ended(
    checkout: Checkout, release: ReleaseRecord, tmp_path: Path
) -> None:
    production(checkout, PRODUCTION, STAGING, path=PATH)
    real = checkout.run("sh", "-c", "command -v oras").stdout.strip()
    # An oras that is killed in the midst of its first copy: one platform is there, the index and the rest are not.
    platform = checkout.private.platforms(PATH, release.digest)["linux/amd64"]
    fake = tmp_path / "oras"
    fake.write_text(
        f'#!/bin/bash\nif [ "$1" = cp ] && ! [ -e {tmp_path}/torn ]; then touch {tmp_path}/torn\n'
        f'  words=("$@"); for at in "${{!words[@]}}"; do words[$at]=${{words[$at]/{release.digest}/{platform}}}; done\n'
        f'  {real} "${{words[@]}}"; kill -9 $$\nfi\nexec {real} "$@"\n'
    )
    fake.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{checkout.environment['PATH']}"}
    command = ["pulumi", "up", "--yes", "--skip-preview", "--stack", PRODUCTION]
    torn = checkout.run(*command, check=False, env=environment)
    assert torn.returncode != 0
    own = registry(checkout)
    assert own.manifest(PATH, platform), "the half that was copied is there"
    assert own.manifest(PATH, release.digest) is None
    assert own.tags(PATH) & {"1.4.0"} == set()
    half = received(checkout)
    checkout.up(PRODUCTION, "--skip-preview")
    assert half.items() < received(checkout).items(), "what was there is not sent again"
    assert own.digest(PATH, "1.4.0") == release.digest
    assert record(checkout, PRODUCTION).digest == release.digest
    checkout.preview(PRODUCTION, "--expect-no-changes")


def received(checkout: Checkout) -> dict[str, int]:
    """When production's registry last took each blob, by its digest: it writes a link each time."""
    data = checkout.root / ".slipway" / "services" / "production" / "data" / "docker" / "registry" / "v2"
    links = (data / "repositories" / PATH / "_layers").rglob("link")
    return {link.parent.name: link.stat().st_mtime_ns for link in links}


# The story goes on: production runs the release now.


def test_a_rollback_is_told_what_is_known_today_and_goes_through(checkout: Checkout, today: str) -> None:
    def pinned(settings: dict[str, Any]) -> None:
        settings["scan"]["database"] = today
        settings["services"]["web"]["version"] = "1.4.0"

    checkout.run("pulumi", "state", "unprotect", "--all", "--yes", "--stack", PRODUCTION)
    checkout.run("pulumi", "destroy", "--yes", "--stack", PRODUCTION)  # so that it runs something else: nothing
    edit(checkout, PRODUCTION, pinned)
    ended = checkout.up(PRODUCTION)
    assert "warning" in ended.stdout
    assert "CVE-2026-11111" in ended.stdout
    assert "before, so it goes through" in ended.stdout
    assert containers(checkout, container_of(PRODUCTION))


def test_a_tree_with_changes_is_told_by_preview_and_refused_by_up(checkout: Checkout) -> None:
    path = checkout.root / "changed.txt"
    path.write_text("nobody has seen this")
    try:
        told = "this stack promotes, and takes only what is committed. Changed: changed.txt"
        assert told in checkout.preview(PRODUCTION).stdout
        refused(checkout.up(PRODUCTION, check=False), told, "Commit it, or take it back, then try again")
    finally:
        path.unlink()


def test_a_build_section_is_refused(checkout: Checkout) -> None:
    edit(checkout, PRODUCTION, lambda it: it["services"]["web"].update(build={"context": f"small/{STAGING}"}))
    try:
        refused(
            checkout.preview(PRODUCTION, check=False),
            "slipway:services.web.build: this stack promotes what others have proved, and builds nothing",
        )
    finally:
        edit(checkout, PRODUCTION, lambda it: it["services"]["web"].pop("build"))


def test_a_destroy_asks_for_the_protected_release_first_and_deletes_no_image(
    checkout: Checkout, release: ReleaseRecord
) -> None:
    for flags in ([], ["--skip-preview"]):
        ended = checkout.run("pulumi", "destroy", "--yes", *flags, "--stack", PRODUCTION, check=False)
        assert ended.returncode != 0
        assert "protected" in ended.stdout
        assert containers(checkout, container_of(PRODUCTION)), "it still runs"
    checkout.run("pulumi", "state", "unprotect", "--all", "--yes", "--stack", PRODUCTION)
    checkout.run("pulumi", "destroy", "--yes", "--stack", PRODUCTION)
    own = registry(checkout)
    assert own.digest(PATH, "1.4.0") == release.digest
    assert checkout.run("docker", "image", "inspect", f"{own.address}/{PATH}@{release.digest}").stdout
    assert containers(checkout, container_of(STAGING)), "staging runs on"
    assert checkout.private.digest(PATH, release.tag) == release.digest


def test_skopeo_copies_as_well(checkout: Checkout, release: ReleaseRecord) -> None:
    ask = "import sys; from pathlib import Path; from toolchain.progress import Progress\n"
    ask += "from toolchain.tools import ensure_tool; ensure_tool(Path('.'), 'skopeo', report=Progress(sys.stderr))"
    checkout.run("python3", "-c", ask)

    def change(settings: dict[str, Any]) -> None:
        settings["copier"] = "skopeo"
        settings["protect"] = False
        settings["services"]["web"]["repository"] = PATH

    other = registry(checkout)
    production(checkout, "production-skopeo", STAGING, change, PATH)
    data = checkout.root / ".slipway" / "services" / "production" / "data" / "docker" / "registry" / "v2"
    shutil.rmtree(data / "repositories" / PATH)  # as if it had never been there
    log = checkout.up("production-skopeo", "--skip-preview").stdout
    assert "web-publication-skopeo" in log
    assert other.digest(PATH, "1.4.0") == release.digest
    for digest in (release.digest, *other.platforms(PATH, release.digest).values()):
        there = {it["digest"] for it in checkout.private.referrers(PATH, digest)}
        assert there <= {it["digest"] for it in other.referrers(PATH, digest)}


# Environments.


def test_a_smoke_test_that_fails_proves_nothing_and_the_record_stays(
    checkout: Checkout, release: ReleaseRecord
) -> None:
    strict = {"checks": [{"name": "page", "url": "/", "contains": "low water"}], "wait": 1}
    edit(checkout, STAGING, lambda settings: settings.update(prove=strict))
    try:
        refused(
            checkout.up(STAGING, check=False),
            f"{release.reference} is not proved in slipway/{STAGING}; it does not pass",
            "answers without 'low water' in it",
        )
        assert record(checkout, STAGING) == release
    finally:
        kept = {"checks": [{"name": "page", "url": "/", "contains": "tides of"}]}
        edit(checkout, STAGING, lambda settings: settings.update(prove=kept))
        checkout.up(STAGING, "--skip-preview")


def test_a_new_environment_is_made_as_the_guide_says(checkout: Checkout, release: ReleaseRecord) -> None:
    assert release.version == "1.4.0"
    checkout.run("pulumi", "config", "set", "--secret", "--stack", STAGING, "--", "db_password", "low-water-8841")
    checkout.run("pulumi", "stack", "init", "staging-qa", "--copy-config-from", STAGING, "--no-select")
    checkout.stacks.append("staging-qa")
    text = (checkout.root / "stacks" / "Pulumi.staging-qa.yaml").read_text()
    assert "low-water-8841" not in text
    read = checkout.run("pulumi", "config", "get", "db_password", "--stack", "staging-qa").stdout
    assert read.strip() == "low-water-8841"
    shutil.copy(
        checkout.root / "stacks" / f"policy.{STAGING}.json", checkout.root / "stacks" / "policy.staging-qa.json"
    )

    def own(settings: dict[str, Any]) -> None:
        settings["services"]["web"]["run"]["name"] = container_of("staging-qa")
        settings["services"]["web"]["run"]["ports"][0]["host"] = free_port()

    checkout.edit_stack("staging-qa", own)
    checkout.up("staging-qa", "--skip-preview")
    assert record(checkout, "staging-qa").digest == release.digest


def test_the_second_of_two_ups_at_once_is_stopped_and_builds_nothing(checkout: Checkout) -> None:
    slow = {"checks": [{"name": "slow", "command": ["sleep", "20"], "timeout": 60}]}
    edit(checkout, STAGING, lambda settings: settings.update(prove=slow))
    command = ["pulumi", "up", "--yes", "--skip-preview", "--stack", STAGING]
    locks = checkout.root / ".slipway" / "backend" / ".pulumi" / "locks" / "organization" / "slipway" / STAGING
    with subprocess.Popen(command, cwd=checkout.root, env=checkout.environment, stdout=subprocess.DEVNULL) as first:
        checkout.wait_for(lambda: locks.is_dir() and any(locks.iterdir()))
        before = {path.name for path in (checkout.root / ".slipway" / "backend").rglob(f"{STAGING}*.history.json")}
        second = checkout.run(*command, check=False)
        assert first.wait(120) == 0
    refused(second, "the stack is currently locked by 1 lock(s)")
    assert "docker-build" not in second.stdout
    after = {path.name for path in (checkout.root / ".slipway" / "backend").rglob(f"{STAGING}*.history.json")}
    assert len(after - before) <= 1, "the first one alone"
