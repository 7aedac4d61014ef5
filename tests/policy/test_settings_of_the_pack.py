"""The settings that the pack's rules share: read once, refused in the user's words, kept for the others."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from pulumi.runtime.proto import analyzer_pb2
from pulumi_policy.policy import EnforcementLevel

from judging.configuration import FOLDER, KEYS, Identity, Settings, current, keep, read_settings, schema
from judging.exceptions import Exemption, find, read_exemptions, read_file
from judging.grants import today
from judging.servicer import Servicer
from rules.configured import configured
from tests.policy.answers import answer
from verification.registry import Access

PEM = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----"
STACK = "pulumi:pulumi:Stack"


@pytest.fixture(autouse=True)
def _defaults() -> Iterator[None]:
    yield
    keep(Settings())


def mistakes(**configuration: Any) -> list[str]:
    return list(read_settings(configuration)[1])


def test_without_a_configuration_the_defaults_hold() -> None:
    settings, wrong = read_settings({})
    assert (settings, list(wrong)) == (Settings(), [])
    assert settings.platforms == ("linux/amd64", "linux/arm64")
    assert settings.severities == ("HIGH", "CRITICAL")
    assert (settings.timeout, settings.report_age, settings.database_age) == (30.0, 7.0, 7.0)
    assert settings.release_stacks == ("prod*", "live*", "release*")


def test_every_setting_is_read(tmp_path: Path) -> None:
    (tmp_path / "key.pub").write_text(PEM)
    (tmp_path / "ca.crt").write_text("ca")
    (tmp_path / "password").write_text("secret")
    settings, wrong = read_settings(
        {
            "quarantine": ["localhost:5380"],
            "privateRegistries": [" registry.example/shop "],
            "publicKeys": [PEM, str(tmp_path / "key.pub")],
            "proofKeys": [PEM],
            "identities": [{"subject": "a@b.example", "issuer": "https://issuer.example"}],
            "platforms": ["linux/arm/v7"],
            "registries": {
                "registry.example:5000": {
                    "certificateAuthority": str(tmp_path / "ca.crt"),
                    "username": "robot",
                    "passwordFile": str(tmp_path / "password"),
                }
            },
            "releaseStacks": ["live"],
            "timeout": 5,
            "sourceRepositories": ["https://git.example/*"],
            "baseImages": ["registry.example/base"],
            "severities": ["critical"],
            "reportAge": 1.5,
            "databaseAge": 2,
        }
    )
    assert not wrong
    access = Access(tmp_path / "ca.crt", "robot", tmp_path / "password")
    assert settings == Settings(
        quarantine=("localhost:5380",),
        private_registries=("registry.example/shop",),
        public_keys=(PEM, PEM),
        proof_keys=(PEM,),
        identities=(Identity("a@b.example", "https://issuer.example"),),
        platforms=("linux/arm/v7",),
        registries={"registry.example:5000": access},
        release_stacks=("live",),
        timeout=5.0,
        source_repositories=("https://git.example/*",),
        base_images=("registry.example/base",),
        severities=("CRITICAL",),
        report_age=1.5,
        database_age=2.0,
    )


@pytest.mark.parametrize(
    ("named", "counted"),
    [
        (["critical"], ("CRITICAL",)),
        (["HIGH"], ("HIGH", "CRITICAL")),
        (["MEDIUM"], ("MEDIUM", "HIGH", "CRITICAL")),
        (["CRITICAL", "low", "low"], ("LOW", "MEDIUM", "HIGH", "CRITICAL")),
        (["UNKNOWN"], ("UNKNOWN", "LOW", "MEDIUM", "HIGH", "CRITICAL")),
    ],
)
def test_the_lowest_severity_brings_all_above_it(named: list[str], counted: tuple[str, ...]) -> None:
    settings, wrong = read_settings({"severities": named})
    assert (settings.severities, list(wrong)) == (counted, [])


def test_paths_start_from_the_packs_folder() -> None:
    settings, wrong = read_settings({"registries": {"a": {"certificateAuthority": "requirements.in"}}})
    assert not wrong
    assert settings.registries["a"].certificate_authority == FOLDER / "requirements.in"


@pytest.mark.parametrize(
    ("configuration", "mistake"),
    [
        ({"quarantine": "a"}, "quarantine: is no list (a): write a list of texts"),
        ({"quarantine": [""]}, "quarantine: is no text (): write a list of texts that are not empty"),
        ({"quarantine": [5]}, "quarantine: is no text (5): write a list of texts that are not empty"),
        ({"platforms": ["arm64"]}, "platforms: is no platform (arm64): write one as linux/arm64 or linux/arm/v7"),
        ({"timeout": 0}, "timeout: is no number above 0 (0): write one"),
        ({"timeout": True}, "timeout: is no number above 0 (true): write one"),
        ({"reportAge": "7"}, "reportAge: is no number above 0 (7): write one"),
        (
            {"severities": ["HUGE"]},
            "severities: is no severity (HUGE): write some of UNKNOWN, LOW, MEDIUM, HIGH, CRITICAL",
        ),
        (
            {"severities": []},
            "severities: stops nothing (an empty list): "
            "write at least one severity, or leave it out for HIGH and CRITICAL",
        ),
        (
            {"publicKeys": ["/nowhere.pub"]},
            "publicKeys: there is no such file (/nowhere.pub): "
            f"write the path of one, absolute or relative to {FOLDER}",
        ),
        (
            {"publicKeys": ["-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----"]},
            "publicKeys: holds a private key (-----BEGIN PRIVATE KEY-----): write the public key alone",
        ),
        (
            {"publicKeys": ["requirements.in"]},
            "publicKeys: holds no PEM text (requirements.in): write a public key in PEM form, or the path of its file",
        ),
        (
            {"identities": [{"subject": "a"}]},
            "identities: is no identity (an object): write {subject, issuer}, both texts",
        ),
        (
            {"registries": {"https://a": {}}},
            "registries: is no registry (https://a): write HOST or HOST:PORT, without a scheme and a path",
        ),
        (
            {"registries": {"a": {"password": "x"}}},
            "registries: has keys that are unknown (password): "
            "write some of certificateAuthority, username, passwordFile",
        ),
        (
            {"registries": {"a": {"username": "x"}}},
            "registries: is half a login (username): write username and passwordFile, or neither",
        ),
        (
            {"exceptions": 3},
            "exceptions: is no path (3): write that of a YAML file, absolute or relative to the pack's folder",
        ),
    ],
)
def test_a_mistake_names_the_key_the_value_and_what_to_write(configuration: dict[str, Any], mistake: str) -> None:
    assert mistakes(**configuration) == [mistake]


def test_a_password_in_the_wrong_place_is_not_repeated() -> None:
    assert "hunter2" not in "".join(mistakes(registries={"a": {"password": "hunter2"}}))


def test_all_mistakes_are_said_at_once_and_unknown_keys_are_refused() -> None:
    found = mistakes(quarantin=["a"], timeout=-1, platforms=["x"])
    assert len(found) == 3
    assert found[0] == f"quarantin: unknown setting: write some of {', '.join(KEYS.values())}"


def test_a_setting_with_a_mistake_has_its_default_and_the_others_their_values() -> None:
    settings, _ = read_settings({"timeout": -1, "quarantine": ["a"]})
    assert (settings.timeout, settings.quarantine) == (30.0, ("a",))


def test_the_first_policy_keeps_the_settings_for_the_others() -> None:
    assert answer(configured(), STACK, {}, {"quarantine": ["localhost:5380"]}).nothing
    assert current().quarantine == ("localhost:5380",)


def test_the_first_policy_reports_each_mistake() -> None:
    expected = (
        "web (pulumi:Stack): the pack's configuration: timeout: is no number above 0 (-1): write one; "
        "correct it in the file that --policy-pack-config names [Slipway, fail early, in the user's words]"
    )
    for _ in range(2):
        assert answer(configured(), STACK, {}, {"timeout": -1}).violations == [expected]


def test_a_mistake_is_told_at_the_first_resource_and_not_again_at_each_of_the_others() -> None:
    rule = configured()
    servicer: Any = Servicer("slipway", "1.0.0", [rule.policy()], EnforcementLevel.MANDATORY)
    request = analyzer_pb2.ConfigureAnalyzerRequest()
    request.policyConfig[rule.name].enforcementLevel = analyzer_pb2.MANDATORY
    request.policyConfig[rule.name].properties.update({"timeout": -1, "quarantin": ["a"]})
    servicer.Configure(request, None)

    def told(name: str, kind: str = STACK) -> int:
        question = analyzer_pb2.AnalyzeRequest(type=kind, name=name, urn=f"urn:pulumi:dev::shop::{kind}::{name}")
        return len(servicer.Analyze(question, None).diagnostics)

    assert told("default_1_2_1", "pulumi:providers:command") == 0  # it may come before the stack
    assert [told("shop-dev"), told("web"), told("api"), told("shop-dev")] == [2, 0, 0, 2]


def test_without_a_configuration_the_first_policy_keeps_the_defaults() -> None:
    keep(Settings(quarantine=("left from before",)))
    assert answer(configured(), STACK, {}).nothing
    assert current() == Settings()


def test_the_schema_describes_every_setting() -> None:
    described = schema()
    assert list(described) == list(KEYS.values())
    assert all(it["description"] and it["type"] for it in described.values())
    assert described["platforms"]["default"] == ["linux/amd64", "linux/arm64"]


def entry(**changes: str) -> str:
    fields = {"rule": "a-rule", "resource": "web*", "reason": "why", "owner": "Ada", "expires": "2999-01-01", **changes}
    return f"- {{{', '.join(f'{key}: {value}' for key, value in fields.items() if value)}}}\n"


def exceptions(tmp_path: Path, text: str, *rules: str) -> tuple[list[Exemption], list[str]]:
    path = tmp_path / "exceptions.yaml"
    path.write_text(text)
    return read_file(path, frozenset(rules))


def test_entries_of_the_file_are_read(tmp_path: Path) -> None:
    found, wrong = exceptions(tmp_path, entry() + entry(expires="'2020-01-01'"))
    assert not wrong
    assert [it.expired for it in found] == [False, True]


def test_an_empty_file_excepts_nothing(tmp_path: Path) -> None:
    assert exceptions(tmp_path, "# nothing yet\n") == ([], [])


@pytest.mark.parametrize("key", ["rule", "resource", "reason", "owner", "expires"])
def test_every_key_of_an_entry_is_required(tmp_path: Path, key: str) -> None:
    found, wrong = exceptions(tmp_path, entry(**{key: ""}))
    assert not found
    assert len(wrong) == 1
    assert wrong[0].startswith(f"exceptions (exceptions.yaml)[0].{key}: ")


@pytest.mark.parametrize("text", ["{", "a: b", "- just text", "- [1]", "5"])
def test_what_is_no_list_of_entries_is_a_mistake(tmp_path: Path, text: str) -> None:
    found, wrong = exceptions(tmp_path, text)
    assert not found
    assert len(wrong) == 1


def test_an_entry_about_a_rule_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    _, wrong = exceptions(tmp_path, entry(rule="a-rul"), "a-rule")
    assert wrong == ["exceptions (exceptions.yaml): there is no such rule (a-rul): write the name of one"]


def test_a_missing_file_is_a_mistake(tmp_path: Path) -> None:
    assert len(mistakes(exceptions=str(tmp_path / "none.yaml"))) == 1


def test_an_entry_ends_on_the_day_that_it_names(tmp_path: Path) -> None:
    tomorrow = str(today() + timedelta(days=1))
    entries, _ = exceptions(tmp_path, entry(expires=tomorrow) + entry(expires=str(today())))
    holds, ends = entries
    assert (holds.expired, ends.expired) == (False, True)
    assert find([ends, holds], "a-rule", "web", "urn") is holds
    assert find([ends], "a-rule", "web", "urn") is ends
    assert find([holds], "another", "web", "urn") is None


def test_nothing_excepts_a_mistake_in_the_configuration() -> None:
    entry = {"resource": "*", "reason": "moving house", "owner": "shop", "expires": date(2999, 1, 1)}
    exemptions, mistakes = read_exemptions([entry], "exemptions", "pack-is-configured")
    assert not mistakes
    assert find(exemptions, "pack-is-configured", "web", "urn") is None
    exemptions, _ = read_exemptions([entry], "exemptions", "image-is-signed")
    assert find(exemptions, "image-is-signed", "web", "urn") is not None
