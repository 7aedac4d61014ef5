"""Base images in a stack's configuration: each by a digest, or told with what locks it."""

from __future__ import annotations

import pytest

from tests.stacks import Stack


@pytest.mark.parametrize(
    "content",
    [
        "",
        "not json",
        "[]",
        '{"python:3.12-slim": 7}',
        '{"python:3.12-slim": "python:3.12-slim"}',
        '{"python:3.12-slim": "docker.io/library/python:3.12-slim"}',
    ],
)
def test_a_lock_of_base_images_that_locks_nothing_is_refused(stack: Stack, content: str) -> None:
    (stack.project / "bases.json").write_text(content)
    line = stack.mistake()
    assert line.startswith("slipway:services.web.build.base_images: ")
    assert "make lock-bases" in line


def test_a_base_image_without_a_digest_is_refused_with_what_locks_it(stack: Stack) -> None:
    (stack.project / "app" / "Dockerfile").write_text(
        "FROM docker.io/library/python:3.12-slim\nCOPY --from=alpine:3 / /\n"
    )
    assert stack.mistake() == (
        "slipway:services.web.build.dockerfile: no digest is known for alpine:3 (app/Dockerfile): "
        'add "alpine:3": "" to bases.json and run `make lock-bases ARGS=bases.json`'
    )
    stack.web["build"].pop("base_images")
    assert stack.mistake() == (
        "slipway:services.web.build.dockerfile: no digest is known for alpine:3, python:3.12-slim (app/Dockerfile): "
        'write {"alpine:3": "", "python:3.12-slim": ""} to a file, name it in build.base_images, and run '
        "`make lock-bases ARGS=FILE`"
    )


def test_a_base_image_that_only_the_build_would_know_is_refused(stack: Stack) -> None:
    (stack.project / "app" / "Dockerfile").write_text("FROM python:${VERSION%.*}\n")
    assert stack.mistake() == (
        "slipway:services.web.build.dockerfile: FROM python:${VERSION%.*}: of variables only $NAME, ${NAME}, "
        "${NAME:-TEXT} and ${NAME:+TEXT} are read (app/Dockerfile): write it another way"
    )
    (stack.project / "app" / "Dockerfile").write_text("ARG BASE\nFROM ${BASE}\n")
    stack.web["build"]["arguments"] = {"BASE": "python:3.12-slim"}
    assert stack.load()


def test_a_misspelt_lock_is_one_mistake_and_not_every_base_another(stack: Stack) -> None:
    (stack.project / "app" / "Dockerfile").write_text("FROM python:3.12-slim\n")
    stack.web["build"]["base_imags"] = stack.web["build"].pop("base_images")
    assert stack.mistake() == "slipway:services.web.build.base_imags: unknown setting: did you mean base_images?"


def test_a_frontend_without_a_digest_is_refused(stack: Stack) -> None:
    (stack.project / "app" / "Dockerfile").write_text("# syntax=docker/dockerfile:1\nFROM scratch\n")
    assert stack.mistake() == (
        "slipway:services.web.build.dockerfile: no digest is known for docker/dockerfile:1 (app/Dockerfile): "
        "write it as NAME@sha256:… behind `# syntax=`, or leave that out: BuildKit has a frontend of its own"
    )
