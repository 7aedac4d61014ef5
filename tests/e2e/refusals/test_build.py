"""Faults while an image is built and scanned: nothing that failed is signed, published or run."""

import json
import tarfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Checkout
from tests.e2e.small import (
    DOCKERFILE,
    attempt,
    container_of,
    containers,
    digest_in_state,
    push_database,
    refused,
    repositories,
    resources,
    small_stack,
)

JINJA = """
jinja2==2.10 --hash=sha256:74c935a1b8bb9a3947c50a54766a969d4846290e1e788ea44c1392163723c3bd
"""
FOREIGN = ("linux/s390x", "linux/ppc64le", "linux/riscv64", "linux/mips64le", "freebsd/amd64")
"""Some machines emulate every processor; no Linux emulates another system."""


def build_setting(**values: Any) -> Callable[[dict[str, Any]], None]:
    """A change of `build` in the settings of a stack."""
    return lambda settings: settings["services"]["web"]["build"].update(values)


def assert_nothing_left_quarantine(checkout: Checkout, stack: str) -> None:
    """The private registry has never heard of the stack's repository, and nothing runs."""
    assert f"{stack}/web" not in repositories(checkout.private)
    assert containers(checkout, container_of(stack)) == []
    made = resources(checkout, stack)
    assert not {name for name in made if name.startswith(("web-signature", "web-publication", "web-container"))}


def test_a_failing_build_step_is_shown_with_its_last_lines(checkout: Checkout) -> None:
    step = "RUN for i in 1 2 3; do echo line $i; done; echo 'frobnicate: not found' >&2; exit 3"
    files = {"Dockerfile": DOCKERFILE.replace("USER 10001", f"{step}\nUSER 10001")}
    stack = small_stack(checkout, "failing-step", files=files)

    output = refused(attempt(checkout, stack), "web-image-build", "did not complete successfully: exit code: 3")

    told = output[output.index("Diagnostics:") :]
    assert "the last lines of the step that failed:" in told
    assert "> [linux/amd64 2/3] RUN for i in 1 2 3" in told
    assert all(text in told for text in ("line 1", "line 3", "frobnicate: not found"))
    assert_nothing_left_quarantine(checkout, stack)


def test_a_file_that_the_dockerfile_copies_but_is_missing_is_named(checkout: Checkout) -> None:
    files = {"Dockerfile": DOCKERFILE.replace("check.py /app/", "absent.py /app/")}
    stack = small_stack(checkout, "absent-file", files=files)
    refused(attempt(checkout, stack), "web-image-build", '"/absent.py": not found')
    assert_nothing_left_quarantine(checkout, stack)


def test_a_mistake_in_the_dockerfile_is_told_during_preview_with_its_line(checkout: Checkout) -> None:
    files = {"Dockerfile": DOCKERFILE.replace("USER 10001", "USR 10001")}
    stack = small_stack(checkout, "bad-dockerfile", files=files)
    told = "dockerfile parse error on line 3: unknown instruction: USR (did you mean USER?)"
    refused(checkout.preview(stack, check=False), "web-image-build", told)


def test_a_platform_that_the_builder_cannot_run_is_refused(checkout: Checkout) -> None:
    formats = Path("/proc/sys/fs/binfmt_misc")
    names = {name: f"qemu-{name.partition('/')[2].replace('mips64le', 'mips64el')}" for name in FOREIGN}
    lacking = next(name for name in FOREIGN if name == FOREIGN[-1] or not (formats / names[name]).exists())
    stack = small_stack(checkout, "foreign-platform", build_setting(platforms=["linux/amd64", "linux/arm64", lacking]))
    output = refused(
        attempt(checkout, stack),
        "nothing was changed",
        f"slipway:services: the builder cannot run {lacking}: ",
        "qemu-user-static" if lacking.startswith("linux/") else "build.platforms",
    )
    assert "cannot run linux/amd64" not in output
    assert resources(checkout, stack) == set()


def test_a_builder_that_nobody_made_is_refused(checkout: Checkout) -> None:
    stack = small_stack(checkout, "no-builder", lambda settings: settings.update(builder="nobody"))
    told = "slipway:builder: buildx knows no builder of this name (nobody): make it with `docker buildx create"
    refused(attempt(checkout, stack), told)
    assert resources(checkout, stack) == set()


def test_a_builder_that_does_not_answer_is_refused(checkout: Checkout) -> None:
    instances = Path(checkout.environment["BUILDX_CONFIG"], "instances")
    instance = json.loads((instances / "slipway").read_text())
    instance["Name"] = "gone"
    instance["Nodes"][0]["Endpoint"] = "unix:///nonexistent/buildkitd.sock"
    (instances / "gone").write_text(json.dumps(instance))
    stack = small_stack(checkout, "builder-gone", lambda settings: settings.update(builder="gone"))
    refused(
        attempt(checkout, stack),
        "slipway:builder: BuildKit (gone) at /nonexistent/buildkitd.sock does not answer",
        "start it, or write the path of its socket",
    )
    assert resources(checkout, stack) == set()


@pytest.fixture(scope="module")
def vulnerable(checkout: Checkout) -> tuple[str, str]:
    """The sample with a vulnerable release among its requirements: the stack, and the output of `up`."""
    context = checkout.copy_sample("vulnerable")
    with (checkout.root / context / "requirements.txt").open("a") as requirements:
        requirements.write(JINJA)
    stack = checkout.stack("vulnerable", build_setting(context=context, platforms=["linux/amd64"], cache=False))
    return stack, refused(attempt(checkout, stack))


def test_a_vulnerable_dependency_is_shown_in_a_table_with_the_version_that_fixes_it(
    vulnerable: tuple[str, str],
) -> None:
    rows = [line.split() for line in vulnerable[1].splitlines()]
    assert ["SEVERITY", "VULNERABILITY", "PACKAGE", "INSTALLED", "FIXED", "IN", "PLATFORMS"] in rows
    found = next(row for row in rows if row[1:2] == ["CVE-2019-10906"])
    assert [found[0], found[1], found[2].lower(), *found[3:]] == [
        "HIGH", "CVE-2019-10906", "jinja2", "2.10", "2.10.1", "linux/amd64",
    ]  # fmt: skip
    assert "Nothing was signed or published" in vulnerable[1]
    assert "Update the packages, or accept a finding for a time under scan.ignore" in vulnerable[1]


def test_a_vulnerable_image_is_never_signed_nor_seen_by_the_private_registry(
    checkout: Checkout, vulnerable: tuple[str, str]
) -> None:
    stack, _ = vulnerable
    digest = digest_in_state(checkout, stack)
    assert checkout.quarantine.manifest(f"{stack}/web", digest), "the candidate itself is in quarantine"
    assert checkout.quarantine.referrers(f"{stack}/web", digest) == []
    for repository in repositories(checkout.private):
        assert checkout.private.manifest(repository, digest) is None
    assert_nothing_left_quarantine(checkout, stack)


def test_the_reports_of_a_vulnerable_image_are_kept(checkout: Checkout, vulnerable: tuple[str, str]) -> None:
    folder = checkout.root / ".slipway" / "reports" / "vulnerable" / "web"
    assert f"Full reports: {folder.relative_to(checkout.root)}" in vulnerable[1]
    report = json.loads((folder / "linux-amd64.json").read_text())
    assert any(
        it["VulnerabilityID"] == "CVE-2019-10906" for r in report["Results"] for it in r.get("Vulnerabilities", ())
    )
    assert json.loads((folder / "linux-amd64.sarif").read_text())["version"] == "2.1.0"


def test_a_missing_vulnerability_database_fails_the_gate(checkout: Checkout) -> None:
    database = f"{checkout.quarantine.address}/no-such-db:2"
    stack = small_stack(checkout, "no-database", lambda settings: settings["scan"].update(database=database))
    refused(
        attempt(checkout, stack),
        "web-scan-trivy",
        "the vulnerability database is missing and cannot be fetched",
        database,
        "scan.database",
    )
    assert_nothing_left_quarantine(checkout, stack)


def test_a_stale_vulnerability_database_fails_the_gate(checkout: Checkout, tmp_path: Path) -> None:
    database = push_aged_database(checkout, tmp_path, days=30)
    stack = small_stack(checkout, "stale-database", lambda settings: settings["scan"].update(database=database))
    refused(
        attempt(checkout, stack),
        "web-scan-trivy",
        "the vulnerability database is stale",
        "30 days ago; scan.database_age allows 7",
        "name a mirror in scan.database",
    )
    assert_nothing_left_quarantine(checkout, stack)


def push_aged_database(checkout: Checkout, folder: Path, days: int) -> str:
    """Push the checkout's database to quarantine as it would be after so many days without a newer one."""
    address = checkout.quarantine.address
    checkout.run("oras", "pull", "--plain-http", f"{address}/trivy-db:2", cwd=folder)
    made = (datetime.now(UTC) - timedelta(days=days, hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    with tarfile.open(folder / "db.tar.gz") as whole:
        whole.extractall(folder)
    metadata = json.loads((folder / "metadata.json").read_text()) | {"UpdatedAt": made, "NextUpdate": made}
    (folder / "metadata.json").write_text(json.dumps(metadata))
    return push_database(checkout, folder, "trivy.db", "db", "aged-db:2")
