"""The headers of a pod's probes and hooks: whoever may read the pod reads them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.policy.answers import Answer, answer, unknown
from tests.policy.kubernetes_pods import UNKNOWN, applied, as_cron_job, as_deployment, changed, compliant
from tests.policy.test_rules_secrets import BY_NAME, COMMANDS, DEPLOYMENT, GITHUB, LOCAL

RULE = BY_NAME[COMMANDS]
FIRST = "spec.template.spec.containers[0]."
WRITE = "let the kubelet ask for a path that needs no credentials"
HANDLERS = ["livenessProbe", "readinessProbe", "startupProbe", "lifecycle.postStart", "lifecycle.preStop"]


def with_headers(handler: str, *headers: Any) -> Any:
    call = {"httpGet": {"path": "/health", "port": 8080, "httpHeaders": list(headers)}}
    return changed(compliant(), {f"spec.containers[0].{handler}": call})


def header(name: str, value: Any) -> dict[str, Any]:
    return {"name": name, "value": value}


def said(handler: str, *headers: Any) -> Answer:
    return answer(RULE, DEPLOYMENT, as_deployment(with_headers(handler, *headers))[1])


@pytest.mark.parametrize("handler", HANDLERS)
@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("X-Api-Key", GITHUB, "by its shape is a GitHub token"),
        ("Authorization", "Bearer hunter2", "by its name is credentials"),
        ("Authorization", "Basic YWRtaW46aHVudGVyMg==", "by its name is credentials"),
    ],
)
def test_a_secret_in_a_header_of_a_probe_or_hook_is_a_violation(handler: str, name: str, value: str, what: str) -> None:
    where = f'web (kubernetes:Deployment), container "web": {FIRST}{handler}.httpGet.httpHeaders[1].value'
    message = f"{where} ({name}) holds what {what}; {WRITE} [{RULE.source}]"
    assert said(handler, header("Host", "web.example"), header(name, value)) == Answer([message], [], [])


@pytest.mark.parametrize(
    ("name", "value"), [("Host", "web.example"), ("Accept", "application/json"), ("X-Probe", "kubelet"), ("Token", "")]
)
def test_a_header_without_a_secret_is_fine(name: str, value: str) -> None:
    assert said("livenessProbe", header(name, value)).nothing


def test_a_header_of_a_job_and_one_in_a_manifest_that_a_command_applies_are_read() -> None:
    job = as_cron_job(with_headers("livenessProbe", header("Token", "hunter2")))
    assert len(answer(RULE, *job[:2]).violations) == 1
    probe = {"httpGet": {"port": 80, "httpHeaders": [{"name": "Token", "value": "hunter2"}]}}
    found = answer(RULE, LOCAL, applied({"livenessProbe": probe}))
    assert len(found.violations) == 1


def test_an_unknown_header_hides_no_other() -> None:
    found = said("livenessProbe", header("A", UNKNOWN), header("Token", "hunter2"))
    assert len(found.violations) == 1
    path = f"{FIRST}livenessProbe.httpGet.httpHeaders[0].value".replace("[", ".").replace("]", "")
    assert found.advice == [unknown(RULE, path)]
