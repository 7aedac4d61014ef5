"""Image: what BuildKit is asked for, and what of it depends on the commit alone."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pydantic import ValidationError

from components.bases import locked_bases
from components.image import Image
from components.tree import last_commit
from tests.programs import PASSWORDS, SECRETS, image_args
from tests.recording import CANDIDATE, DIGEST, Engine, Registration, component
from tests.repository import Repository, service_in_git

__all__ = ["service_in_git"]

BUILD = "docker-build:index:Image"
SAMPLE = Path(__file__).resolve().parents[2] / "examples" / "driftwood-web"


def engine_of(**changes: Any) -> Engine:
    """The engine after an image with these arguments."""
    return Engine().good(lambda: Image("web", image_args(**changes)), secrets=SECRETS)


def build_of(**changes: Any) -> Registration:
    """The build with these arguments."""
    return engine_of(**changes).one(BUILD)


def test_all_platforms_are_built_into_one_index() -> None:
    assert build_of().inputs["platforms"] == ["linux/amd64", "linux/arm64"]


def test_it_is_pushed_by_digest_alone_into_quarantine_with_times_rewritten() -> None:
    build = build_of()
    [export] = build.inputs["exports"]
    options = dict(part.split("=") for part in export["raw"].split(","))
    assert options == {
        "type": "image",
        "name": "localhost:5380/driftwood/web",
        "push": "true",
        "push-by-digest": "true",
        "rewrite-timestamp": "true",
        "oci-mediatypes": "true",
    }
    assert build.inputs["push"] is False  # a second push would be by tag
    assert "tags" not in build.inputs


def test_a_preview_builds_nothing() -> None:
    assert build_of().inputs["buildOnPreview"] is False


def test_a_preview_builds_where_the_stack_asks_for_it_and_leaves_nothing_in_a_registry() -> None:
    build = build_of(build_on_preview=True)
    assert build.inputs["buildOnPreview"] is True
    assert "cacheTo" not in build.inputs  # the provider writes it at preview, too
    assert build.inputs["cacheFrom"]


def test_a_candidate_outlives_its_stack_for_another_one_may_run_it() -> None:
    assert build_of().options["retainOnDelete"] is True


def test_it_hands_on_the_candidate_by_digest() -> None:
    engine = engine_of()
    assert engine.outputs[component(engine, "Image", "web").urn] == {"reference": CANDIDATE, "digest": DIGEST}


def test_layers_are_cached_in_quarantine_under_a_tag_that_is_no_release() -> None:
    build = build_of()
    [source], [target] = build.inputs["cacheFrom"], build.inputs["cacheTo"]
    assert source["registry"]["ref"] == target["registry"]["ref"] == "localhost:5380/driftwood/web:cache"
    assert target["registry"]["mode"] == "max"


def test_the_cache_can_be_switched_off() -> None:
    assert not {"cacheFrom", "cacheTo"} & build_of(cache=False).inputs.keys()


def test_the_dockerfile_is_the_one_in_the_context_as_it_is() -> None:
    build = build_of(dockerfile="deploy/Dockerfile", target="final")
    assert build.inputs["dockerfile"]["location"] == "examples/driftwood-web/deploy/Dockerfile"
    assert build.inputs["context"]["location"] == "examples/driftwood-web"
    assert build.inputs["target"] == "final"


def test_build_secrets_are_secrets_and_stand_nowhere_else() -> None:
    build = build_of()
    assert build.inputs["secrets"] == {"pip_token": PASSWORDS["token"]}
    assert "secrets" in build.secrets
    others = {key: value for key, value in build.inputs.items() if key not in build.secrets}
    assert PASSWORDS["token"] not in json.dumps(others)


def test_the_login_of_quarantine_is_a_secret() -> None:
    build = build_of()
    [login] = build.inputs["registries"]
    assert login == {"address": "localhost:5380", "username": "builder", "password": PASSWORDS["quarantine"]}
    assert "registries" in build.secrets


def test_without_credentials_no_login_is_made_up() -> None:
    assert not build_of(registry=None).inputs.get("registries")


def test_the_builder_is_the_one_of_the_settings() -> None:
    assert build_of(builder="slipway").inputs["builder"] == {"name": "slipway"}


def test_base_images_are_named_contexts_by_the_locked_digest(tmp_path: Path) -> None:
    lock = tmp_path / "bases.json"
    base = f"docker.io/library/python@{DIGEST}"
    lock.write_text(json.dumps({"python:3.12-slim": base}))
    named = build_of(base_images=str(lock)).inputs["context"]["named"]
    assert named == {"python:3.12-slim": {"location": f"docker-image://{base}"}}


@pytest.mark.parametrize("content", ["[]", '{"python:3.12-slim": "python:3.12-slim"}', "not json", '{"a": null}'])
def test_a_lock_that_locks_nothing_is_refused(tmp_path: Path, content: str) -> None:
    lock = tmp_path / "bases.json"
    lock.write_text(content)
    with pytest.raises(ValueError, match=r"."):
        locked_bases(lock)


@pytest.mark.parametrize(("content", "told"), [(None, "there is no such file"), ("[]", "it locks no digests")])
def test_a_lock_that_cannot_be_used_is_told_as_such_where_no_settings_have_been_read(
    tmp_path: Path, content: str | None, told: str
) -> None:
    lock = tmp_path / "bases.json"
    if content:
        lock.write_text(content)
    engine = Engine().run(lambda: Image("web", image_args(base_images=str(lock))), secrets=SECRETS)
    assert [type(it) for it in engine.errors] == [pulumi.RunError]
    assert re.match(rf"web: base_images: {told}.*make lock-bases", str(engine.errors[0]))


def test_build_arguments_reach_the_dockerfile_beside_what_labels_are_made_of() -> None:
    arguments = build_of(arguments={"FLAVOUR": "plain"}, source="https://driftwood.example/web").inputs["buildArgs"]
    assert arguments["FLAVOUR"] == "plain"
    assert arguments["SOURCE"] == "https://driftwood.example/web"
    assert arguments["VERSION"] == "1.4.0"
    assert set(arguments) == {"FLAVOUR", "SOURCE", "VERSION", "REVISION", "CREATED", "SOURCE_DATE_EPOCH"}


@pytest.mark.parametrize("name", ["PIP_TOKEN", "DB_PASSWORD"])
def test_a_secret_among_the_build_arguments_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match=rf"{name} looks like a secret.*build\.secrets"):
        image_args(arguments={name: "x"})


@pytest.mark.parametrize(
    "platforms", [(), ("linux/amd64", "linux/amd64"), ("amd64",), ("linux/amd46",), ("linux/arm/v7",)]
)
def test_platforms_that_make_no_index_are_refused(platforms: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError, match="platforms"):
        image_args(platforms=platforms)


def test_a_commit_elsewhere_rebuilds_nothing(repository: Repository) -> None:
    before = build_of(context=str(repository.context)).inputs
    repository.commit("README.md", 1_700_000_200)
    (repository.folder / "notes").write_text("not committed")
    assert build_of(context=str(repository.context)).inputs == before


def test_a_commit_to_the_context_is_a_change_that_a_person_can_read(repository: Repository) -> None:
    before = build_of(context=str(repository.context)).inputs["buildArgs"]
    revision = repository.commit("web/app.py", 1_700_000_100)
    after = build_of(context=str(repository.context)).inputs["buildArgs"]
    assert before != after
    assert (after["REVISION"], after["SOURCE_DATE_EPOCH"]) == (revision, "1700000100")
    assert after["CREATED"] == "2023-11-14T22:15:00Z"


def test_outside_of_git_the_build_is_reproducible_all_the_same(tmp_path: Path) -> None:
    assert last_commit(tmp_path) == ("unknown", 0)
    assert build_of(context=str(tmp_path)).inputs["buildArgs"]["SOURCE_DATE_EPOCH"] == "0"


def test_the_sample_is_built_from_its_own_folder() -> None:
    assert (SAMPLE / "Dockerfile").is_file()
    assert build_of().inputs["buildArgs"]["REVISION"] == last_commit(SAMPLE)[0]
