"""`slipway releases` and `slipway approve` as a person runs them."""

from __future__ import annotations

import base64
import json
import xml.etree.ElementTree as ElementTree

import pytest
from typer.testing import Result

from commands.approve import approve
from commands.operations.access import member, reach
from commands.releases import releases
from steps.predicates import APPROVED, PROVED
from steps.stacks import find_stack
from tests.notary import PASSWORD, a_notary
from tests.operations import SHIPPED, STAGED, Project, a_project, bad, good
from tests.pulumi_cli import fake_pulumi

__all__ = ["a_notary", "a_project", "fake_pulumi"]


def test_releases_tells_what_runs_where_in_the_order_in_which_releases_travel(project: Project) -> None:
    shown = good(project.cli(releases))
    assert shown.index("staging") < shown.index("production")
    assert project.index.removeprefix("sha256:")[:12] in shown
    assert "nothing yet" in shown


def test_releases_as_data_has_a_schema_and_whole_digests(project: Project) -> None:
    project.notary.say(
        f"{STAGED}@{project.index}",
        PROVED,
        "staging.pub",
        {
            "schemaVersion": 1,
            "project": "slipway",
            "stack": "staging",
            "kind": "deployed",
            "time": "2026-11-01T17:06:00Z",
        },
    )
    data = json.loads(good(project.cli(releases, "--json")))
    assert (data["schema_version"], data["project"]) == (2, "slipway")
    staging, production = data["stacks"]
    assert (staging["stack"], production["stack"], production["takes_from"]) == ("staging", "production", ["staging"])
    [web] = staging["services"]
    assert (web["digest"], web["since"], web["revision"]) == (project.index, "2026-11-01T17:03:00Z", "f" * 40)
    assert web["proofs"] == [{"kind": "deployed", "time": "2026-11-01T17:06:00Z"}]
    assert (web["approvals"], web["author"]) == ([], "Ada")
    assert [(it["digest"], it["known_from"]) for it in staging["history"]] == [(project.index, "outputs")]


def test_releases_of_one_stack_leaves_the_others_alone(project: Project) -> None:
    data = json.loads(good(project.cli(releases, "production", "--json")))
    assert [it["stack"] for it in data["stacks"]] == ["production"]


def test_releases_without_the_registry_says_which_setting_to_check_and_shows_the_rest(project: Project) -> None:
    project.shelf.down = 'Error: Get "https://localhost:5443/v2/driftwood/web/tags/list": connect: connection refused'
    result = project.cli(releases)
    told = bad(result, 1)
    assert "warning: what the registry knows of staging: registry localhost:5443 does not answer" in told
    assert "registry.address" in told
    assert "registry not asked" in result.stdout
    data = json.loads(project.cli(releases, "--json").stdout)
    assert data["stacks"][0]["services"][0]["proofs"] is None


def test_releases_of_a_stack_that_does_not_exist_tells_those_that_do(project: Project) -> None:
    assert "no stack stagin in this project: write one of: production, staging" in bad(
        project.cli(releases, "stagin"), 2
    )


def test_releases_of_a_stack_that_cannot_be_read_tells_it_and_shows_the_rest(project: Project) -> None:
    project.production.broken = "error: incorrect passphrase"
    result = project.cli(releases)
    assert "incorrect passphrase" in bad(result, 1)
    assert project.index.removeprefix("sha256:")[:12] in result.stdout


def test_releases_where_no_stack_can_be_read_knows_nothing_and_does_not_say_that_nothing_runs(
    project: Project,
) -> None:
    project.staging.broken = "error: incorrect passphrase"
    result = project.cli(releases, "staging")
    assert "incorrect passphrase" in bad(result, 2)
    assert "not read" in result.stdout
    assert "nothing yet" not in result.stdout
    [stack] = json.loads(project.cli(releases, "staging", "--json").stdout)["stacks"]
    assert stack["read"] is False


def test_a_registry_is_asked_as_the_stack_says_whose_own_it_is(project: Project) -> None:
    project.production.config["slipway:promote"]["registries"][0]["username"] = "reader"
    members = [member(find_stack(name)) for name in ("staging", "production")]
    for order in (members, members[::-1]):
        with reach(order) as registries:
            logins = json.loads((registries.credentials / "config.json").read_text())["auths"]
        user = base64.b64decode(logins["localhost:5443"]["auth"]).decode().partition(":")[0]
        assert user == "slipway", "the reader of another stack may not write there"


def test_the_drawing_is_text_without_a_script_and_has_both_of_the_readers_schemes(project: Project) -> None:
    project.run_in(project.production, f"{SHIPPED}@{project.index}", "production")
    good(project.cli(releases, "--svg", "where.svg"))
    text = (project.folder / "where.svg").read_text()
    root = ElementTree.fromstring(text)
    space = "{http://www.w3.org/2000/svg}"
    words = [it.text for it in root.iter(f"{space}text")]
    assert {"staging", "production", "web", "1.4.0"} <= set(words)
    assert words.count(project.index.removeprefix("sha256:")[:12]) == 2
    assert "prefers-color-scheme: dark" in text
    assert {it.tag.removeprefix(space) for it in root.iter()} == {
        "svg",
        "title",
        "desc",
        "style",
        "rect",
        "text",
        "path",
    }
    assert not any(name.startswith("on") or "href" in name for it in root.iter() for name in it.attrib)


def test_a_name_cannot_bring_markup_into_the_drawing_or_the_terminal(project: Project) -> None:
    output = project.staging.outputs.pop("web")
    project.staging.outputs["<script>alert(1)</script>[red]\x1b[2J"] = output
    shown = good(project.cli(releases, "--svg", "where.svg"))
    assert "\x1b" not in shown
    text = (project.folder / "where.svg").read_text()
    assert "<script" not in text
    ElementTree.fromstring(text)


def approved(project: Project, *more: str, input: str | None = f"{PASSWORD}\n", artifact: str = "") -> Result:
    """Approve what staging runs for production."""
    reason = ("--reason", "compared with the printed tide tables")
    return project.cli(
        approve, "production", artifact or project.index, "--key", "ada.key", *reason, *more, input=input
    )


@pytest.mark.parametrize("by", ["digest", "version"])
def test_approve_writes_beside_the_release_of_the_stack_that_has_it(project: Project, by: str) -> None:
    shown = good(approved(project, artifact=project.index if by == "digest" else "1.4.0"))
    assert shown.startswith(f"{STAGED}@{project.index} is approved for production by ada (")
    [predicate] = project.notary.attested(f"{STAGED}@{project.index}", APPROVED)
    assert (predicate["stack"], predicate["approver"]) == ("production", "ada")


def test_a_second_approve_is_quiet(project: Project) -> None:
    good(approved(project))
    assert "is already approved for production by ada" in good(approved(project))
    assert len(project.notary.attested(f"{STAGED}@{project.index}", APPROVED)) == 1


def test_approve_reads_the_password_from_a_file(project: Project) -> None:
    good(approved(project, "--password-file", "staging.password", input=None))


def test_approve_reads_no_password_file_that_others_can_read(project: Project) -> None:
    (project.folder / "staging.password").chmod(0o640)
    message = bad(approved(project, "--password-file", "staging.password", input=None), 1)
    assert "secret file staging.password: others can read the file (mode 0640): run `chmod 600 " in message
    assert project.notary.attested(f"{STAGED}@{project.index}", APPROVED) == []


def test_approve_has_no_way_to_take_a_password_as_an_argument(project: Project) -> None:
    assert "--password " not in project.cli(approve, "--help").output
    assert bad(approved(project, "--password", PASSWORD), 2)


@pytest.mark.parametrize(
    ("artifact", "told"),
    [
        ("1.9.0", "there is no 1.9.0 in localhost:5444/driftwood/web or localhost:5443/driftwood/web"),
        (f"sha256:{'d' * 64}", "is neither in localhost:5444/driftwood/web nor in localhost:5443/driftwood/web"),
        ("sha256:abc", "is not a digest"),
        ("latest", "'latest' is not a semantic version"),
    ],
)
def test_approve_of_what_is_not_there_says_where_it_looked(project: Project, artifact: str, told: str) -> None:
    assert told in bad(approved(project, artifact=artifact), 1)


def test_approve_says_what_a_reason_is(project: Project) -> None:
    result = project.cli(approve, "production", "1.4.0", "--key", "ada.key", "--reason", "ok", input=PASSWORD)
    assert "--reason: a reason of 2 characters tells nobody why" in bad(result, 1)


def test_approve_by_somebody_else_is_refused(project: Project) -> None:
    result = project.cli(
        approve, "production", "1.4.0", "--key", "eve.key", "--reason", "I would like to", input=PASSWORD
    )
    assert "eve.key is the key of nobody who may approve for production (ada)" in bad(result, 1)


def test_approve_for_a_stack_that_builds_is_refused(project: Project) -> None:
    result = project.cli(approve, "staging", "1.4.0", "--key", "ada.key", "--reason", "to try it out", input=PASSWORD)
    assert "stack staging builds what it runs" in bad(result, 1)


def test_approve_of_a_service_that_nobody_has_tells_those_that_there_are(project: Project) -> None:
    assert "has no service tide: write one of: web" in bad(approved(project, "--service", "tide"), 1)
