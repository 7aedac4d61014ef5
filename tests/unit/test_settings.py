"""A stack's configuration: every mistake at once, each in words, and no secret in any of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pulumi
import pytest

from components.release import ReleaseArgs
from settings import SettingsError, load
from tests import stacks
from tests.stacks import Stack


def test_a_good_stack_is_loaded(stack: Stack) -> None:
    settings = stack.load()
    service = settings.services["web"]
    assert settings.channel == "dev"
    assert service.version == "1.4.0"
    assert service.run
    assert service.run.ports[0].host == 8080


def test_the_defaults_are_the_ones_that_are_safe(stack: Stack) -> None:
    stack.web["build"].pop("platforms")
    stack.web["run"] = {"name": "driftwood-web"}
    stack.settings.pop("scan")
    stack.settings.pop("channel")
    settings = stack.load()
    run, build = settings.services["web"].run, settings.services["web"].build
    assert run and build
    assert settings.channel == "dev"
    assert settings.series is False
    assert build.platforms == ("linux/amd64", "linux/arm64")
    assert settings.scan.fail_on == ("HIGH", "CRITICAL")
    assert settings.scan.database_age == 7
    assert run.read_only is True
    assert (run.capabilities, run.ports, run.environment, run.secrets) == ((), (), {}, {})
    assert run.temporary == {"/tmp": "rw,noexec,nosuid,nodev,size=64m"}
    assert (run.logs.driver, run.logs.maximum_size, run.logs.maximum_files) == ("json-file", "10m", 3)


def test_all_mistakes_are_told_at_once(stack: Stack) -> None:
    stack.settings["chanel"] = "dev"
    stack.settings["registry"].pop("address")
    stack.web["version"] = "latest"
    stack.web["run"]["memory"] = "plenty"
    stack.web["run"]["read_only"] = False
    stack.web["run"]["capabilities"] = ["ALL"]
    stack.web["build"]["platforms"] = ["amd64"]
    keys = [line.partition(": ")[0] for line in stack.mistakes()]
    service = "slipway:services.web"
    assert sorted(keys) == [
        "slipway:chanel",
        "slipway:registry.address",
        f"{service}.build.platforms",
        f"{service}.run.capabilities",
        f"{service}.run.memory",
        f"{service}.run.read_only",
        f"{service}.version",
    ]


def test_all_mistakes_in_a_list_are_told_at_once(stack: Stack) -> None:
    stack.web["build"]["platforms"] = ["linux/amd46", "Linux", "linux/arm64"]
    stack.web["run"] |= {
        "capabilities": ["ALL", "chown"],
        "temporary": {"tmp": "size=1m", "/run/secrets/x": "size=1m"},
        "secrets": {"../a": {"file": "a"}, "b c": {"file": "b"}},
    }
    told = "\n".join(stack.mistakes())
    for seen in (
        "'linux/amd46'",
        "'Linux'",
        "'ALL'",
        "'chown'",
        "tmp is no",
        "/run/secrets/x is no",
        "'../a'",
        "'b c'",
    ):
        assert seen in told, seen


def test_mistakes_of_form_and_missing_files_are_told_at_once(stack: Stack) -> None:
    stack.settings["chanel"] = "dev"
    stack.web["run"]["memory"] = "plenty"
    stack.web["run"]["capabilities"] = ["ALL"]
    (stack.project / "cosign.pub").unlink()
    (stack.secrets / "db_password").chmod(0o644)
    assert [line.partition(": ")[0] for line in stack.mistakes()] == [
        "slipway:chanel",
        "slipway:services.web.run.capabilities",
        "slipway:services.web.run.memory",
        "slipway:services.web.run.secrets.db_password",
        "slipway:sign.public_key",
    ]


def test_all_files_that_are_missing_are_told_at_once(stack: Stack) -> None:
    (stack.project / "app/Dockerfile").unlink()
    (stack.project / "cosign.pub").unlink()
    (stack.project / "bases.json").unlink()
    (stack.project / "ca.crt").unlink()
    (stack.secrets / "db_password").unlink()
    lines = stack.mistakes()
    assert [line.partition(": ")[0] for line in lines] == [
        "slipway:registry.certificate_authority",
        "slipway:services.web.build.base_images",
        "slipway:services.web.build.dockerfile",
        "slipway:services.web.run.secrets.db_password",
        "slipway:sign.public_key",
    ]


@pytest.mark.parametrize(
    ("change", "key", "meant"),
    [
        (lambda s: s.settings.update(chanel="dev"), "slipway:chanel", "channel"),
        (lambda s: s.settings.update(quarantne={}), "slipway:quarantne", "quarantine"),
        (lambda s: s.web.update(verison="1.4.0"), "slipway:services.web.verison", "version"),
        (lambda s: s.web["build"].update(plattforms=[]), "slipway:services.web.build.plattforms", "platforms"),
        (lambda s: s.web["run"].update(readonly=True), "slipway:services.web.run.readonly", "read_only"),
        (lambda s: s.web["run"]["ports"][0].update(adress="x"), "slipway:services.web.run.ports.0.adress", "address"),
        (lambda s: s.settings["sign"].update(passwort="x"), "slipway:sign.passwort", "password"),
        (
            lambda s: s.web["run"]["secrets"]["db_password"].update(fiel="x"),
            "slipway:services.web.run.secrets.db_password.fiel",
            "file",
        ),
    ],
)
def test_a_misspelt_setting_is_told_what_was_meant(
    stack: Stack, change: Callable[[Stack], None], key: str, meant: str
) -> None:
    change(stack)
    assert stack.mistake() == f"{key}: unknown setting: did you mean {meant}?"


def test_an_unknown_setting_is_told_which_ones_there_are(stack: Stack) -> None:
    stack.settings["registry"]["zzz"] = "x"
    line = stack.mistake()
    assert line.startswith("slipway:registry.zzz: unknown setting: write one of ")
    assert "address, certificate_authority, password, username" in line


def test_configuration_of_other_packages_is_none_of_ours(stack: Stack) -> None:
    given = stacks.configuration(stack.settings) | {"docker:host": "unix:///x", "slipwayish:channel": "dev"}
    assert load(given, stack.project).channel == "dev"


@pytest.mark.parametrize("version", ["latest", "LATEST", "stable", "edge", "main", "nightly"])
def test_a_tag_that_moves_is_refused(stack: Stack, version: str) -> None:
    stack.web["version"] = version
    line = stack.mistake()
    assert line.startswith("slipway:services.web.version: ")
    assert "write a semantic version" in line
    assert version in line


@pytest.mark.parametrize("version", ["1.4", "v1.4.0", "1.4.0+build", ""])
def test_what_is_no_semantic_version_is_refused(stack: Stack, version: str) -> None:
    stack.web["version"] = version
    assert stack.mistake().startswith(f"slipway:services.web.version: {version!r} is not a semantic version: write ")


def test_a_version_that_yaml_read_as_a_number_is_told_so(stack: Stack) -> None:
    stack.web["version"] = 1.1
    line = stack.mistake()
    assert line.startswith("slipway:services.web.version: ")
    assert "(1.1): write it in quotes: semantic version" in line


@pytest.mark.parametrize(
    ("change", "key", "words"),
    [
        (
            lambda s: s.web["run"].update(memory="plenty"),
            "run.memory",
            ["integer", "('plenty')", "write memory in MiB"],
        ),
        (lambda s: s.web["run"].update(memory=1), "run.memory", ["16", "(1)", "write memory in MiB"]),
        (lambda s: s.web["run"]["ports"][0].update(host=70000), "run.ports.0.host", ["65535", "(70000)", "write port"]),
        (
            lambda s: s.web["run"]["logs"].update(driver="none"),
            "run.logs.driver",
            ["('none')", "write one of those: log driver"],
        ),
        (
            lambda s: s.web["run"]["logs"].update(maximum_size="big"),
            "run.logs.maximum_size",
            ["('big')", "write it like 10m: size"],
        ),
        (lambda s: s.web["run"].update(read_only="maybe"), "run.read_only", ["('maybe')", "write true or false: "]),
        (lambda s: s.web["build"].update(platforms=[]), "build.platforms", ["at least 1", "write every platform"]),
        (lambda s: s.web.pop("repository"), "repository", ["missing", "write path of the repository"]),
        (lambda s: s.web["build"].pop("context"), "build.context", ["missing", "write folder"]),
        (lambda s: s.web.update(repository="Driftwood/Web"), "repository", ["Driftwood/Web", "write lower-case"]),
        (lambda s: s.web.update(repository="driftwood/web:1"), "repository", ["driftwood/web:1", "write"]),
    ],
)
def test_a_mistake_names_key_value_and_remedy(
    stack: Stack, change: Callable[[Stack], None], key: str, words: list[str]
) -> None:
    change(stack)
    line = stack.mistake()
    assert line.startswith(f"slipway:services.web.{key}: ")
    for word in words:
        assert word in line


def test_lists_and_objects_that_are_no_json_are_told_and_not_thrown(stack: Stack) -> None:
    for text in ("[abc", "{", "[1,"):
        stack.settings["builder"] = text
        assert stack.mistake().startswith("slipway:builder: ")


@pytest.mark.parametrize("name", ["Web", "we b", "9web", "-web", "wéb", "", "web/app", "web.app"])
def test_a_service_has_a_plain_name(stack: Stack, name: str) -> None:
    stack.settings["services"] = {name: stack.web}
    line = stack.mistake()
    assert line.startswith("slipway:services: ")
    assert repr(name) in line


def test_a_stack_without_services_is_a_mistake(stack: Stack) -> None:
    stack.settings["services"] = {}
    assert stack.mistake().startswith("slipway:services: ")


def test_a_password_without_a_user_is_a_mistake(stack: Stack) -> None:
    stack.settings["registry"].pop("username")
    assert stack.mistake() == "slipway:registry: write both username and password, or neither"


def test_a_release_knows_what_its_container_asks_of_the_image(stack: Stack) -> None:
    stack.web["run"]["secrets_owner"] = 1000
    needs = stack.load().release("web").needs
    assert needs
    assert needs.flags() == ["--to-run", "--files-owner", "1000"]
    del stack.web["run"]
    assert stack.load().release("web").needs is None


@pytest.mark.parametrize("path", [None, "team/candidates"])
def test_quarantine_and_the_private_registry_are_two_whatever_the_path(stack: Stack, path: str | None) -> None:
    stack.settings["registry"]["address"] = "localhost:5380"
    stack.settings["quarantine"]["path"] = path
    assert stack.mistake() == (
        "slipway: quarantine and registry are one registry (localhost:5380): nothing unverified may reach the private "
        "one, where hosts log in and pull: write another quarantine.address"
    )


def test_candidates_go_below_a_path_of_quarantine_and_releases_do_not(stack: Stack) -> None:
    stack.settings["quarantine"]["path"] = "team/candidates"
    release = stack.load().release("web")
    assert isinstance(release, ReleaseArgs)
    assert release.image.quarantine == "localhost:5380/team/candidates/driftwood/web"
    assert release.repository == "localhost:5443/driftwood/web"


@pytest.mark.parametrize("path", ["Team", "/team", "team/", "team:1", ""])
def test_a_path_of_quarantine_is_a_repositorys(stack: Stack, path: str) -> None:
    stack.settings["quarantine"]["path"] = path
    assert stack.mistake().startswith(f"slipway:quarantine.path: {path!r} is not a repository path")


def test_a_candidates_repository_that_is_too_long_is_a_mistake(stack: Stack) -> None:
    stack.settings["quarantine"]["path"] = "/".join(["candidates"] * 22)
    assert "is not a repository path" in stack.mistake()


def second_service(stack: Stack) -> Any:
    """Another service, good on its own."""
    other = json.loads(json.dumps(stack.web))
    other["repository"] = "driftwood/other"
    other["run"]["name"] = "driftwood-other"
    other["run"]["ports"] = [{"container": 8080, "host": 8081}]
    stack.settings["services"]["other"] = other
    return other


def test_two_services_live_side_by_side(stack: Stack) -> None:
    second_service(stack)
    assert sorted(stack.load().services) == ["other", "web"]


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_two_services_cannot_listen_on_one_port(stack: Stack, address: str) -> None:
    other = second_service(stack)
    other["run"]["ports"] = [{"container": 8080, "host": 8080, "address": address}]
    other["run"]["reasons"] = {"ports": "the firewall in front decides"} if address == "0.0.0.0" else {}
    line = stack.mistake()
    assert "web" in line
    assert "other" in line
    assert "8080" in line


def test_one_service_cannot_listen_on_a_port_twice(stack: Stack) -> None:
    stack.web["run"]["ports"] *= 2
    assert "8080" in stack.mistake()


def test_two_containers_cannot_have_one_name(stack: Stack) -> None:
    second_service(stack)["run"]["name"] = "driftwood-web"
    line = stack.mistake()
    assert "driftwood-web" in line
    assert "run.name" in line


def test_two_services_cannot_publish_to_one_repository(stack: Stack) -> None:
    second_service(stack)["repository"] = "driftwood/web"
    assert "driftwood/web" in stack.mistake()


@pytest.mark.parametrize("host", ["tcp://127.0.0.1:2375", "/var/run/docker.sock", "ssh://host", ""])
def test_the_engine_is_one_on_a_local_socket(stack: Stack, host: str) -> None:
    stack.settings["docker"] = host
    assert stack.mistake().startswith("slipway:docker: ")


@pytest.mark.parametrize("platform", ["linux/nonsense", "linux/amd46", "plan10/amd64", "linux/arm/v7"])
def test_a_platform_that_no_builder_knows_is_refused(stack: Stack, platform: str) -> None:
    stack.web["build"]["platforms"] = ["linux/amd64", platform]
    line = stack.mistake()
    assert line.startswith("slipway:services.web.build.platforms: ")
    assert platform in line


def test_a_platform_named_twice_is_refused(stack: Stack) -> None:
    stack.web["build"]["platforms"] = ["linux/amd64", "linux/amd64"]
    assert stack.mistake().startswith("slipway:services.web.build.platforms: ")


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"fail_on": ["CRITICAL"]}, "fail_on"),
        ({"fail_on": ["LOW"]}, "fail_on"),
        ({"database_age": 30}, "database_age"),
    ],
)
def test_a_weaker_scan_needs_a_reason(stack: Stack, change: dict[str, Any], key: str) -> None:
    stack.settings["scan"] |= change
    line = stack.mistake()
    assert line.startswith("slipway:scan")
    assert key in line
    assert "reason" in line
    stack.settings["scan"]["reason"] = "the mirror is made once a month"
    assert stack.load()


@pytest.mark.parametrize("change", [{"reason": "short"}, {"expires": "someday"}, {"expires": ""}, {"id": "jinja2"}])
def test_an_exception_has_an_id_a_reason_and_an_end(stack: Stack, change: dict[str, str]) -> None:
    entry = {"id": "CVE-2019-10906", "reason": "the sandbox is not used", "expires": "2099-01-31"} | change
    stack.settings["scan"]["ignore"] = [entry]
    assert stack.mistake().startswith(f"slipway:scan.ignore.0.{next(iter(change))}: ")


@pytest.mark.parametrize("key", ["id", "reason", "expires"])
def test_an_exception_lacks_nothing(stack: Stack, key: str) -> None:
    entry = {"id": "CVE-2019-10906", "reason": "the sandbox is not used", "expires": "2099-01-31"}
    entry.pop(key)
    stack.settings["scan"]["ignore"] = [entry]
    assert stack.mistake().startswith(f"slipway:scan.ignore.0.{key}: missing: write ")


def test_a_mistake_is_shown_without_a_traceback() -> None:
    assert issubclass(SettingsError, pulumi.RunError)
