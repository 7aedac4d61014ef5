"""What a Dockerfile pulls: every name is found, none is guessed, and text that only looks like one is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.artifact import ImageReference
from components.bases import UnpinnedError, base_images, familiar, locked_bases
from components.dockerfile import frontend_image, pulled_images

DIGEST = "sha256:" + "5f" * 32
BOTH = ("linux/amd64", "linux/arm64")
SAMPLE = Path(__file__).resolve().parents[2] / "examples" / "driftwood-web" / "Dockerfile"


def pulled(text: str, target: str | None = None, **arguments: str) -> list[str]:
    """The images of a Dockerfile that is built for two platforms."""
    return pulled_images(text, target, arguments, BOTH)


def test_the_sample_pulls_its_one_base() -> None:
    assert pulled(SAMPLE.read_text(), VERSION="1.4.0") == ["python:3.12-slim"]


@pytest.mark.parametrize(
    ("text", "images"),
    [
        ("FROM scratch\n", []),
        ("from a\n", ["a"]),
        ("\ufeff# a comment\n\nFROM --platform=$BUILDPLATFORM a AS b\nFROM B\n", ["a"]),
        ("FROM a AS b\nFROM c\nCOPY --from=b / /\nCOPY --from=0 / /\n", ["a", "c"]),
        ("FROM c\nCOPY --chown=1:1 --from=d:1 /x /y\n", ["c", "d:1"]),
        ("FROM c\nONBUILD COPY --from=d / /\n", ["c"]),
        ("FROM c AS b\nONBUILD COPY --from=d / /\nFROM b\n", ["c", "d"]),
        ("FROM c\nRUN --mount=type=cache,target=/x --mount=type=bind,from=d:2,target=/y true\n", ["c", "d:2"]),
        ('FROM c\nRUN --mount="from=d,target=/y" true\n', ["c", "d"]),
        ("FROM c\nRUN --mount=type=bind,From=d true\n", ["c", "d"]),
        ("FROM \\\n  # why\n\n  a\n", ["a"]),
        ("# escape=`\nFROM `\na\nRUN x \\\nCOPY --from=d / /\n", ["a", "d"]),
        ("FROM later\nFROM a AS later\n", ["a"]),
        ("FROM a AS x\nFROM b AS x\nFROM x\n", ["b"]),
        ("FROM 0\n", ["0"]),
        ("FROM a\nRUN echo --from=b\nLABEL x='--from=c'\nCOPY x --from=y /\n", ["a"]),
        ("", []),
        ("FROM\n", []),
    ],
)
def test_the_images_of_a_dockerfile_are_those_that_buildkit_pulls(text: str, images: list[str]) -> None:
    assert pulled(text) == images


def test_stages_that_the_target_does_not_need_pull_nothing() -> None:
    text = "FROM lint AS checks\nFROM a AS base\nFROM base AS web\nFROM b AS tests\nCOPY --from=web / /\n"
    assert pulled(text) == ["a", "b"]
    assert pulled(text, "web") == ["a"]
    assert pulled(text, "WEB") == ["a"]
    assert pulled(text, "checks") == ["lint"]
    assert pulled(text, "none") == ["a", "b"]


@pytest.mark.parametrize(
    "heredoc",
    [
        "RUN <<EOF\nFROM rows\nEOF",
        "RUN cat <<\\EOF\nFROM rows\nEOF",
        "RUN cat <<'EOF' >/x && cat <<-\"END\" >/y\nFROM rows\nEOF\nFROM rows\n\tEND",
        "COPY <<EOF /query.sql\nSELECT 1\nFROM rows\nEOF",
        "COPY <<a <<b /\nFROM rows\na\nFROM rows\nb",
        "ONBUILD RUN <<EOF\nFROM rows\nEOF",
    ],
)
def test_what_looks_like_an_instruction_in_a_heredoc_is_none(heredoc: str) -> None:
    assert pulled(f"FROM a\n{heredoc}\nCOPY --from=b / /\n") == ["a", "b"]


@pytest.mark.parametrize(
    "line",
    ["RUN echo '<<EOF'", 'RUN echo "a <<EOF"', "RUN echo $((1<<EOF))", "LABEL x=<<EOF", "RUN a<<EOF", "RUN x <<<EOF"],
)
def test_what_opens_no_heredoc_hides_no_instruction(line: str) -> None:
    assert pulled(f"FROM a\n{line}\nCOPY --from=b / /\nEOF\n") == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "images"),
    [
        ("ARG A=python\nARG B=${A}:3\nFROM $B\n", ["python:3"]),
        ("ARG A=python\nFROM ${A}:${V:-3}-slim\n", ["python:3-slim"]),
        ("ARG A\nFROM ${A:-debian}\n", ["debian"]),
        ("ARG A=\nFROM ${A:-debian}${A-x}${A:+y}${A+:z}\n", ["debian:z"]),
        ('ARG A="python"\nFROM "$A"\n', ["python"]),
        ("ARG GIVEN=none\nFROM $GIVEN\n", ["given"]),
        ("FROM x-$TARGETARCH\n", ["x-amd64", "x-arm64"]),
        ("FROM a AS s-amd64\nFROM b AS s-arm64\nFROM s-${TARGETARCH}\n", ["a", "b"]),
        ("ARG TARGETARCH=riscv64\nFROM x-$TARGETARCH\n", ["x-riscv64"]),
        ("ARG S\nFROM a${S}${NONE}\n", ["a"]),
        ("FROM a$GIVEN\n", ["a"]),  # no ARG declares it, so the build does not see it either
        ("ARG A=x\nARG A\nFROM $A\n", ["x"]),
    ],
)
def test_variables_have_the_values_of_the_build(text: str, images: list[str]) -> None:
    assert pulled(text, GIVEN="given") == images


@pytest.mark.parametrize(
    "text",
    [
        "ARG A=x\nFROM ${A#y}\n",
        "ARG A=x\nFROM \\$A\n",
        "ARG A=${B%.*}\nFROM ${A:-pinned}\n",
        "FROM x-$BUILDARCH\n",
        "FROM x-${BUILDARCH:-amd64}\n",
        "ARG A=x\nFROM a\nCOPY --from=$A / /\n",
        "ARG A=x\nFROM a\nRUN --mount=from=$A x\n",
        "FROM a\nCOPY --from=3 / /\n",
        "FROM a\nCOPY --fr\\om=b / /\n",
        "FROM a\nRUN --mount='\"from=b\",target=/x' x\n",
        "FROM a\nRUN cat <<EOF\nCOPY --from=b / /\n",
        "FROM a\nRUN cat <<'E F'\nFROM b\nE F\n",
        "FROM a\nRUN x\x0bCOPY --from=b / /\n",
    ],
)
def test_what_cannot_be_read_for_sure_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        pulled(text)


def test_what_no_stage_needs_may_be_unreadable() -> None:
    assert pulled("FROM x-${V%.*} AS lint\nCOPY --from=$A / /\nFROM a\n") == ["a"]


def test_an_arm_without_a_version_is_the_seventh() -> None:
    assert pulled_images("FROM x-$TARGETARCH$TARGETVARIANT\n", None, {}, ["linux/arm"]) == ["x-armv7"]


def test_what_is_read_is_what_buildkit_pulls() -> None:
    """Recorded from BuildKit 0.34.2 (`dockerfile2llb.Dockerfile2LLB` with a resolver that takes notes).

    What is refused may be anything; all the rest has to be the same, and few are refused.
    """
    refused = 0
    recorded = json.loads((Path(__file__).parent / "dockerfiles.json").read_text())
    for case in recorded:
        try:
            found = pulled_images(case["text"], case["target"], case["arguments"], [case["platform"]])
        except ValueError:
            refused += 1
        else:
            assert sorted({familiar(it) for it in found}) == case["pulls"], case["text"]
    assert refused <= len(recorded) / 4


@pytest.mark.parametrize(
    ("text", "frontend"),
    [
        ("# syntax=docker/dockerfile:1\nFROM a\n", "docker/dockerfile:1"),
        ("#!/usr/bin/env x\n#Syntax = f  more\n", "f"),
        ("# check=skip=all\n# syntax=f\n", "f"),
        ("// syntax=f\n", "f"),
        ('{"syntax": "f"}', "f"),
        ("\n# syntax=f\nFROM a\n", None),
        ("# a comment\n# syntax=f\n", None),
        ("FROM a\n", None),
    ],
)
def test_the_frontend_is_what_a_directive_names(text: str, frontend: str | None) -> None:
    assert frontend_image(text, {}) == frontend
    assert frontend_image(text, {"BUILDKIT_SYNTAX": "other"}) == "other"


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("python", "python"),
        ("python:latest", "python"),
        ("library/python:3", "python:3"),
        ("docker.io/library/python:3", "python:3"),
        ("index.docker.io/library/python:3", "python:3"),
        ("docker.io/bitnami/redis", "bitnami/redis"),
        ("library/a/b", "library/a/b"),
        ("ghcr.io/library/python:3", "ghcr.io/library/python:3"),
    ],
)
def test_a_name_is_known_by_its_familiar_form(name: str, known: str) -> None:
    assert familiar(name) == known
    assert familiar(known) == known


def bases(text: str, lock: dict[str, ImageReference] | None = None) -> dict[str, str]:
    """The digests of the images of a Dockerfile."""
    found = base_images(text, lock or {}, target=None, arguments={}, platforms=BOTH)
    return {name: str(base) for name, base in found.items()}


@pytest.mark.parametrize(
    ("name", "repository"),
    [
        ("python:3", "docker.io/library/python"),
        ("library/python", "docker.io/library/python"),
        ("docker.io/python:3", "docker.io/library/python"),
        ("index.docker.io/bitnami/redis", "docker.io/bitnami/redis"),
        ("localhost:5000/a/b:c", "localhost:5000/a/b"),
        ("localhost/a", "localhost/a"),
        ("ghcr.io/a/b", "ghcr.io/a/b"),
    ],
)
def test_an_image_that_is_pinned_where_it_is_named_needs_no_lock(name: str, repository: str) -> None:
    assert list(bases(f"FROM {name}@{DIGEST}\n").values()) == [f"{repository}@{DIGEST}"]


@pytest.mark.parametrize("name", ["a", "a:1", "a@sha256:12", "a:1@md5:0", f"A@{DIGEST}", "localhost:5000/a"])
def test_an_image_with_no_digest_is_refused_by_name(name: str) -> None:
    with pytest.raises(UnpinnedError, match="no digest is known for "):
        bases(f"FROM {name}\n")


def test_a_misspelt_stage_is_an_image_to_buildkit_and_the_stage_is_told() -> None:
    text = f"FROM a@{DIGEST} AS builder\nFROM a@{DIGEST}\nCOPY --from=bulder /wheels /wheels\n"
    with pytest.raises(UnpinnedError, match=r"^no digest is known for bulder \(or did you mean the stage builder\?\)$"):
        bases(text)


def test_a_frontend_is_a_base_that_no_lock_can_pin() -> None:
    pinned = f"docker/dockerfile:1@{DIGEST}"
    assert bases(f"# syntax={pinned}\nFROM scratch\n") == {pinned: f"docker.io/docker/dockerfile@{DIGEST}"}
    lock = {"docker/dockerfile:1": ImageReference.parse(f"docker.io/docker/dockerfile@{DIGEST}")}
    with pytest.raises(UnpinnedError, match="no digest is known for docker/dockerfile:1"):
        bases("# syntax=docker/dockerfile:1\nFROM scratch\n", lock)


def test_a_stage_with_the_name_of_a_locked_image_is_refused() -> None:
    lock = {"node": ImageReference.parse(f"docker.io/library/node@{DIGEST}")}
    with pytest.raises(ValueError, match="a stage is called node, which the lock has as a base image"):
        bases("FROM node AS Node\n", lock)
    assert list(bases("FROM node AS build\n", lock)) == ["node"]


def test_a_lock_with_one_image_under_two_names_must_agree(tmp_path: Path) -> None:
    lock = tmp_path / "lock.json"
    one, other = f"docker.io/library/python@{DIGEST}", f"docker.io/library/python@sha256:{'0' * 64}"
    lock.write_text(f'{{"python": "{one}", "docker.io/library/python:latest": "{one}"}}')
    assert {name: str(base) for name, base in locked_bases(lock).items()} == {"python": one}
    lock.write_text(f'{{"python": "{one}", "docker.io/library/python:latest": "{other}"}}')
    with pytest.raises(ValueError, match="python is locked twice"):
        locked_bases(lock)


@given(st.text(st.sampled_from("FROMCPYADRUNG fromas=-\\\n\"'$<#{}:`0ab,/"), max_size=120))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = pulled(text)
    except ValueError:
        return
    assert all(name and "$" not in name for name in found)


@given(
    st.lists(
        st.sampled_from(["RUN true", "RUN <<E\nFROM no\nE", "# FROM no", "RUN x \\\n FROM no", "ARG X=1"]), max_size=6
    ),
    st.lists(st.sampled_from(["a", "b:1", "c.example/d:2"]), min_size=1, max_size=3),
)
def test_every_image_that_the_last_stage_copies_from_is_found(noise: list[str], images: list[str]) -> None:
    lines = [f"COPY --from={image} / /" for image in images]
    text = "\n".join(["FROM base", *(it for pair in zip(noise, noise, strict=True) for it in pair), *lines])
    assert pulled(text) == sorted({"base", *images})
