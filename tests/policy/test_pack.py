"""The pack as a whole: what it tells Pulumi, what it says about compliant resources, and what it costs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
import yaml
from google.protobuf import empty_pb2  # type: ignore[import-untyped]
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc
from pulumi_policy import EnforcementLevel, Policy, PolicyComplianceFramework
from pulumi_policy.policy import ResourceValidationArgs, ResourceValidationPolicy
from pulumi_policy.proxy import unknown_checking_proxy

from judging.rule import Rule
from judging.stack_rule import StackRule
from pack import CONFIGURED, DESCRIPTION, NAME, POLICIES, RULES, STACK_RULES
from rules.table import TABLES, rules
from tests.policy.answers import answer
from tests.policy.compliant import CONTAINER, SERVICE, container, service
from tests.policy.hardening import RULES as HARDENING
from tests.policy.kubernetes_pods import WRAPPED, compliant

PACK = Path(__file__).parents[2] / "policies"
EVERY_RULE: tuple[Rule | StackRule, ...] = (CONFIGURED, *RULES, *STACK_RULES)
OFTEN = 20
MOST_SECONDS = 0.002
MOST_MEGABYTES = 150


def names() -> list[str]:
    return [policy.name for policy in POLICIES]


def test_no_two_policies_have_one_name() -> None:
    assert len(set(names())) == len(names())


def test_the_first_policy_reads_the_configuration_and_advice_comes_after_the_rules() -> None:
    assert names()[0] == "pack-is-configured"
    resource_policies = [it.name for it in POLICIES if isinstance(it, ResourceValidationPolicy)]
    assert resource_policies[-1] == "advice"
    assert names()[-1] == "stack-advice"


@pytest.mark.parametrize("policy", POLICIES, ids=lambda it: it.name)
def test_a_policy_says_everything_about_itself(policy: Policy) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", policy.name)
    assert policy.description and not policy.description.endswith(".")
    assert isinstance(policy.enforcement_level, EnforcementLevel)
    assert policy.severity and policy.tags and policy.remediation_steps


@pytest.mark.parametrize("rule", EVERY_RULE, ids=lambda it: it.name)
def test_a_rule_has_a_reason_a_source_and_a_configuration(rule: Any) -> None:
    policy = rule.policy()
    assert (rule.reason and rule.reason[0].isupper()) or rule.reason[0] == "`"
    assert rule.source.framework and (rule.source.control or rule.source.version)
    assert isinstance(policy.framework, PolicyComplianceFramework)
    assert policy.config_schema
    assert "exemptions" in policy.config_schema.properties
    for name, option in rule.options.items():
        assert re.fullmatch(r"[a-z]+([A-Z][a-z]+)*", name)
        assert option["description"] and option["type"]


def test_every_hardening_rule_is_in_the_pack() -> None:
    assert {rule.name for rule in HARDENING} <= set(names())


def test_the_version_is_explicit_and_the_virtual_environment_is_the_packs_own() -> None:
    described = yaml.safe_load((PACK / "PulumiPolicy.yaml").read_text())
    assert re.fullmatch(r"\d+\.\d+\.\d+", described["version"])
    assert described["runtime"]["name"] == "python"
    assert described["runtime"]["options"]["virtualenv"] == ".venv"
    assert NAME and DESCRIPTION


def test_the_lock_has_a_hash_for_everything_no_address_and_the_projects_own_versions() -> None:
    pin = re.compile(r"^([\w.-]+)==(\S+)", re.MULTILINE)
    text = (PACK / "requirements.lock").read_text()
    locked, project = dict(pin.findall(text)), dict(pin.findall((PACK.parent / "requirements.lock").read_text()))
    asked = dict(pin.findall((PACK / "requirements.in").read_text()))
    assert set(asked) == {"cryptography", "pulumi", "pulumi-policy"}
    assert asked.items() <= locked.items() <= project.items()
    assert text.count(" \\\n    --hash=sha256:") >= len(locked)
    assert "://" not in text


@pytest.mark.parametrize(
    ("kind", "properties"),
    [(CONTAINER, container()), (SERVICE, service()), *(wrap(compliant())[:2] for wrap in WRAPPED.values())],
    ids=lambda it: it if isinstance(it, str) else "",
)
def test_a_compliant_resource_has_no_hardening_problem(kind: str, properties: dict[str, Any]) -> None:
    for rule in HARDENING:
        found = answer(rule, kind, properties)
        assert not found.violations and not found.advice, rule.name


@pytest.mark.parametrize("rule", HARDENING, ids=lambda it: it.name)
def test_a_rule_takes_at_most_two_milliseconds_for_a_resource(rule: Any) -> None:
    properties = container(
        mounts=[{"type": "bind", "source": f"/srv/{number}", "target": f"/{number}"} for number in range(20)],
        envs=[f"NAME{number}=value" for number in range(50)],
        ports=[{"internal": number, "external": 8000 + number, "ip": "127.0.0.1"} for number in range(1, 20)],
    )
    urn = f"urn:pulumi:dev::shop::{CONTAINER}::web"
    proxy: Any = unknown_checking_proxy(properties)
    args: Any = ResourceValidationArgs(CONTAINER, proxy, urn, "web", None, None)  # type: ignore[arg-type]
    policy = rule.policy()

    def once() -> float:
        began = time.process_time()
        try:
            policy.validate(args, lambda _text, _urn: None)
        except Exception as silent:
            assert type(silent).__name__ == "_NotApplicableError", silent
        return time.process_time() - began

    # The quickest of some: what else the machine does at the time is not the rule's.
    assert min(once() for _ in range(OFTEN)) <= MOST_SECONDS


def run(script: str) -> str:
    return subprocess.run([sys.executable, "-c", script], cwd=PACK, capture_output=True, text=True, check=True).stdout


def test_the_pack_starts_without_what_only_some_paths_need() -> None:
    heavy = ["cryptography", "pydantic", "components", "jsonschema"]
    assert run(f"import sys, pack; print([name for name in {heavy} if name in sys.modules])").strip() == "[]"


JUDGES = """
import re, pathlib, pack, cryptography.hazmat.primitives.asymmetric.ec
from rules import isolation, limits, network, privileges
from pulumi_policy import EnforcementLevel
from judging.servicer import Servicer
from pulumi.runtime.proto import analyzer_pb2
rules = (*privileges.RULES, *isolation.RULES, *limits.RULES, *network.RULES)
servicer = Servicer("a", "1.0.0", [rule.policy() for rule in rules], EnforcementLevel.MANDATORY)
for number in range(20):
    question = analyzer_pb2.AnalyzeRequest(type=TYPE, name="web", urn=f"urn{number}")
    question.properties.update(PROPERTIES)
    servicer.Analyze(question, None)
# Not getrusage: that starts with what the process was forked from.
print(int(re.search(r"VmHWM:\\s+(\\d+) kB", pathlib.Path("/proc/self/status").read_text())[1]) // 1024)
"""


def test_the_packs_process_stays_small_while_it_judges() -> None:
    script = JUDGES.replace("TYPE", repr(CONTAINER)).replace("PROPERTIES", repr(container()))
    assert int(run(script)) < MOST_MEGABYTES


@pytest.fixture(name="served")
def served_pack() -> Iterator[analyzer_pb2_grpc.AnalyzerStub]:
    """The pack as its program serves it to Pulumi."""
    serving = subprocess.Popen([sys.executable, "-u", "__main__.py"], cwd=PACK, stdout=subprocess.PIPE, text=True)
    try:
        assert serving.stdout
        with grpc.insecure_channel(f"127.0.0.1:{int(serving.stdout.readline())}") as channel:
            yield analyzer_pb2_grpc.AnalyzerStub(channel)
    finally:
        serving.kill()
        serving.wait()


def test_the_program_serves_the_pack(served: analyzer_pb2_grpc.AnalyzerStub) -> None:
    information = served.GetAnalyzerInfo(empty_pb2.Empty(), timeout=10)
    assert [it.name for it in information.policies] == names()


def test_a_name_in_the_configuration_that_no_rule_has_is_told_with_the_nearest(
    served: analyzer_pb2_grpc.AnalyzerStub,
) -> None:
    configuration = analyzer_pb2.ConfigureAnalyzerRequest()
    for name in ("all", *names(), "container-gain-no-privilege", "something", "pack-is-configred"):
        configuration.policyConfig[name].enforcementLevel = analyzer_pb2.MANDATORY
    served.Configure(configuration, timeout=10)
    kind = "pulumi:pulumi:Stack"
    question = analyzer_pb2.AnalyzeRequest(type=kind, name="shop-dev", urn=f"urn:pulumi:dev::shop::{kind}::shop-dev")
    said = [it.message.partition("\n")[2] for it in served.Analyze(question, timeout=10).diagnostics]
    correct = "correct it in the file that --policy-pack-config names [Slipway, fail early, in the user's words]"
    assert said == [
        f"shop-dev (pulumi:Stack): the pack's configuration: {mistake}; {correct}"
        for mistake in (
            "container-gain-no-privilege: no rule has this name: did you mean container-gains-no-privileges?",
            "pack-is-configred: no rule has this name: did you mean pack-is-configured?",
            "something: no rule has this name: write the name of one, or take it out",
        )
    ]


def test_the_table_names_every_rule_with_its_source_severity_and_level() -> None:
    lines = list(rules(EVERY_RULE))
    assert len(lines) == len(EVERY_RULE) + 2
    assert (
        "| `container-is-not-privileged` | A container is not privileged | CIS Docker Benchmark 1.6, 5.5 | critical | "
        "mandatory |"
    ) in lines


@pytest.mark.parametrize("table", TABLES)
def test_the_tables_are_printed_by_the_module(table: str) -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "rules.table", table], cwd=PACK, capture_output=True, text=True, check=True
    ).stdout
    assert printed.splitlines() == list(TABLES[table]())


def test_the_settings_are_told_with_what_they_are_by_default() -> None:
    lines = list(TABLES["settings"]())
    assert "| `container-restart-is-bounded` | `maximum` | times that a container may be started again | `5` |" in lines
    assert "| `pack-is-configured` | `timeout` | seconds that the evidence of one digest may take | `30` |" in lines


def test_the_schemas_are_what_pulumi_can_take() -> None:
    for rule in EVERY_RULE:
        schema = rule.policy().config_schema
        assert schema
        assert json.loads(json.dumps(schema.properties)) == schema.properties
