"""Builds push to quarantine: every form in which a resource can push, to every kind of place."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judging import configuration
from judging.configuration import Settings
from judging.push_commands import pushes_in
from judging.pushes import BUILD, DOCKER_IMAGE, INDEX, REGISTRY_IMAGE, TAG, exported
from rules.build import RULES
from tests.policy.answers import Answer, answer, unknown
from tests.policy.kubernetes_pods import UNKNOWN, Properties

TO_QUARANTINE, NOT_IN_PREVIEW = RULES
COMMAND = "command:local:Command"
QUARANTINE, RELEASES, ELSEWHERE = "quarantine.example:5000/shop/web", "registry.example/shop/web", "other.example/web"
WRITE = (
    "push to quarantine.example:5000, and publish by digest what has passed every gate "
    "[Slipway, nothing unverified reaches the registry]"
)


@pytest.fixture(autouse=True)
def places() -> Iterator[None]:
    """A quarantine and a private registry."""
    configuration.keep(Settings(quarantine=("quarantine.example:5000",), private_registries=("registry.example",)))
    yield
    configuration.keep(Settings())


def built(**properties: object) -> Properties:
    """A build with docker-build."""
    return {"push": False, "context": {"location": "."}, "buildOnPreview": False, **properties}


def raw(text: str) -> Properties:
    """A build whose export is written as a text."""
    return built(exports=[{"raw": text}])


def by_rule(kind: str, properties: Properties) -> Answer:
    """What the first rule says."""
    return answer(TO_QUARANTINE, kind, properties)


FORMS: dict[str, tuple[str, str]] = {
    "an export as text": (BUILD, "exports[0].raw"),
    "a registry export": (BUILD, "exports[0].registry.names[0]"),
    "an image export": (BUILD, "exports[0].image.names[0]"),
    "tags with push": (BUILD, "tags[0]"),
    "an index": (INDEX, "tag"),
    "an image of pulumi-docker": (DOCKER_IMAGE, "imageName"),
    "a registry image": (REGISTRY_IMAGE, "name"),
    "docker push": (COMMAND, "create"),
}


def pushing(form: str, name: str) -> Properties:
    """A resource that pushes in one of the forms."""
    forms: dict[str, Properties] = {
        "an export as text": raw(f"type=image,name={name},push=true,push-by-digest=true"),
        "a registry export": built(exports=[{"registry": {"names": [name]}}]),
        "an image export": built(exports=[{"image": {"names": [name], "push": True, "pushByDigest": True}}]),
        "tags with push": built(push=True, tags=[name]),
        "an index": {"tag": name, "sources": [f"{QUARANTINE}:1.4.0"]},
        "an image of pulumi-docker": {"imageName": name, "build": {"context": "."}},
        "a registry image": {"name": name},
        "docker push": {"create": f"docker build -t {name} . && docker push {name}"},
    }
    return forms[form]


@pytest.mark.parametrize("form", FORMS)
def test_a_push_to_quarantine_is_fine(form: str) -> None:
    assert by_rule(FORMS[form][0], pushing(form, f"{QUARANTINE}:1.4.0")).nothing


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("place", "what"), [(RELEASES, "which is where releases are"), (ELSEWHERE, "which is no quarantine")]
)
def test_a_push_to_anywhere_else_is_a_violation(form: str, place: str, what: str) -> None:
    kind, path = FORMS[form]
    short = f"{kind.partition(':')[0]}:{kind.rpartition(':')[2]}"
    said = by_rule(kind, pushing(form, f"{place}:1.4.0"))
    assert said.violations == [f"web ({short}): {path} pushes to {place}, {what}; {WRITE}"]


@pytest.mark.parametrize(
    ("kind", "properties"),
    [
        (BUILD, built(tags=[RELEASES])),
        (BUILD, built(exports=[{"image": {"names": [RELEASES]}}])),
        (BUILD, built(exports=[{"image": {"names": [RELEASES], "push": False}}])),
        (BUILD, built(exports=[{"registry": {"names": [RELEASES], "push": False}}])),
        (BUILD, built(exports=[{"registry": {"names": [RELEASES]}, "disabled": True}])),
        (BUILD, built(exports=[{"oci": {"dest": "image.tar"}}, {"cacheonly": {}}, {"local": {"dest": "out"}}])),
        (BUILD, raw(f"type=image,name={RELEASES}")),
        (BUILD, raw(f"type=registry,name={RELEASES},push=false")),
        (BUILD, raw(f"type=docker,name={RELEASES}")),
        (BUILD, raw("out")),
        (INDEX, {"tag": RELEASES, "push": False}),
        (DOCKER_IMAGE, {"imageName": RELEASES, "skipPush": True}),
        (TAG, {"sourceImage": "web", "targetImage": "web:test"}),
        (TAG, {"sourceImage": "web", "targetImage": f"{QUARANTINE}:1.4.0"}),
        (COMMAND, {"create": f"docker pull {RELEASES}; docker build -t {RELEASES} ."}),
        (COMMAND, {"create": f"crane copy {QUARANTINE} {RELEASES}"}),
        ("docker:index/container:Container", {"image": RELEASES}),
    ],
)
def test_what_pushes_nothing_is_fine(kind: str, properties: Properties) -> None:
    assert by_rule(kind, properties).nothing


@pytest.mark.parametrize(
    "text",
    [
        f"type=registry,name={RELEASES}",
        f"type=image,name={RELEASES},push=",
        f"type=image,name={RELEASES},push=1",
        f"type=image,PUSH=true,Name={RELEASES}",
        f'type=image,"name={QUARANTINE},{RELEASES}",push=true',
        f"type=image,name={QUARANTINE},name={RELEASES},push=true",
        f"type=image,dangling-name-prefix={RELEASES},push=true",
        f" type=registry , name={RELEASES}".replace(" ", ""),
    ],
)
def test_every_spelling_of_an_export_is_read(text: str) -> None:
    assert len(by_rule(BUILD, raw(text)).violations) == 1


def test_the_tags_of_a_build_take_the_place_of_an_export_s_names() -> None:
    properties = built(tags=[f"{RELEASES}:1.4.0"], exports=[{"registry": {"names": [QUARANTINE]}}])
    assert len(by_rule(BUILD, properties).violations) == 1


def test_a_cache_is_pushed_to_quarantine_too() -> None:
    for cache in ({"registry": {"ref": RELEASES}}, {"raw": f"type=registry,ref={RELEASES}"}, {"raw": RELEASES}):
        (said,) = by_rule(BUILD, built(cacheTo=[cache])).violations
        assert f"pushes its cache to {RELEASES}, which is where releases are" in said
    harmless: list[Properties] = [{"registry": {"ref": QUARANTINE}}, {"gha": {}}, {"raw": "type=gha"}, {"inline": {}}]
    for fine in harmless:
        assert by_rule(BUILD, built(cacheTo=[fine])).nothing
    assert by_rule(BUILD, built(cacheTo=[{"registry": {"ref": RELEASES}, "disabled": True}])).nothing


def test_a_local_tag_for_the_private_registry_is_a_violation() -> None:
    (said,) = by_rule(TAG, {"sourceImage": "web", "targetImage": f"{RELEASES}:1.4.0"}).violations
    assert f"targetImage names an image for a push to {RELEASES}, which is where releases are" in said


def test_one_place_within_the_other_is_told_from_it() -> None:
    configuration.keep(Settings(quarantine=("registry.example/quarantine",), private_registries=("registry.example",)))
    assert by_rule(REGISTRY_IMAGE, {"name": "registry.example/quarantine/web:1.4.0"}).nothing
    assert by_rule(REGISTRY_IMAGE, {"name": "registry.example/quarantined/web:1.4.0"}).violations
    configuration.keep(Settings(quarantine=("registry.example",), private_registries=("registry.example/shop",)))
    assert by_rule(REGISTRY_IMAGE, {"name": "registry.example/other/web:1.4.0"}).nothing
    assert by_rule(REGISTRY_IMAGE, {"name": "registry.example/shop/web:1.4.0"}).violations
    configuration.keep(Settings(quarantine=("registry.example",), private_registries=("registry.example",)))
    assert by_rule(REGISTRY_IMAGE, {"name": "registry.example/shop/web:1.4.0"}).violations


@pytest.mark.parametrize("name", ["REGISTRY.example/shop/web:1.4.0", "registry.example:443/shop/web:1.4.0"])
def test_the_private_registry_is_known_in_every_spelling(name: str) -> None:
    assert "which is where releases are" in by_rule(REGISTRY_IMAGE, {"name": name}).violations[0]


def test_without_a_configured_quarantine_nothing_may_be_pushed() -> None:
    configuration.keep(Settings())
    assert by_rule(REGISTRY_IMAGE, {"name": QUARANTINE}).violations == [
        "web (docker:RegistryImage): the pack's configuration names no quarantine, so no place is known that a build "
        "may push to; set quarantine in the configuration of pack-is-configured "
        "[Slipway, nothing unverified reaches the registry]"
    ]


def test_a_place_that_cannot_be_read_is_a_violation_but_a_variable_of_a_shell_is_advice() -> None:
    (said,) = by_rule(REGISTRY_IMAGE, {"name": "Not/A Name"}).violations
    assert "name pushes to a place that cannot be read: 'Not/A Name' names no valid" in said or "has no valid" in said
    said_of_variable = by_rule(COMMAND, {"create": "docker push $IMAGE"})
    assert not said_of_variable.violations


@pytest.mark.parametrize(
    "command", ["docker compose push", "docker buildx bake --push", "docker --debug compose -p shop build --push web"]
)
def test_a_push_under_names_that_a_file_has_is_a_violation(command: str) -> None:
    assert by_rule(COMMAND, {"create": command}).violations == [
        "web (command:Command): create pushes to a place that cannot be read: no name is written there; write it out "
        "[Slipway, nothing unverified reaches the registry]"
    ]


def test_the_interpreter_of_a_command_is_read_too() -> None:
    properties = {"interpreter": ["docker", "push"], "create": f"{RELEASES}:1.4.0"}
    assert by_rule(COMMAND, properties).violations == [
        f"web (command:Command): interpreter with create pushes to {RELEASES}, which is where releases are; {WRITE}"
    ]
    assert by_rule(COMMAND, {**properties, "create": f"{QUARANTINE}:1.4.0"}).nothing
    within = {"interpreter": ["docker", "exec", "web", "sh", "-c"], "create": f"docker push {RELEASES}:1.4.0"}
    (said,) = by_rule(COMMAND, within).violations
    assert said.startswith("web (command:Command): create pushes to")
    advised = by_rule(COMMAND, {"interpreter": ["docker", "push", UNKNOWN], "create": ""})
    assert not advised.violations
    assert advised.advice == [unknown(TO_QUARANTINE, "interpreter.2")]


@pytest.mark.parametrize(
    ("kind", "properties", "path"),
    [
        (BUILD, {"push": UNKNOWN}, "push"),
        (BUILD, built(exports=[{"raw": UNKNOWN}]), "exports.0.raw"),
        (INDEX, {"tag": UNKNOWN}, "tag"),
        (DOCKER_IMAGE, {"imageName": UNKNOWN}, "imageName"),
        (REGISTRY_IMAGE, {"name": UNKNOWN}, "name"),
        (TAG, {"targetImage": UNKNOWN}, "targetImage"),
        (COMMAND, {"create": UNKNOWN}, "create"),
    ],
)
def test_an_unknown_place_is_said_to_be_unknown(kind: str, properties: Properties, path: str) -> None:
    said = by_rule(kind, properties)
    assert not said.violations
    assert said.advice == [unknown(TO_QUARANTINE, path)]


def test_what_is_unknown_hides_no_push_that_is_known() -> None:
    exports = [{"raw": UNKNOWN}, {"registry": {"names": [UNKNOWN, RELEASES]}}]
    said = by_rule(BUILD, built(exports=exports, cacheTo=[{"registry": {"ref": RELEASES}}]))
    assert len(said.violations) == 2
    assert said.advice == [unknown(TO_QUARANTINE, "exports.0.raw")]


def test_an_exception_turns_a_violation_into_advice() -> None:
    entry = {"resource": "web", "reason": "moving house", "owner": "shop", "expires": "2999-01-01"}
    said = answer(TO_QUARANTINE, REGISTRY_IMAGE, {"name": RELEASES}, {"exemptions": [entry]})
    assert not said.violations


def test_a_preview_must_not_push_a_cache() -> None:
    cached = {"cacheTo": [{"registry": {"ref": QUARANTINE}}]}
    message = (
        f"web (docker-build:Image): a preview builds the image and pushes its cache (cacheTo[0].registry.ref) to "
        f"{QUARANTINE}; set buildOnPreview to false [Slipway, nothing ships that a preview did not show]"
    )
    for properties in ({"push": False, **cached}, {"push": False, "buildOnPreview": True, **cached}):
        assert answer(NOT_IN_PREVIEW, BUILD, properties).violations == [message]
    assert answer(NOT_IN_PREVIEW, BUILD, built(**cached)).nothing
    assert answer(NOT_IN_PREVIEW, BUILD, {"push": True, "tags": [QUARANTINE]}).nothing
    assert answer(NOT_IN_PREVIEW, DOCKER_IMAGE, {"imageName": QUARANTINE, "buildOnPreview": True}).nothing
    assert answer(NOT_IN_PREVIEW, BUILD, {"buildOnPreview": UNKNOWN}).advice == [
        unknown(NOT_IN_PREVIEW, "buildOnPreview")
    ]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("docker push r.example/a:1.4.0", ["r.example/a:1.4.0"]),
        ("docker image push --quiet r.example/a", ["r.example/a"]),
        ("sudo /usr/bin/docker --context build push r.example/a", ["r.example/a"]),
        ("podman push a docker://r.example/a:1", ["r.example/a:1"]),
        ("buildah push --creds user:pass a docker://r.example/a", ["r.example/a"]),
        ("docker buildx build --push -t r.example/a:1 --tag=r.example/b .", ["r.example/a:1", "r.example/b"]),
        ("docker build -tr.example/a --push .", ["r.example/a"]),
        ("docker buildx build -o type=registry,name=r.example/a .", ["r.example/a"]),
        ("buildctl build --output type=image,name=r.example/a,push=true", ["r.example/a"]),
        ("docker buildx build -t r.example/a:1 --output type=registry .", ["r.example/a:1"]),
        ("docker build -o type=image,push=true -t r.example/a -t r.example/b .", ["r.example/a", "r.example/b"]),
        ("docker build -o type=registry,name=q.example/a -t web .", ["q.example/a"]),
        ("docker build -o type=registry .", []),
        ("R=r.example; docker push $R/a:1.0.0", ["$R/a:1.0.0"]),
        ('print("docker", "push", "it")', []),
        ('"docker" push r.example/a', ["r.example/a"]),
        ("$(which docker) push r.example/a", ["r.example/a"]),
        ("subprocess.run(['docker', 'push', 'r.example/a'])", ["r.example/a"]),
        ("docker buildx imagetools create -t r.example/a:1 r.example/b", ["r.example/a:1"]),
        ("crane push image.tar r.example/a:1", ["r.example/a:1"]),
        ("skopeo copy oci:folder docker://r.example/a", ["r.example/a"]),
        ("set -e\ndocker push \\\n  r.example/a\n", ["r.example/a"]),
        ("docker push r.example/a && docker push r.example/b", ["r.example/a", "r.example/b"]),
        ("out=$(docker push r.example/a)", ["r.example/a"]),
        ("ssh host sh <<EOF\ndocker push r.example/a\nEOF\n", ["r.example/a"]),
        ("skopeo copy docker://q.example/a docker://r.example/a", []),
        ("docker run r.example/a push it", []),
        ("echo dockerpush; docker-push x; git push origin main", []),
        ("docker build -t r.example/a .", []),
        ("docker push", []),
        ("docker compose push", [""]),
        ("docker compose -f a.yaml -p shop push --quiet web", [""]),
        ("docker-compose -f a.yaml push web", [""]),
        ("podman-compose push", [""]),
        ("docker compose publish r.example/app", [""]),
        ("docker compose build --push", [""]),
        ("docker buildx bake --push", [""]),
        ("docker buildx bake -f a.hcl --push=true web", [""]),
        ("docker bake --push", [""]),
        ("docker compose push && docker push r.example/a", ["", "r.example/a"]),
        ("docker buildx bake --push=false web", []),
        ("docker buildx bake web", []),
        ("docker compose build", []),
        ("docker compose run web push it", []),
        ("docker compose -p push up", []),
    ],
)
def test_the_pushes_of_a_command_are_found(text: str, names: list[str]) -> None:
    assert [push.name for push in pushes_in(text, "create")] == names


@pytest.mark.parametrize(
    ("kind", "properties", "path"),
    [
        (BUILD, built(exports=[{"raw": "type=registry"}], tags=[f"{RELEASES}:1"]), "tags[0]"),
        (BUILD, built(exports=[{"raw": "type=image,push=true"}], tags=[f"{RELEASES}:1"]), "tags[0]"),
        (COMMAND, {"create": f'docker push "{RELEASES}:$VERSION"'}, "create"),
        (COMMAND, {"create": f"docker buildx build --push -t {RELEASES}:$(git rev-parse HEAD) ."}, "create"),
    ],
)
def test_a_name_that_is_known_but_for_its_tag_is_judged(kind: str, properties: Properties, path: str) -> None:
    short = f"{kind.partition(':')[0]}:{kind.rpartition(':')[2]}"
    said = by_rule(kind, properties)
    assert said.violations == [f"web ({short}): {path} pushes to {RELEASES}, which is where releases are; {WRITE}"]


def test_a_variable_behind_a_registry_is_judged_unless_quarantine_lies_there() -> None:
    command = {"create": "docker push registry.example/shop/$APP:1.0.0"}
    assert len(by_rule(COMMAND, command).violations) == 1
    configuration.keep(
        Settings(quarantine=("registry.example/shop/candidates",), private_registries=("registry.example",))
    )
    assert not by_rule(COMMAND, command).violations


@given(st.text(max_size=100), st.text(max_size=60))
def test_no_text_breaks_the_reading(command: str, export: str) -> None:
    list(pushes_in(f"docker push {command}", "create"))
    list(exported(export, "exports[0].raw"))
