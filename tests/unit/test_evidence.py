"""The component Evidence: what of a build stands on its step's command line, and what never does."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from components.evidence import BUILD_TYPE, EvidenceArgs, build_definition
from components.signature import SigningKey
from tests.programs import SECRETS, a_release, image_args, source
from tests.recording import CANDIDATE, Engine

COMMIT = "0f" * 20
LOCKED = "localhost:5380/base/python@sha256:" + "5f" * 32
DOCKERFILE = "# one base\nFROM --platform=$BUILDPLATFORM python:3.12-slim AS build\nfrom build\nRUN true\n"


def evidence_args(image: dict[str, Any] | None = None, **changes: Any) -> EvidenceArgs:
    """The evidence of the sample's candidate."""
    given: dict[str, Any] = {
        "reference": CANDIDATE,
        "image": image_args(**(image or {})),
        "revision": COMMIT,
        "arguments": {"VERSION": "1.4.0"},
        "key": SigningKey(key="cosign.key", public_key="cosign.pub"),
        "reports": ".slipway/reports/dev/web",
    }
    return EvidenceArgs(**given | changes)


@pytest.fixture(name="context")
def a_context(tmp_path: Path) -> Path:
    """A folder with a Dockerfile, and a lock of base images beside it."""
    folder = tmp_path / "service"
    folder.mkdir()
    (folder / "Dockerfile").write_text(DOCKERFILE)
    bases = {"python:3.12-slim": LOCKED, "debian:12": LOCKED.replace("python", "debian")}
    (tmp_path / "lock.json").write_text(json.dumps(bases))
    return folder


def dependencies(args: EvidenceArgs) -> dict[str, dict[str, Any]]:
    """The resolved dependencies by name."""
    return {it["name"]: it for it in build_definition(args)["resolvedDependencies"]}


def test_the_parameters_are_those_of_the_build() -> None:
    definition = build_definition(evidence_args({"target": "web", "dockerfile": "Dockerfile.web"}))
    assert definition["buildType"] == BUILD_TYPE
    parameters = definition["externalParameters"]
    assert parameters["target"] == "web"
    assert parameters["dockerfile"] == "Dockerfile.web"
    assert parameters["platforms"] == ["linux/amd64", "linux/arm64"]
    assert parameters["arguments"] == {"VERSION": "1.4.0"}
    assert "target" not in build_definition(evidence_args())["externalParameters"]


def test_an_absolute_path_of_the_source_names_no_machine(tmp_path: Path) -> None:
    (tmp_path / "clone" / ".git").mkdir(parents=True)
    (tmp_path / "clone" / "web").mkdir()
    for context, told in ((tmp_path / "clone" / "web", "web"), (tmp_path / "clone", "."), (Path("app"), "app")):
        parameters = build_definition(evidence_args({"context": str(context)}))["externalParameters"]
        assert parameters["context"] == told


@pytest.mark.parametrize(("revision", "dirty"), [(COMMIT, False), (f"{COMMIT}-dirty", True)])
def test_the_source_is_its_commit_and_whether_the_tree_was_changed(revision: str, dirty: bool) -> None:
    found = dependencies(evidence_args(revision=revision))["source"]
    assert found == {"name": "source", "digest": {"gitCommit": COMMIT}, "annotations": {"dirty": dirty}}


def test_the_address_of_the_source_is_the_one_of_the_settings() -> None:
    found = dependencies(evidence_args({"source": "https://git.example/driftwood"}))["source"]
    assert found["uri"] == "git+https://git.example/driftwood"


def test_a_source_outside_of_git_is_left_out() -> None:
    assert "source" not in dependencies(evidence_args(revision="unknown"))


def test_the_dockerfile_and_the_locked_bases_that_it_names_are_dependencies(context: Path) -> None:
    lock = str(context.parent / "lock.json")
    found = dependencies(evidence_args({"context": str(context), "base_images": lock}))
    assert found["Dockerfile"]["digest"] == {"sha256": hashlib.sha256(DOCKERFILE.encode()).hexdigest()}
    assert found["python:3.12-slim"] == {
        "name": "python:3.12-slim",
        "uri": "docker-image://localhost:5380/base/python",
        "digest": {"sha256": "5f" * 32},
    }
    assert "debian:12" not in found


def test_an_image_that_a_build_argument_names_or_that_is_copied_from_is_a_base_too(context: Path) -> None:
    (context / "Dockerfile").write_text(
        "ARG BASE=debian:11\nFROM $BASE\nCOPY --from=docker.io/library/python:3.12-slim / /\n"
    )
    image = {"context": str(context), "base_images": str(context.parent / "lock.json")}
    found = dependencies(evidence_args(image, arguments={"BASE": "debian:12"}))
    assert {"debian:12", "python:3.12-slim"} < found.keys()


def test_an_image_that_the_dockerfile_pins_itself_is_a_base_too(context: Path) -> None:
    pinned = f"gcr.io/distroless/static:nonroot@sha256:{'7e' * 32}"
    (context / "Dockerfile").write_text(f"FROM {pinned}\n")
    found = dependencies(evidence_args({"context": str(context)}))[pinned]
    assert found["uri"] == "docker-image://gcr.io/distroless/static"
    assert found["digest"] == {"sha256": "7e" * 32}


def test_the_same_inputs_make_the_same_command_line_whenever_they_are_built() -> None:
    first, second = (Engine().good(a_release(), secrets=SECRETS).step("attest").command for _ in range(2))
    assert first == second


def test_no_secret_stands_on_the_command_line_and_their_names_alone_in_the_provenance() -> None:
    image = image_args(secrets={"pip_token": source("pip")})
    step = Engine().good(a_release(image), secrets=SECRETS | {"slipway:pip": "hunter2"}).step("attest")
    assert "stdin" in step.secrets
    assert not [value for value in [*SECRETS.values(), "hunter2"] if value in step.open]
    [build] = step.values("--build")
    assert json.loads(build)["externalParameters"]["secrets"] == ["pip_token"]


def test_arguments_that_look_like_secrets_are_refused() -> None:
    with pytest.raises(ValidationError, match="API_TOKEN looks like a secret, and provenance is read by others"):
        evidence_args(arguments={"API_TOKEN": "hunter2"})


def test_the_builder_and_the_user_of_quarantine_are_handed_on_where_there_are_any() -> None:
    step = Engine().good(a_release(image_args(builder="slipway")), secrets=SECRETS).step("attest")
    assert step.values("--builder") == ["slipway"]
    assert step.values("--username") == ["builder"]
    bare = Engine().good(a_release(image_args(registry=None, builder=None)), secrets=SECRETS).step("attest")
    assert not bare.values("--builder") + bare.values("--username")


def test_it_attests_with_the_key_that_signs_and_from_the_reports_that_the_scan_kept() -> None:
    engine = Engine().good(a_release(reports=".slipway/reports/dev/web"), secrets=SECRETS)
    attest, scan, sign = (engine.step(name) for name in ("attest", "scan", "sign"))
    assert attest.values("--reports") == scan.values("--reports") == [".slipway/reports/dev/web"]
    for flag in ("--key", "--public-key", "--fingerprint"):
        assert attest.values(flag) == sign.values(flag)
    assert json.loads(attest.inputs["stdin"])["password"] == json.loads(sign.inputs["stdin"])["password"]


def test_the_provenance_has_the_arguments_and_the_revision_that_the_build_got() -> None:
    engine = Engine().good(a_release(), secrets=SECRETS)
    [build] = engine.step("attest").values("--build")
    given = engine.one("docker-build:index:Image").inputs["buildArgs"]
    assert json.loads(build)["externalParameters"]["arguments"] == given


def test_what_was_attested_last_is_published_even_where_the_digest_stays() -> None:
    publish = Engine().good(a_release(), secrets=SECRETS).step("publish")
    assert publish.values("--provenance") == ["0f0f0f0f0f0f"]


def test_a_state_from_before_there_was_a_mark_goes_on() -> None:
    engine = Engine(broken={"attest": json.dumps({"reference": CANDIDATE})})
    publish = engine.good(a_release(), secrets=SECRETS).step("publish")
    assert publish.values("--provenance") == [""]


def test_the_reports_of_each_release_have_a_folder_of_their_own_unless_one_is_named() -> None:
    engine = Engine(stack="staging").good(a_release(), secrets=SECRETS)
    folders = [engine.step(name).values("--reports") for name in ("scan", "attest")]
    assert folders == [[".slipway/reports/staging/web"]] * 2
