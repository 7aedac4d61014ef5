"""`slipway preview` on real services: the digest of what is not built yet, and the steps of the ready workflows."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Checkout, commit
from tests.e2e.small import APP, container_of, small_stack

STACK = "preview-report"
REPOSITORY = f"{STACK}/web"
REASON = "the report writer needs its spool"


@dataclass
class Previewed:
    """A stack that runs 1.4.0, and the preview of a 1.5.0 that is in no registry."""

    checkout: Checkout
    before: dict[str, Any]
    """The release that runs."""
    output: str
    """What a person saw."""
    report: dict[str, Any]
    """preview.json."""

    @property
    def service(self) -> dict[str, Any]:
        """The only service."""
        [found] = self.report["services"]
        return dict(found)

    @property
    def digest(self) -> str:
        """What would ship."""
        return str(self.service["after"]["digest"])


def reports(checkout: Checkout) -> Path:
    """The folder with the stack's report."""
    return checkout.root / ".slipway" / "reports" / STACK


def report(checkout: Checkout) -> dict[str, Any]:
    """The stack's preview.json."""
    found: dict[str, Any] = json.loads((reports(checkout) / "preview.json").read_text())
    return found


@pytest.fixture(name="previewed", scope="module")
def stack_with_a_change(checkout: Checkout) -> Previewed:
    """Bring 1.4.0 up, change a line of its source and two of its settings, and preview."""
    small_stack(checkout, STACK, _for_both_platforms)
    checkout.up(STACK, "--skip-preview")
    before = checkout.outputs(STACK)["web"]["release"]
    (checkout.root / "small" / STACK / "app.py").write_text(APP.replace("listens", "listens well"))
    commit(checkout.root, "Let the small service listen well", f"small/{STACK}")
    checkout.edit_stack(STACK, _weaken)
    output = checkout.run("bin/slipway", "preview", STACK).stdout
    return Previewed(checkout, before, output, report(checkout))


def _for_both_platforms(settings: dict[str, Any]) -> None:
    settings["build_on_preview"] = True
    web = settings["services"]["web"]
    web["build"]["platforms"] = ["linux/amd64", "linux/arm64"]
    web["run"]["health"] = {"timeout": 10, "retries": 10}  # a busy machine is no failure


def _weaken(settings: dict[str, Any]) -> None:
    web = settings["services"]["web"]
    web["version"] = "1.5.0"
    web["run"] |= {"capabilities": ["NET_BIND_SERVICE"], "memory": 96}


def test_the_digest_of_what_is_not_built_yet_is_known_and_nothing_is_pushed(previewed: Previewed) -> None:
    assert previewed.report["would_ship"] is True
    assert previewed.service["before"]["digest"] == previewed.before["digest"]
    assert previewed.digest.startswith("sha256:") and previewed.digest != previewed.before["digest"]
    assert previewed.service["after"]["tag"] == f"1.5.0-dev.{previewed.digest[7:19]}"
    for registry in (previewed.checkout.quarantine, previewed.checkout.private):
        assert registry.manifest(REPOSITORY, previewed.digest) is None


def test_the_commits_layers_packages_and_findings_between_are_told(previewed: Previewed) -> None:
    assert [it["subject"] for it in previewed.service["commits"]["added"]] == ["Let the small service listen well"]
    assert [it["platform"] for it in previewed.service["layers"]] == ["linux/amd64", "linux/arm64"]
    for layers in previewed.service["layers"]:
        assert layers["state"] == "changed"
        assert 0 < layers["pull_layers"] < layers["total_layers"]
        assert 0 < layers["pull_bytes"] < layers["total_bytes"]
    assert previewed.service["packages"] == []
    assert previewed.service["vulnerabilities"]["introduced"] == []
    assert previewed.service["unknown"] == []


def test_what_weakens_the_workload_comes_first(previewed: Previewed) -> None:
    settings = [(it["setting"], it["weight"]) for it in previewed.service["settings"]]
    assert settings == [("capabilities.NET_BIND_SERVICE", "weakens"), ("memory", "loosens")]
    assert "weakens capabilities.NET_BIND_SERVICE: not set → added" in previewed.output


def test_no_secret_stands_in_the_report(previewed: Previewed) -> None:
    written = previewed.output + "".join(path.read_text() for path in reports(previewed.checkout).glob("preview.*"))
    for name in ("registry.password", "cosign.password", "pulumi.passphrase"):
        assert previewed.checkout.key(name) not in written
    assert "<!-- slipway preview: preview-report -->" in written


def test_the_stack_that_is_selected_stays_selected(previewed: Previewed) -> None:
    listed = json.loads(previewed.checkout.run("pulumi", "stack", "ls", "--json").stdout)
    assert not [it["name"] for it in listed if it["current"] and it["name"] == STACK]


@pytest.mark.parametrize("arguments", [["no-such-stack"], [STACK, "--expect-no-changes"]], ids=["no stack", "changes"])
def test_the_exit_code_is_that_of_pulumi_preview(previewed: Previewed, arguments: list[str]) -> None:
    stack, *flags = arguments
    theirs = previewed.checkout.run("pulumi", "preview", "--stack", stack, *flags, check=False).returncode
    ours = previewed.checkout.run("bin/slipway", "preview", *arguments, check=False)
    assert theirs != 0
    assert ours.returncode == theirs, ours.stdout
    assert "Traceback" not in ours.stdout


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("memory: 96", "memory: a lot", "slipway:services.web.run.memory"),
        ("memory: 96", f"read_only: false\n        reasons: {{read_only: {REASON}}}", "container-root-is-read-only"),
    ],
    ids=["a mistake in the settings", "a violated policy"],
)
def test_what_would_stop_an_up_is_told_and_ends_as_it_does_there(
    previewed: Previewed, old: str, new: str, told: str
) -> None:
    path = previewed.checkout.root / "stacks" / f"Pulumi.{STACK}.yaml"
    text = path.read_text()
    assert text.count(old) == 1
    try:
        path.write_text(text.replace(old, new))
        theirs = previewed.checkout.preview(STACK, check=False).returncode
        ended = previewed.checkout.run("bin/slipway", "preview", STACK, check=False)
        found = report(previewed.checkout)
    finally:
        path.write_text(text)
    assert theirs != 0
    assert (ended.returncode, found["exit_code"]) == (theirs, theirs)
    assert told in ended.stdout
    assert (found["passed"], found["would_ship"]) == (False, False)


def test_the_steps_of_the_workflows_preview_and_ship_what_was_previewed(previewed: Previewed, tmp_path: Path) -> None:
    checkout, steps = previewed.checkout, "docs/workflows/steps"
    page, outputs = tmp_path / "page.md", tmp_path / "outputs"
    page.touch()
    told = {"GITHUB_STEP_SUMMARY": str(page), "GITHUB_OUTPUT": str(outputs)}
    assert "would ship: true" in checkout.run(f"{steps}/preview.sh", STACK, env=told).stdout
    assert outputs.read_text() == "would_ship=true\n"
    assert page.read_text() == (reports(checkout) / "preview.md").read_text()
    approved = tmp_path / "preview.json"
    shutil.copy(reports(checkout) / "preview.json", approved)

    approved.write_text(approved.read_text().replace(previewed.digest, previewed.before["digest"]))
    refused = checkout.run(f"{steps}/promote.sh", STACK, str(approved), check=False)
    assert refused.returncode == 1
    assert "What would ship is not what was approved; nothing was changed" in refused.stdout
    assert checkout.outputs(STACK)["web"]["release"]["digest"] == previewed.before["digest"]

    shutil.copy(reports(checkout) / "preview.json", approved)
    checkout.run(f"{steps}/promote.sh", STACK, str(approved))
    assert checkout.outputs(STACK)["web"]["release"]["digest"] == previewed.digest
    assert previewed.digest in checkout.inspect(container_of(STACK))["Config"]["Image"]

    checkout.run(f"{steps}/up.sh", STACK)
    assert "would ship: false" in checkout.run(f"{steps}/preview.sh", STACK).stdout
    assert [it["state"] for it in report(checkout)["services"]] == ["unchanged"]
