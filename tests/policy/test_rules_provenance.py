"""Where an image comes from decides: its source, its commit, its tree, and what it was built on."""

from __future__ import annotations

import pytest

from judging import configuration
from rules import provenance as rules
from tests.policy.answers import answer
from tests.policy.attested import PROVENANCE, Image, provenance
from tests.policy.compliant import CONTAINER, container
from tests.policy.proven import ATTEST, advised, judged, registry_server, settings
from tests.policy.registry_server import RegistryServer

__all__ = ["registry_server"]

SOURCE_KNOWN, SOURCE_ALLOWED, CLEAN, BASES = rules.RULES


def test_provenance_that_is_missing_is_a_violation(registry: RegistryServer) -> None:
    image = Image(provenances=[]).push(registry)
    slsa = "[SLSA 1.1, Verifying artifacts]"
    assert judged(SOURCE_KNOWN, image).violations == [
        f"web (docker:Container): {image} has no provenance; {ATTEST} {slsa}"
    ]
    for rule in (SOURCE_ALLOWED, CLEAN, BASES):
        assert judged(rule, image).not_applicable == ["image-has-provenance judges images without provenance"]


@pytest.mark.parametrize(("changes", "what"), [({"source": ""}, "source repository"), ({"commit": ""}, "commit")])
def test_provenance_that_does_not_say_enough_is_a_violation(
    registry: RegistryServer, changes: dict[str, str], what: str
) -> None:
    image = Image(provenances=[provenance(**changes)]).push(registry)
    (said,) = judged(SOURCE_KNOWN, image).violations
    assert f"the provenance of {image} names no" in said


def test_another_source_repository_is_a_violation(registry: RegistryServer) -> None:
    image = Image(provenances=[provenance(source="git+https://git.example/fork/web.git")]).push(registry)
    (said,) = judged(SOURCE_ALLOWED, image).violations
    assert (
        f"{image} was built from git.example/fork/web, which is on no list; build it from https://git.example/" in said
    )
    configuration.keep(settings(source_repositories=()))
    (said,) = judged(SOURCE_ALLOWED, image).violations
    assert "names no sourceRepositories, so no source repository is known to be reviewed" in said


def test_uncommitted_changes_stop_a_release_stack_and_are_advice_elsewhere(registry: RegistryServer) -> None:
    image = Image(provenances=[provenance(dirty=True)]).push(registry)
    assert not judged(CLEAN, image).violations
    (said,) = advised()
    assert f"{image} was built from changes that are in no commit, on top of 9fceb02d" in said
    configuration.keep(settings(release_stacks=("d*",)))
    assert len(judged(CLEAN, image).violations) == 1


@pytest.mark.parametrize(
    ("stack", "stops"),
    [
        ("production", True),
        ("prod", True),
        ("prod-eu", True),
        ("live", True),
        ("Live-2", True),
        ("PROD", True),
        ("release", True),
        ("dev", False),
        ("staging", False),
        ("preprod", False),
        ("alive", False),
    ],
)
def test_the_usual_names_of_release_stacks_are_known(registry: RegistryServer, stack: str, stops: bool) -> None:
    image = Image(provenances=[provenance(dirty=True)]).push(registry)
    said = answer(CLEAN, CONTAINER, container(image=image), stack=stack)
    assert bool(said.violations) is stops


def test_another_base_image_is_a_violation(registry: RegistryServer) -> None:
    image = Image(provenances=[provenance(base="pkg:docker/python@3.12-slim")]).push(registry)
    assert judged(BASES, image).violations == [
        f"web (docker:Container): {image} was built on docker.io/library/python, which is on no list; "
        "build it on registry.example/base [CIS Docker Benchmark 1.6, 4.2]"
    ]
    configuration.keep(settings(base_images=()))
    (said,) = judged(BASES, image).violations
    assert "names no baseImages, so no base image is known to be reviewed" in said


@pytest.mark.parametrize("bases", [(), ("registry.example/base",)])
def test_provenance_that_names_no_base_image_is_advised_against(
    registry: RegistryServer, bases: tuple[str, ...]
) -> None:
    configuration.keep(settings(base_images=bases))
    image = Image(provenances=[provenance(base="pkg:generic/archive@1")]).push(registry)
    assert not judged(BASES, image).violations
    assert advised() == [
        f"image-is-built-on-allowed-bases: web (docker:Container): the provenance of {image} names no base image; let "
        "the build name its base images; an image built FROM scratch has none [CIS Docker Benchmark 1.6, 4.2]"
    ]


def test_a_base_that_is_no_image_is_a_violation(registry: RegistryServer) -> None:
    image = Image(provenances=[provenance(base="docker-image://NO//image")]).push(registry)
    (said,) = judged(BASES, image).violations
    assert "was built on docker-image://NO//image, which is on no list" in said


def test_provenance_about_another_digest_is_none(registry: RegistryServer) -> None:
    (said,) = judged(SOURCE_KNOWN, Image(about={PROVENANCE: "sha256:" + "2e" * 32}).push(registry)).violations
    assert "(found: provenance: it is about another digest" in said
