"""Secrets in the options of drivers of logs and volumes, which an engine shows to whoever inspects them."""

from __future__ import annotations

from typing import Any

import pytest

from rules import secrets
from tests.policy.answers import answer
from tests.policy.kubernetes_pods import UNKNOWN

[RULE] = [rule for rule in secrets.RULES if rule.name == "no-secret-in-arguments-or-commands"]
CONTAINER, SERVICE = "docker:index/container:Container", "docker:index/service:Service"
VOLUME = "docker:index/volume:Volume"
SPLUNK = {"splunk-token": "5ca1ab1e-0ddb-a115-c0de-5eedca11ab1e", "splunk-url": "https://logs.example"}
SHARE = {"type": "cifs", "device": "//files.example/shop", "o": "username=shop,password=harbour7"}
FINE = {"max-size": "10m", "tag": "{{.Name}}", "gelf-address": "udp://logs.example:12201", "labels": "a,b"}
CASES = [
    (CONTAINER, {"logOpts": SPLUNK}, "logOpts.splunk-token (splunk-token)"),
    (
        SERVICE,
        {"taskSpec": {"logDriver": {"options": SPLUNK}}},
        "taskSpec.logDriver.options.splunk-token (splunk-token)",
    ),
    (VOLUME, {"driverOpts": SHARE}, "driverOpts.o (o)"),
    (
        CONTAINER,
        {"mounts": [{"target": "/a"}, {"volumeOptions": {"driverOptions": SHARE}}]},
        "mounts[1].volumeOptions.driverOptions.o (o)",
    ),
    (
        SERVICE,
        {"taskSpec": {"containerSpec": {"mounts": [{"volumeOptions": {"driverOptions": SHARE}}]}}},
        "taskSpec.containerSpec.mounts[0].volumeOptions.driverOptions.o (o)",
    ),
]


@pytest.mark.parametrize(("kind", "properties", "path"), CASES)
def test_a_secret_in_the_options_of_a_driver_is_found(kind: str, properties: dict[str, Any], path: str) -> None:
    [said] = answer(RULE, kind, properties).violations
    assert path in said
    assert "let the driver read it from the host's own configuration" in said
    assert "harbour7" not in said and "5ca1ab1e" not in said


@pytest.mark.parametrize(
    ("kind", "properties"),
    [
        (CONTAINER, {"logOpts": FINE}),
        (VOLUME, {"driverOpts": {"type": "nfs", "o": "addr=10.0.0.1,rw", "device": ":/export"}}),
        (CONTAINER, {"mounts": [{"target": "/tmp", "type": "tmpfs"}]}),
        (CONTAINER, {}),
    ],
)
def test_ordinary_options_are_fine(kind: str, properties: dict[str, Any]) -> None:
    assert answer(RULE, kind, properties).nothing


def test_options_that_are_not_known_yet_hide_no_others() -> None:
    found = answer(RULE, CONTAINER, {"logOpts": UNKNOWN, "mounts": [{"volumeOptions": {"driverOptions": SHARE}}]})
    assert len(found.violations) == len(found.advice) == 1
