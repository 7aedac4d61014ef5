"""User and health check that a resource leaves to its image: read from the registry by digest, and fail closed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.policy.answers import Answer
from tests.policy.attested import Image
from tests.policy.compliant import SERVICE
from tests.policy.hardening import DEPLOYMENT, Case, docker
from tests.policy.imaged import BOTH, nothing_known, registry_of_images
from tests.policy.registry_server import RegistryServer, serving

__all__ = ["nothing_known", "registry_of_images"]  # fixtures

USER, HEALTH = "container-user-is-not-root", "container-is-health-checked"
LEFT = {USER: {"user": ...}, HEALTH: {"healthcheck": ...}}
WRITE_USER = "write user, or name an image by digest whose own user is not root"
WRITE_HEALTH = "write healthcheck.tests, or name an image by digest that has a HEALTHCHECK"


def left_to(rule: str, image: str, said: str = "") -> Case:
    return docker(rule, said, image=image, **LEFT[rule])


def pushed(registry: RegistryServer, **config: Any) -> str:
    return Image(config=config).push(registry)


@pytest.mark.parametrize("rule", [USER, HEALTH])
def test_what_the_image_says_is_enough(registry: RegistryServer, rule: str) -> None:
    assert left_to(rule, Image().push(registry)).answer.nothing


@pytest.mark.parametrize("user", ["", "0", "root", "0:0", "root:app", ":app"])
def test_an_image_that_runs_as_root_is_a_violation(registry: RegistryServer, user: str) -> None:
    case = left_to(
        USER, pushed(registry, User=user), f"user is left to the image, which runs as root ({BOTH}); {WRITE_USER}"
    )
    assert case.answer == Answer([case.message], [], [])


@pytest.mark.parametrize(
    "check",
    [{}, {"Test": []}, {"Test": ["NONE"]}, {"Test": ["CMD"]}, {"Test": ["CMD-SHELL", "curl http://127.0.0.1; true"]}],
)
def test_an_image_without_a_health_check_is_a_violation(registry: RegistryServer, check: Any) -> None:
    image = pushed(registry, User="10001", Healthcheck=check)
    case = left_to(HEALTH, image, f"healthcheck.tests is left to the image, which has none ({BOTH}); {WRITE_HEALTH}")
    assert case.answer == Answer([case.message], [], [])


@pytest.mark.parametrize("rule", [USER, HEALTH])
def test_the_resource_decides_where_it_says_it_and_nothing_is_asked(registry: RegistryServer, rule: str) -> None:
    assert docker(rule, "", image=pushed(registry, User="root")).answer.nothing
    assert registry.paths == []


@pytest.mark.parametrize(
    ("rule", "path", "write"), [(USER, "user", WRITE_USER), (HEALTH, "healthcheck.tests", WRITE_HEALTH)]
)
def test_a_registry_that_does_not_answer_fails_closed(rule: str, path: str, write: str) -> None:
    with serving() as server:
        image = Image().push(server)
    found = left_to(rule, image).answer
    assert len(found.violations) == 1
    assert found.violations[0].startswith(f"web (docker:Container): {path} is left to the image, and ")
    assert f"{write} [CIS Docker Benchmark 1.6, " in found.violations[0]


@pytest.mark.parametrize(
    "image", ["nginx", "registry.example/shop/web:1.4.0", f"sha256:{'1f' * 32}", "registry.example/a@sha256:12", ""]
)
@pytest.mark.parametrize("rule", [USER, HEALTH])
def test_an_image_without_a_digest_cannot_be_read_and_fails_closed(rule: str, image: str) -> None:
    found = left_to(rule, image).answer
    assert len(found.violations) == 1
    assert not found.advice


def test_one_platform_that_runs_as_root_is_enough(registry: RegistryServer) -> None:
    image = Image(platforms=("linux/arm64",), config={"User": "root"}).push(registry)
    assert "runs as root (linux/arm64)" in left_to(USER, image).answer.violations[0]


def test_a_service_and_a_pod_leave_it_to_the_image_alike(registry: RegistryServer) -> None:
    image = pushed(registry, User="root")
    service = Case(USER, {"containerSpec.user": ..., "containerSpec.image": image}, "", SERVICE)
    assert len(service.answer.violations) == 1
    changes = {"spec.containers[0].image": image, "spec.initContainers": ...}
    lenient = {"spec.securityContext": {}, **changes}
    assert len(Case(USER, lenient, "", DEPLOYMENT).answer.violations) == 1
    strict = {"spec.securityContext": {"runAsNonRoot": True}, **changes}
    assert Case(USER, strict, "", DEPLOYMENT).answer.nothing
