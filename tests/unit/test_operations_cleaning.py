"""`slipway clean-registry` as a person runs it: what it lists, what it deletes, what it never touches."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import typer

from commands.clean_registry import clean_registry
from steps.tool import ToolError
from tests.notary import a_notary
from tests.operations import CANDIDATES, SHIPPED, STAGED, Project, a_project, bad, good
from tests.pulumi_cli import fake_pulumi

__all__ = ["a_notary", "a_project", "fake_pulumi"]

LONG_AGO = datetime.now(UTC) - timedelta(days=90)


@pytest.fixture(name="old")
def old_things(project: Project) -> dict[str, str]:
    """An old candidate, an old release and what may look like one, beside what staging runs."""
    made = {
        "candidate": project.shelf.image(CANDIDATES, "candidate"),
        "release": project.shelf.image(STAGED, "release", "1.2.0"),
        "cache": project.shelf.image(CANDIDATES, "cache", "cache"),
        "running": project.shelf.image(CANDIDATES, "web"),
        "base": project.shelf.image("localhost:5380/base/python", "base", "1.0.0"),
        "database": project.shelf.image("localhost:5380/trivy-db", "database", "2.0.0"),
    }
    homes = {"release": STAGED, "base": "localhost:5380/base/python", "database": "localhost:5380/trivy-db"}
    for name, index in made.items():
        project.shelf.sign(homes.get(name, CANDIDATES), index, LONG_AGO)
    assert made["running"] == project.index, "the candidate is the release, byte for byte"
    return made


def test_clean_registry_lists_and_deletes_nothing_by_default(project: Project, old: dict[str, str]) -> None:
    before = json.dumps(project.shelf.repositories)
    shown = good(project.cli(clean_registry, "--keep", "0"))
    assert "a dry run: nothing was changed" in shown
    assert old["candidate"].removeprefix("sha256:")[:12] in shown
    assert old["release"].removeprefix("sha256:")[:12] in shown
    assert "run it again with --yes" in shown
    assert project.deleted() == []
    assert json.dumps(project.shelf.repositories) == before


def test_clean_registry_deletes_with_yes_and_leaves_all_that_is_in_use(project: Project, old: dict[str, str]) -> None:
    before = (
        project.shelf.repositories["localhost:5380/base/python"],
        project.shelf.repositories["localhost:5380/trivy-db"],
    )
    good(project.cli(clean_registry, "--keep", "0", "--yes"))
    quarantine, private = project.shelf.repository(CANDIDATES), project.shelf.repository(STAGED)
    assert old["candidate"] not in quarantine["manifests"]
    assert old["release"] not in private["manifests"]
    assert {old["cache"], old["running"]} <= quarantine["manifests"].keys()
    assert project.index in private["manifests"] and private["tags"]["1.4.0"] == project.index
    assert "1.2.0" not in private["tags"]
    after = (
        project.shelf.repositories["localhost:5380/base/python"],
        project.shelf.repositories["localhost:5380/trivy-db"],
    )
    assert after == before


@pytest.mark.parametrize("arguments", [(), ("--yes",), ("--json",)])
def test_clean_registry_says_whose_word_it_takes(
    project: Project, old: dict[str, str], arguments: tuple[str, ...]
) -> None:
    project.pulumi.stack("organization/other/prod")
    project.pulumi.backend = "https://ada:hunter2@pulumi.example"
    result = project.cli(clean_registry, "--keep", "0", *arguments)
    assert good(result)
    names = "organization/other/prod, organization/slipway/production, organization/slipway/staging"
    assert result.stderr == (
        f"in use is what these say, and nothing else: 3 stacks of https://…@pulumi.example: {names}\n"
    )
    if arguments == ("--json",):
        data = json.loads(result.stdout)
        assert (data["backend"], ", ".join(data["stacks"])) == ("https://…@pulumi.example", names)
    assert old


def test_clean_registry_says_whose_word_it_takes_before_it_deletes(project: Project, old: dict[str, str]) -> None:
    told: list[tuple[str, int]] = []
    project.monkeypatch.setattr(typer, "echo", lambda text, err: told.append((text, len(project.deleted()))))
    good(project.cli(clean_registry, "--keep", "0", "--yes"))
    [(text, deleted)] = told
    assert text.endswith(
        "2 stacks of file:///srv/pulumi: organization/slipway/production, organization/slipway/staging"
    )
    assert deleted == 0 and project.deleted()
    assert old


def test_clean_registry_deletes_nothing_where_no_stack_uses_anything(project: Project, old: dict[str, str]) -> None:
    project.staging.resources, project.staging.outputs = [], {}
    assert old["release"].removeprefix("sha256:")[:12] in good(project.cli(clean_registry, "--keep", "0"))
    message = bad(project.cli(clean_registry, "--keep", "0", "--yes"), 2)
    assert "no stack of file:///srv/pulumi has any artifact of localhost:" in message
    assert "nothing was deleted. Log in to the backend whose stacks run what is in the registry" in message
    other = project.pulumi.stack("organization/other/prod")
    other.resources = [{"inputs": {"image": f"docker.io/library/nginx@sha256:{'e' * 64}"}}]
    bad(project.cli(clean_registry, "--keep", "0", "--yes"), 2)  # it has nothing of these repositories
    assert project.deleted() == []
    other.resources = [{"inputs": {"image": f"{STAGED}@{old['release']}"}}]
    good(project.cli(clean_registry, "--keep", "0", "--yes"))
    assert project.deleted()


def test_clean_registry_refuses_in_a_backend_without_a_stack_of_the_project(project: Project) -> None:
    project.pulumi.stacks.clear()
    project.pulumi.stack("organization/other/prod")
    message = bad(project.cli(clean_registry, "--yes"), 2)
    assert "this project has no stack in file:///srv/pulumi: nothing says what is in use" in message
    assert project.deleted() == []


def test_clean_registry_keeps_the_newest_and_the_younger(project: Project, old: dict[str, str]) -> None:
    assert "nothing to remove" in good(project.cli(clean_registry, "--yes")), "ten are kept of each"
    assert "nothing to remove" in good(project.cli(clean_registry, "--yes", "--keep", "0", "--older-than", "120d"))
    assert project.deleted() == []
    assert old


@pytest.mark.parametrize("name", ["staging", "production", "organization/other/prod"])
def test_clean_registry_refuses_where_one_state_cannot_be_read(
    project: Project, old: dict[str, str], name: str
) -> None:
    project.pulumi.stack(name).broken = "error: could not deserialize deployment"
    assert "could not deserialize deployment" in bad(project.cli(clean_registry, "--keep", "0", "--yes"), 2)
    assert project.deleted() == []
    assert old


def test_clean_registry_spares_what_another_project_runs(project: Project, old: dict[str, str]) -> None:
    project.pulumi.stack("organization/other/prod").resources = [{"inputs": {"image": f"{STAGED}@{old['release']}"}}]
    good(project.cli(clean_registry, "--keep", "0", "--yes"))
    assert old["release"] in project.shelf.repository(STAGED)["manifests"]


def test_clean_registry_spares_the_release_that_the_last_update_named(project: Project, old: dict[str, str]) -> None:
    project.production.updated(1, "1.2.0")
    good(project.cli(clean_registry, "--keep", "0", "--yes"))
    assert old["release"] in project.shelf.repository(STAGED)["manifests"]


def test_clean_registry_leaves_what_ran_before_that_to_age_and_count(project: Project, old: dict[str, str]) -> None:
    project.production.updated(1, "1.2.0")
    project.production.updated(2, "1.3.0")
    assert "nothing to remove" in good(project.cli(clean_registry, "--yes"))
    good(project.cli(clean_registry, "--keep", "0", "--yes"))
    assert old["release"] not in project.shelf.repository(STAGED)["manifests"]


def test_clean_registry_spares_what_was_brought_up_while_it_looked(project: Project, old: dict[str, str]) -> None:
    asked = 0

    def run(command: list[str], **options: Any) -> str:
        nonlocal asked
        if command[1:3] == ["stack", "export"] and command[4].endswith("/production"):
            asked += 1
            if asked == 2:
                project.production.resources = [{"inputs": {"image": f"{STAGED}@{old['release']}"}}]
        return project.pulumi.run(command, **options)

    project.monkeypatch.setattr("steps.stacks.run_tool", run)
    good(project.cli(clean_registry, "--keep", "0", "--yes"))
    assert asked == 2
    assert old["release"] in project.shelf.repository(STAGED)["manifests"]


def test_clean_registry_says_that_a_registry_allows_no_deletion(project: Project, old: dict[str, str]) -> None:
    project.shelf.deletes = False
    message = bad(project.cli(clean_registry, "--keep", "0", "--yes"), 1)
    assert "registry localhost:5380 allows no deletion in driftwood/web" in message
    assert "registry localhost:5443 allows no deletion in driftwood/web" in message
    assert old["candidate"] in project.shelf.repository(CANDIDATES)["manifests"]


def test_clean_registry_counts_what_it_deleted_before_it_failed(project: Project, old: dict[str, str]) -> None:
    run, left = project.shelf.run, 2

    def third_fails(command: list[str]) -> str:
        nonlocal left
        if command[1:3] == ["manifest", "delete"]:
            if not left:
                raise ToolError("oras", "Error: response status code 503: Service Unavailable")
            left -= 1
        return run(command)

    project.monkeypatch.setattr(project.shelf, "run", third_fails)
    result = project.cli(clean_registry, "--keep", "0", "--yes", "--json", "--repository", "driftwood/web")
    bad(result, 1)
    broken, *others = [it for it in json.loads(result.stdout)["places"] if it["problem"]]
    assert broken["deleted"] == 2
    assert [it["deleted"] for it in others] == [0] * len(others)
    assert old


def test_clean_registry_without_a_registry_refuses(project: Project, old: dict[str, str]) -> None:
    project.shelf.down = 'Error: Get "http://localhost:5380/v2/driftwood/web/tags/list": connect: connection refused'
    message = bad(project.cli(clean_registry, "--keep", "0", "--yes"), 2)
    assert "registry localhost:5380 does not answer: start it or check quarantine.address" in message
    assert old


def test_clean_registry_looks_at_the_repositories_that_are_named_alone(project: Project, old: dict[str, str]) -> None:
    project.pulumi.stack("dev").config = json.loads(json.dumps(project.staging.config).replace("/web", "/tide"))
    data = json.loads(good(project.cli(clean_registry, "--json", "--repository", "driftwood/tide")))
    seen = [it["repository"] for it in data["places"]]
    assert seen == ["localhost:5380/driftwood/tide", "localhost:5443/driftwood/tide"]
    message = bad(project.cli(clean_registry, "--repository", "driftwood/tides"), 2)
    assert "no service has the repository driftwood/tides: write one of: driftwood/tide, driftwood/web" in message
    assert old


def test_clean_registry_tells_what_an_age_is(project: Project) -> None:
    assert "--older-than: 'a while' is no age" in bad(project.cli(clean_registry, "--older-than", "a while"), 2)


def test_clean_registry_as_data_tells_why_each_goes_or_stays(project: Project, old: dict[str, str]) -> None:
    data = json.loads(good(project.cli(clean_registry, "--keep", "0", "--json")))
    assert (data["schema_version"], data["dry_run"], data["older_than"]) == (1, True, 30 * 86400)
    places = {it["repository"]: it for it in data["places"]}
    assert set(places) == {CANDIDATES, STAGED, SHIPPED}
    [candidate] = places[CANDIDATES]["goes"]
    assert candidate["digest"] == old["candidate"]
    assert candidate["bytes"] > 1000 and candidate["manifests"] == 9
    reasons = {it["digest"]: it["reason"] for it in places[CANDIDATES]["stays"]}
    assert reasons[old["cache"]] == "the tag cache is no version of ours"
    assert reasons[old["running"]] == "a stack's state or settings have its digest"
    assert places[STAGED]["deleted"] is None
