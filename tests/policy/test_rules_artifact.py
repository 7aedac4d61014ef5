"""What a program names: pinned, published, for every platform, with tags that stay what they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from judging import configuration
from judging.advice import take
from judging.configuration import Settings
from judging.images import REMOTE_IMAGE
from judging.pushes import BUILD, DOCKER_IMAGE, INDEX, REGISTRY_IMAGE, TAG
from judging.rule import Rule
from rules.artifact import RULES
from tests.policy.answers import answer, unknown
from tests.policy.attested import TRUSTED, Image
from tests.policy.compliant import CONTAINER, SERVICE, container, service
from tests.policy.kubernetes_pods import DIGEST, UNKNOWN, Properties, as_deployment, changed, compliant
from tests.policy.registry_server import RegistryServer, serving
from verification import evidence

PINNED, TAG_STAYS, TAG_IS_VERSION, TAG_IS_TRUE, ALLOWED, PLATFORMS = RULES
OTHER = "sha256:" + "2e" * 32
IDENTITY = "[Slipway, digest is identity]"


@pytest.fixture(autouse=True)
def places(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A quarantine and a private registry; nothing is read ahead of time."""
    monkeypatch.setattr("rules.artifact.begin", lambda *_: None)
    settings = Settings(quarantine=("quarantine.example",), private_registries=("registry.example",), timeout=5.0)
    configuration.keep(settings)
    yield
    configuration.keep(Settings())


def advised() -> list[str]:
    """What the rule advised about the container that was judged last."""
    return take(f"urn:pulumi:dev::shop::{CONTAINER}::web")


@pytest.fixture(name="registry")
def registry_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[RegistryServer]:
    """A registry that is the private one."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    evidence.forget()
    with serving() as registry:
        configuration.keep(Settings(private_registries=(registry.address,), public_keys=(TRUSTED.public,), timeout=5.0))
        yield registry


def running(image: str) -> dict[str, tuple[str, Properties, str, str]]:
    """The image in every kind of workload: type, properties, its path and where a message says it is."""
    deployment, pod, path = as_deployment(changed(compliant(), {"spec.containers[0].image": image}))
    return {
        "container": (CONTAINER, container(image=image), "image", "web (docker:Container)"),
        "service": (
            SERVICE,
            service(**{"containerSpec.image": image}),
            "taskSpec.containerSpec.image",
            "web (docker:Service)",
        ),
        "remote image": (REMOTE_IMAGE, {"name": image}, "name", "web (docker:RemoteImage)"),
        "deployment": (
            deployment,
            pod,
            f"{path}spec.containers[0].image",
            'web (kubernetes:Deployment), container "web"',
        ),
    }


KINDS = tuple(running(""))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("image", [f"registry.example/shop/web@{DIGEST}", f"registry.example/shop/web:1.4.0@{DIGEST}"])
def test_a_digest_is_fine_and_a_version_beside_it_too(kind: str, image: str) -> None:
    resource, properties, _, _ = running(image)[kind]
    for rule in (PINNED, TAG_STAYS, TAG_IS_VERSION, ALLOWED):
        assert answer(rule, resource, properties).nothing, rule.name


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tag", ["", ":latest", ":1.4.0"])
def test_an_image_without_a_digest_is_a_violation(kind: str, tag: str) -> None:
    image = f"registry.example/shop/web{tag}"
    resource, properties, path, where = running(image)[kind]
    assert answer(PINNED, resource, properties).violations == [
        f"{where}: {path} is {image}, which has no digest; "
        f"write {image}@sha256:… with the digest that was verified {IDENTITY}"
    ]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("image", [DIGEST, DIGEST.removeprefix("sha256:")])
def test_a_local_image_id_is_no_digest_of_a_manifest(kind: str, image: str) -> None:
    resource, properties, path, where = running(image)[kind]
    assert answer(PINNED, resource, properties).violations == [
        f"{where}: {path} cannot be pulled: '{image}' is a local image id, not an image in a registry: "
        f"write REPOSITORY@sha256:…; name it as a registry does {IDENTITY}"
    ]


@pytest.mark.parametrize("image", ["", "https://registry.example/web", "registry.example/web@sha256:1f", "we b"])
def test_what_is_no_image_is_a_violation(image: str) -> None:
    assert len(answer(PINNED, CONTAINER, container(image=image)).violations) == 1


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
@pytest.mark.parametrize(
    ("kind", "properties", "path"),
    [
        (CONTAINER, container(image=UNKNOWN), "image"),
        (SERVICE, service(**{"containerSpec.image": UNKNOWN}), "taskSpec.containerSpec.image"),
        (REMOTE_IMAGE, {"name": UNKNOWN}, "name"),
    ],
)
def test_an_unknown_image_is_said_to_be_unknown(rule: object, kind: str, properties: Properties, path: str) -> None:
    said = answer(rule, kind, properties)  # type: ignore[arg-type]
    assert not said.violations
    assert said.advice == [unknown(rule, path)]  # type: ignore[arg-type]


def test_what_a_component_is_about_to_run_is_read_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []
    monkeypatch.setattr("rules.artifact.begin", lambda reference, _: begun.append(str(reference)))
    component = "slipway:index:HardenedContainer"
    for reference in (
        f"registry.example/shop/web@{DIGEST}",
        f"quarantine.example/shop/web@{DIGEST}",  # not signed yet
        "registry.example/shop/web:1.4.0",
        UNKNOWN,
        "",
    ):
        assert answer(PINNED, component, {"reference": reference}).nothing
    assert answer(PINNED, CONTAINER, container()).nothing
    assert begun == [f"registry.example/shop/web@{DIGEST}"] * 2


@pytest.mark.parametrize("is_preview", [True, False])
def test_a_preview_looks_for_a_candidate_where_it_will_be_published(
    monkeypatch: pytest.MonkeyPatch, is_preview: bool
) -> None:
    begun: list[str] = []
    monkeypatch.setattr("rules.artifact.begin", lambda reference, _: begun.append(str(reference)))
    monkeypatch.setattr("rules.artifact.is_dry_run", lambda: is_preview)
    candidate = f"quarantine.example/shop/web@{DIGEST}"
    for repository in ("registry.example/shop/web", "elsewhere.example/shop/web", "no repository", UNKNOWN, 7):
        properties = {"reference": candidate, "annotations": {"repository": repository}}
        assert answer(PINNED, "slipway:index:Signature", properties).nothing
        assert answer(PINNED, "command:local:Command", properties).nothing
    promoted = {"annotations": {"repository": "registry.example/first"}, "repository": "registry.example/next"}
    assert answer(PINNED, "slipway:index:Publication", {"reference": candidate, **promoted}).nothing
    private = {"reference": f"registry.example/last@{DIGEST}"}
    assert answer(PINNED, "slipway:index:Signature", private).nothing
    assert begun == [f"registry.example/{name}@{DIGEST}" for name in ("shop/web", "next", "last")] * is_preview


def test_an_unknown_container_hides_no_other_one() -> None:
    pod = changed(compliant(), {"spec.containers[0].image": UNKNOWN, "spec.initContainers[0].image": "migrate:1"})
    kind, properties, _ = as_deployment(pod)
    assert len(answer(PINNED, kind, properties).violations) == 1


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
@pytest.mark.parametrize(
    "kind", ["docker:index/network:Network", "random:index/randomId:RandomId", "aws:s3/bucket:Bucket"]
)
def test_what_runs_nothing_is_fine(rule: object, kind: str) -> None:
    assert answer(rule, kind, {"image": "web:latest", "name": "web"}).nothing  # type: ignore[arg-type]


def test_an_image_that_is_built_there_is_not_pulled() -> None:
    assert answer(PINNED, REMOTE_IMAGE, {"name": "web:test", "build": {"context": "."}}).nothing


@pytest.mark.parametrize(
    "tag", ["latest", "main", "edge", "1", "1.4", "v1", "v1.4", "3.12-slim", "Production", "stable"]
)
def test_a_tag_that_moves_is_a_violation(tag: str) -> None:
    image = f"registry.example/shop/web:{tag}"
    assert answer(TAG_STAYS, CONTAINER, container(image=image)).violations == [
        f"web (docker:Container): image is {image}: it has the tag {tag}, which moves; "
        f"write a semantic version, such as 1.4.0 or 1.4.0-dev.0123456789ab {IDENTITY}"
    ]


def test_no_tag_at_all_means_latest() -> None:
    (said,) = answer(TAG_STAYS, CONTAINER, container(image="registry.example/shop/web")).violations
    assert "it has no tag, which means latest" in said


@pytest.mark.parametrize("tag", ["build-17", "20261125", "9fceb02", "1.4.0.1"])
def test_a_tag_that_is_no_version_is_a_violation(tag: str) -> None:
    image = f"registry.example/shop/web:{tag}"
    assert len(answer(TAG_IS_VERSION, CONTAINER, container(image=image)).violations) == 1
    assert answer(TAG_IS_VERSION, CONTAINER, container(image="registry.example/shop/web:1.4.0")).nothing


@pytest.mark.parametrize("rule", [TAG_STAYS, TAG_IS_VERSION])
def test_beside_a_digest_a_tag_decides_nothing_so_it_is_only_advised_against(rule: object) -> None:
    image = f"registry.example/shop/web:latest@{DIGEST}"
    said = answer(rule, CONTAINER, container(image=image))  # type: ignore[arg-type]
    assert not said.violations
    assert len(advised()) == 1


@pytest.mark.parametrize(
    ("kind", "properties"),
    [
        (BUILD, {"push": True, "tags": ["registry.example/web:latest"]}),
        (BUILD, {"exports": [{"raw": "type=registry,name=registry.example/web"}]}),
        (INDEX, {"tag": "registry.example/web:main", "sources": []}),
        (DOCKER_IMAGE, {"imageName": "registry.example/web"}),
        (REGISTRY_IMAGE, {"name": "registry.example/web:1.4"}),
        (TAG, {"sourceImage": "web", "targetImage": "localhost/web"}),
    ],
)
def test_a_moving_tag_must_not_be_put_either(kind: str, properties: Properties) -> None:
    assert len(answer(TAG_STAYS, kind, properties).violations) == 1


@pytest.mark.parametrize(
    ("kind", "properties"),
    [
        (BUILD, {"push": True, "tags": ["registry.example/web:1.4.0-dev.0123456789ab"]}),
        (BUILD, {"exports": [{"raw": "type=image,name=registry.example/web,push=true,push-by-digest=true"}]}),
        (BUILD, {"exports": [{"image": {"names": ["registry.example/web"], "push": True, "pushByDigest": True}}]}),
        (BUILD, {"cacheTo": [{"registry": {"ref": "registry.example/web:cache"}}]}),
        (TAG, {"sourceImage": "web", "targetImage": "web:test"}),
        (TAG, {"sourceImage": "web", "targetImage": "shop/web:test"}),
        (TAG, {"sourceImage": "web:latest", "targetImage": "registry.example/web:1.4.0"}),
        (DOCKER_IMAGE, {"imageName": "registry.example/web:latest", "skipPush": True}),
        (BUILD, {"push": False, "tags": ["registry.example/web:latest"]}),
    ],
)
def test_a_version_a_digest_and_a_cache_may_be_put(kind: str, properties: Properties) -> None:
    assert answer(TAG_STAYS, kind, properties).nothing
    assert answer(TAG_IS_VERSION, kind, properties).nothing


@pytest.mark.parametrize(
    ("rule", "what", "source"),
    [
        (TAG_STAYS, "the tag latest, which moves", IDENTITY),
        (TAG_IS_VERSION, "the tag latest", "[Semantic Versioning 2.0.0]"),
    ],
)
def test_a_local_tag_with_the_host_of_a_registry_is_on_its_way_there(rule: Rule, what: str, source: str) -> None:
    image = "registry.example/web:latest"
    assert answer(rule, TAG, {"sourceImage": image, "targetImage": image}).violations == [
        f"web (docker:Tag): targetImage names {image}: it has {what}; "
        f"write a semantic version, such as 1.4.0 or 1.4.0-dev.0123456789ab {source}"
    ]


@pytest.mark.parametrize("rule", [TAG_STAYS, TAG_IS_VERSION], ids=lambda rule: rule.name)
@pytest.mark.parametrize(
    ("kind", "properties", "path"),
    [
        (TAG, {"sourceImage": "web", "targetImage": UNKNOWN}, "targetImage"),
        (DOCKER_IMAGE, {"imageName": UNKNOWN}, "imageName"),
        (BUILD, {"push": True, "tags": [UNKNOWN]}, "tags.0"),
    ],
)
def test_a_tag_to_put_that_is_unknown_is_said_to_be_unknown(
    rule: Rule, kind: str, properties: Properties, path: str
) -> None:
    said = answer(rule, kind, properties)
    assert not said.violations
    assert said.advice == [unknown(rule, path)]


def test_which_tags_move_can_be_configured() -> None:
    image = container(image="registry.example/shop/web:trixie")
    assert answer(TAG_STAYS, CONTAINER, image).nothing
    assert len(answer(TAG_STAYS, CONTAINER, image, {"movingTags": ["trixie"]}).violations) == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("image", "what"),
    [
        (f"quarantine.example/shop/web@{DIGEST}", "quarantine.example/shop/web, which is quarantine"),
        (f"python@{DIGEST}", "docker.io/library/python, which is on no list"),
        (f"registry.example.evil.example/web@{DIGEST}", "registry.example.evil.example/web, which is on no list"),
    ],
)
def test_an_image_from_elsewhere_is_a_violation(kind: str, image: str, what: str) -> None:
    resource, properties, path, where = running(image)[kind]
    assert answer(ALLOWED, resource, properties).violations == [
        f"{where}: {path} is from {what}; publish it to registry.example first [CIS Docker Benchmark 1.6, 4.2]"
    ]


def test_without_a_configured_registry_no_image_is_known_to_be_published() -> None:
    configuration.keep(Settings())
    (said,) = answer(ALLOWED, CONTAINER, container()).violations
    assert "the pack's configuration names no privateRegistries" in said


def test_what_is_no_image_is_left_to_another_rule() -> None:
    for rule in (ALLOWED, PLATFORMS):
        said = answer(rule, CONTAINER, container(image=DIGEST))
        assert not said.violations
        assert said.not_applicable[0].startswith("image-is-pinned-by-digest judges")


def test_an_index_with_every_platform_is_fine(registry: RegistryServer) -> None:
    assert answer(PLATFORMS, CONTAINER, container(image=Image().push(registry))).nothing


def test_an_index_that_lacks_a_platform_is_a_violation(registry: RegistryServer) -> None:
    image = Image(platforms=["linux/amd64"]).push(registry)
    assert answer(PLATFORMS, CONTAINER, container(image=image)).violations == [
        f"web (docker:Container): {image} is for linux/amd64, not for linux/arm64; "
        f"name an index that holds every platform, built at once {IDENTITY}"
    ]


def test_platforms_that_cannot_be_read_are_a_violation() -> None:
    evidence.forget()
    with serving() as registry:
        image = Image().push(registry)
    (said,) = answer(PLATFORMS, CONTAINER, container(image=image)).violations
    assert f"registry {registry.address} does not answer (Connection refused); make the registry answer" in said


def test_a_version_that_is_the_tag_of_its_digest_is_fine(registry: RegistryServer) -> None:
    repository, _, digest = Image().push(registry, tag="1.4.0").partition("@")
    assert answer(TAG_IS_TRUE, CONTAINER, container(image=f"{repository}:1.4.0@{digest}")).nothing
    assert answer(TAG_IS_TRUE, CONTAINER, container(image=f"{repository}:latest@{digest}")).nothing
    assert answer(TAG_IS_TRUE, CONTAINER, container(image=f"{repository}@{digest}")).nothing


def test_a_release_tag_that_was_put_again_is_a_violation(registry: RegistryServer) -> None:
    repository, _, digest = Image().push(registry, tag="1.4.0").partition("@")
    other = Image(salt="evil").push(registry, tag="1.4.0").partition("@")[2]
    assert answer(TAG_IS_TRUE, CONTAINER, container(image=f"{repository}:1.4.0@{digest}")).violations == [
        f"web (docker:Container): the tag 1.4.0 of {repository} names {other} today, not {digest}; "
        f"find out who put it again, and name the digest that was verified {IDENTITY}"
    ]


def test_a_tag_of_others_that_was_put_again_is_only_told(registry: RegistryServer) -> None:
    repository, _, digest = Image().push(registry, tag="1.4.0").partition("@")
    Image(salt="rebuilt").push(registry, tag="1.4.0")
    configuration.keep(Settings(timeout=5.0))
    said = answer(TAG_IS_TRUE, CONTAINER, container(image=f"{repository}:1.4.0@{digest}"))
    assert not said.violations
    assert "find out who put it again" in advised()[0]


def test_a_tag_that_is_gone_is_only_told(registry: RegistryServer) -> None:
    repository, _, digest = Image().push(registry).partition("@")
    assert not answer(TAG_IS_TRUE, CONTAINER, container(image=f"{repository}:1.4.0@{digest}")).violations
    assert f"{repository} has no tag 1.4.0" in advised()[0]
