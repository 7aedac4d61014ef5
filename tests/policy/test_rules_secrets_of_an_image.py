"""The secrets that an image has in its own environment: what ENV of a Dockerfile left in its configuration."""

from __future__ import annotations

from typing import Any

import pytest

from tests.policy.answers import Answer, answer
from tests.policy.attested import Image
from tests.policy.compliant import CONTAINER, SERVICE, container, service
from tests.policy.imaged import BOTH, nothing_known, registry_of_images
from tests.policy.kubernetes_pods import as_deployment, changed, compliant
from tests.policy.registry_server import RegistryServer, serving
from tests.policy.test_rules_secrets import BY_NAME, DEPLOYMENT, ENVIRONMENT, GITHUB

__all__ = ["nothing_known", "registry_of_images"]  # fixtures

RULE = BY_NAME[ENVIRONMENT]
WRITE = "take the ENV or ARG out of its Dockerfile, mount a secret instead, and replace it: the image shows it"


def pushed(registry: RegistryServer, environment: Any, **changes: Any) -> str:
    return Image(config={"User": "10001", "Env": environment}, **changes).push(registry)


def said(image: str, **options: Any) -> Answer:
    return answer(RULE, CONTAINER, container(image=image), options)


@pytest.mark.parametrize(
    ("variable", "seen"),
    [
        (f"API_TOKEN={GITHUB}", "API_TOKEN in its own environment, which holds what by its shape is a GitHub token"),
        ("DB_PASSWORD=a=b", "DB_PASSWORD in its own environment, which holds what by its name is a password"),
        (f"{GITHUB}={GITHUB}", "a variable in its own environment, which holds what by its shape is a GitHub token"),
    ],
)
def test_a_secret_in_the_image_itself_is_a_violation(registry: RegistryServer, variable: str, seen: str) -> None:
    message = f"web (docker:Container): image has {seen} ({BOTH}); {WRITE} [{RULE.source}]"
    assert said(pushed(registry, ["PATH=/usr/bin:/bin", variable])) == Answer([message], [], [])


@pytest.mark.parametrize(
    "environment",
    [
        ["PATH=/usr/bin:/bin", f"GPG_KEY={'A035C8C1' * 5}", f"PYTHON_SHA256={'4f2a9c1d' * 8}", "DB_PASSWORD="],
        [],
        None,
        "DB_PASSWORD=hunter2",
    ],
)
def test_an_environment_without_a_secret_or_of_another_form_is_fine(registry: RegistryServer, environment: Any) -> None:
    assert said(pushed(registry, environment)).nothing


def test_one_platform_that_has_it_is_enough(registry: RegistryServer) -> None:
    image = pushed(registry, ["DB_PASSWORD=hunter2"], platforms=("linux/arm64",))
    assert "a password (linux/arm64); " in said(image).violations[0]


def test_a_name_that_is_ignored_is_ignored_in_an_image_too(registry: RegistryServer) -> None:
    assert said(pushed(registry, ["SECRET_GARDEN=open"]), ignore=["SECRET_*"]).nothing


def test_the_image_of_a_service_and_of_a_pod_is_read_alike(registry: RegistryServer) -> None:
    image = pushed(registry, ["DB_PASSWORD=hunter2"])
    assert len(answer(RULE, SERVICE, service(**{"containerSpec.image": image})).violations) == 1
    pod = changed(compliant(), {"spec.containers[0].image": image})
    (found,) = answer(RULE, DEPLOYMENT, as_deployment(pod)[1]).violations
    assert found.startswith('web (kubernetes:Deployment), container "web": spec.template.spec.containers[0].image has ')


def test_where_the_image_cannot_be_read_the_rules_about_its_evidence_say_so_and_this_one_does_not() -> None:
    with serving() as server:
        image = pushed(server, ["DB_PASSWORD=hunter2"])
    for unreadable in (image, "nginx", "registry.example/shop/web:1.4.0", ""):
        assert said(unreadable).nothing


@pytest.mark.parametrize(
    "step",
    [
        "RUN |2 VERSION=1.4.0 DB_PASSWORD=hunter2 /bin/sh -c pip install . # buildkit",
        "|1 DB_PASSWORD=hunter2 /bin/sh -c make",
        "ARG DB_PASSWORD=hunter2",
        "/bin/sh -c #(nop)  ARG DB_PASSWORD=hunter2",
    ],
)
def test_a_secret_among_the_arguments_of_its_build_is_a_violation(registry: RegistryServer, step: str) -> None:
    image = pushed(registry, [], history=["COPY . . # buildkit", step])
    seen = "DB_PASSWORD in its history, which holds what by its name is a password"
    message = f"web (docker:Container): image has {seen} ({BOTH}); {WRITE} [{RULE.source}]"
    assert said(image) == Answer([message], [], [])


@pytest.mark.parametrize(
    "step",
    [
        "RUN |2 VERSION=1.4.0 TITLE=two words /bin/sh -c echo DB_PASSWORD=$(cat /run/secrets/db)",
        "RUN |1 DB_PASSWORD= /bin/sh -c make",
        "ARG DB_PASSWORD",
        "RUN /bin/sh -c DB_PASSWORD=$(cat /run/secrets/db) make",
    ],
)
def test_a_build_without_a_secret_among_its_arguments_is_fine(registry: RegistryServer, step: str) -> None:
    assert said(pushed(registry, [], history=[step])).nothing
