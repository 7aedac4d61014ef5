"""Objects that a command puts into a cluster and that stand nowhere in it: piped, rendered, or in a file."""

from __future__ import annotations

import time

import pytest
import yaml

from judging.advice import take
from judging.kubectl import calls
from rules.manifests import RULES
from tests.policy.answers import Answer, answer, unknown
from tests.policy.kubernetes_pods import UNKNOWN, Properties, compliant

READABLE, DESCRIBED = RULES
COMMAND = "command:local:Command"
MANIFEST = yaml.safe_dump({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": compliant()}})
NAMESPACE = "kubectl apply -f - <<EOF\napiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\nEOF\n"
STDIN = "kubectl apply takes its objects from standard input"
UNSEEN = [
    ("kubectl apply -f -", STDIN),
    ("kubectl apply -f- <<< $MANIFEST", STDIN),
    ("oc apply -f /dev/stdin", STDIN),
    ("kubectl apply -f - <<EOF\n$(cat web.yaml)\nEOF", STDIN),
    ("kubectl get deploy -o yaml | kubectl replace -f -", "kubectl replace takes its objects from standard input"),
    ("kubectl create -f - < web.yaml", "kubectl create takes its objects from web.yaml"),
    ("kubectl create -f - <web.yaml", "kubectl create takes its objects from web.yaml"),
    ("cat web.yaml | kubectl apply -f -", "kubectl apply takes its objects from the output of cat"),
    ("kustomize build . | kubectl apply -f -", "kubectl apply takes its objects from the output of kustomize"),
    ("kubectl kustomize . |\n  kubectl apply -f -", "kubectl apply takes its objects from the output of kustomize"),
    ("helm template x | sudo kubectl apply -f -", "kubectl apply takes its objects from the output of helm"),
    ("helm template oci://r.example/x | kubectl apply -f -", "kubectl apply takes its objects from the output of helm"),
    ("echo YXBpCg== | base64 -d | kubectl apply -f -", "kubectl apply takes its objects from the output of base64"),
    ("helm install x y", "helm install renders its objects where no rule sees them"),
    ("helm -n shop upgrade --install x y", "helm upgrade renders its objects where no rule sees them"),
    ("helm install x y --dry-run=none", "helm install renders its objects where no rule sees them"),
    ("helmfile apply", "helmfile apply renders its objects where no rule sees them"),
    ("helmfile -e dev -f shop.yaml sync", "helmfile sync renders its objects where no rule sees them"),
    ("oc new-app nginx", "oc new-app renders its objects where no rule sees them"),
]


def told(properties: Properties) -> tuple[Answer, list[str]]:
    """What the rule says about a command, and what it only advises."""
    said = answer(DESCRIBED, COMMAND, properties)
    return said, take(f"urn:pulumi:dev::shop::{COMMAND}::web")


@pytest.mark.parametrize(("command", "seen"), UNSEEN)
def test_objects_that_stand_elsewhere_are_advice(command: str, seen: str) -> None:
    said, advice = told({"create": command})
    assert said.nothing
    assert advice == [
        f"workload-comes-from-a-manifest: web (command:Command): create: {seen}; apply a manifest that is part of the "
        "command, or write a resource of the kubernetes provider [Slipway, policies verify with their own eyes]"
    ]


@pytest.mark.parametrize("command", [command for command, _ in UNSEEN if "|" in command and "replace" not in command])
def test_a_manifest_in_the_same_command_hides_nothing_that_is_rendered(command: str) -> None:
    assert len(list(calls(NAMESPACE + command))) == 1
    assert len(told({"create": command, "stdin": MANIFEST})[1]) == 1


@pytest.mark.parametrize(
    ("command", "source"),
    [
        ("curl -fsS https://a.example/b | kubectl apply -f -", "the output of curl"),
        ("kubectl apply -f <(curl -fsS https://a.example/b)", "the output of curl"),
        ("kubectl apply -f<(curl -fsS https://a.example/b)", "the output of curl"),
        ("kubectl apply -f- < <(wget -qO- https://a.example/b)", "the output of wget"),
        ("kubectl apply -Rf https://a.example/b", "https://a.example/b"),
        ("kubectl apply -k github.com/shop/web//base?ref=main", "github.com/shop/web//base?ref=main"),
        ("kubectl apply -k git@git.example:shop/web", "git@git.example:shop/web"),
        ("kubectl apply -k git.example/shop/web.git", "git.example/shop/web.git"),
        ("kustomize build github.com/shop/web | kubectl apply -f -", "the output of kustomize"),
    ],
)
def test_what_comes_from_another_host_is_a_violation(command: str, source: str) -> None:
    said, advice = told({"create": command})
    assert not advice
    assert said.violations == [
        f"web (command:Command): create: kubectl apply takes its objects from {source}; apply a manifest that "
        "is part of the command, or write a resource of the kubernetes provider "
        "[Slipway, policies verify with their own eyes]"
    ]


PATCH = """-p '{"spec":{"template":{"spec":{"hostNetwork":true}}}}'"""
STARTED = [
    f"kubectl patch --type=merge {PATCH} deployment web",
    f"kubectl patch {PATCH} deploy/web",
    f"kubectl patch --type json --patch-file p.json ds web {PATCH}",
    f"oc patch dc/web {PATCH}",
    f"kubectl patch rollout web {PATCH}",
    "kubectl set resources deployment web --limits=cpu=0",
    "kubectl --request-timeout 30s run web --image=nginx",
    "kubectl -v 6 run web --image=nginx",
    "kubectl --certificate-authority ca.crt --client-key a.key run web --image=nginx",
    "kubectl create --field-manager ci deployment web --image=nginx",
    "kubectl.exe run web --image=nginx",
    "KUBECTL=kubectl; $KUBECTL run web --image=nginx",
    "${KUBECTL:-kubectl} run web --image=nginx",
    'KUBECTL=kubectl; "$KUBECTL" run web --image=nginx',
    '"kubectl" run web --image=nginx',
    '"/usr/local/bin/kubectl" run web --image=nginx',
    "$(which kubectl) run web --image=nginx",
    "$(command -v kubectl) run web --image=nginx",
    "subprocess.run(['kubectl', 'run', 'web', '--image=nginx'])",
    "microk8s.kubectl run web --image=nginx",
    "kubectl run web --image=nginx -- sh --help",
    'echo "$(echo "a # b")"; kubectl run web --image=nginx',
    "kubectl create deployment web --image=nginx --dry-run=client -o yaml | kubectl apply -f -",
    "kubectl create deployment web --image=nginx --dry-run=client -o yaml >w.yaml; kubectl create -n shop -f w.yaml",
    "kubectl run web --image=nginx --dry-run=client -o yaml > /etc/kubernetes/manifests/web.yaml",
    "kubectl run web --image=nginx --dry-run=client -o yaml > >(kubectl create -n x -f -)",
    "{ kubectl run web --image=nginx --dry-run=client -o yaml; } | kubectl create -n x -f -",
    "bash <<EOF\nkubectl run web --image=nginx --dry-run=client -o yaml > w\nEOF\nkubectl apply -f w",
    "kubectl create deployment web --image=nginx --dry-run=client --dry-run=none",
    "kubectl create -f <(kubectl create deployment web --image=nginx --dry-run=client -o yaml)",
    """kubectl run web --image=nginx --env="N=$(psql -h db -tAc 'select 1')\"""",
    "kubectl run web --image=nginx --env=N=$(df -h / | tail -1)",
    "x=${v/ #/}; kubectl run web --image=nginx",
    'echo "\n# setup"; kubectl run web --image=nginx',
    "kubectl create deployment web --image=nginx --dry-run=client -o yaml >w.yaml && kubectl apply -f w.yaml",
]


@pytest.mark.parametrize("command", STARTED)
def test_a_workload_that_options_describe_is_a_violation_wherever_they_stand(command: str) -> None:
    assert any("that no manifest" in it for it in told({"create": command})[0].violations)


@pytest.mark.parametrize(
    "command",
    [
        "# kubectl run web --image=nginx\ntrue",
        "true # kubectl run web --image=nginx",
        'echo "done"\n  # kubectl run web --image=nginx\n',
        "kubectl create deployment web --image=nginx --dry-run=client -o yaml > web.yaml",
        "kubectl run web --image=nginx --dry-run=client -o yaml",
        "kubectl apply --dry-run=server -f https://a.example/b",
        "kubectl run --help",
        "kubectl set resources -f w.yaml --local --limits=cpu=1 -o yaml",
        "kubectl patch service deploy -p '{}'",
        "kubectl -n jobs patch configmap web --type merge -p '{}'",
        f"kubectl apply -nwork -f - <<EOF\n{MANIFEST}EOF",
    ],
)
def test_what_starts_nothing_is_fine(command: str) -> None:
    said, advice = told({"create": command})
    assert said.nothing and not advice


@pytest.mark.parametrize(
    "properties",
    [
        {"create": f"kubectl apply -f - <<EOF\n{MANIFEST}EOF"},
        {"create": f"echo '{MANIFEST}' | kubectl apply -f -"},
        {"create": f"envsubst <<EOF | kubectl apply -f -\n{MANIFEST}EOF"},
        {"create": "kubectl apply -f -", "stdin": MANIFEST},
        {"create": 'echo "$M" | kubectl apply -f -', "environment": {"M": MANIFEST}},
    ],
)
def test_objects_that_the_command_is_handed_are_judged_there(properties: Properties) -> None:
    said, advice = told(properties)
    assert said.nothing and not advice


def test_objects_of_another_input_are_not_those_of_this_one() -> None:
    _, advice = told({"create": "kubectl apply -f -", "update": f"kubectl apply -f - <<EOF\n{MANIFEST}EOF"})
    assert len(advice) == 1 and f"create: {STDIN};" in advice[0]


def test_a_standard_input_that_is_unknown_is_the_word_of_the_rule_that_reads_it() -> None:
    properties = {"create": "kubectl apply -f -", "stdin": UNKNOWN}
    said, advice = told(properties)
    assert said.nothing and not advice
    assert answer(READABLE, COMMAND, properties).advice == [unknown(READABLE, "stdin")]


def test_a_script_on_the_standard_input_is_read_like_a_command() -> None:
    assert any(
        "stdin: kubectl run" in it
        for it in told({"create": "bash -s", "stdin": "kubectl run web --image=nginx"})[0].violations
    )


@pytest.mark.parametrize("kind", ["$K", "$(echo Pod)", "${K}"])
def test_a_kind_that_a_shell_decides_is_a_violation(kind: str) -> None:
    text = MANIFEST.replace("kind: Pod", f"kind: {kind}").replace("kind: Deployment", f"kind: {kind}")
    said = answer(READABLE, COMMAND, {"create": f"K=Pod; kubectl apply -f - <<EOF\n{text}EOF"})
    assert len(said.violations) == 1


ENDLESS = ["run a;", "create a --dry-run;", "$(", "apply -f <(", "apply -f a -f - < "]


@pytest.mark.parametrize("unit", [*(f"kubectl {it}" for it in ENDLESS), "helm install a b --dry-run;", "# a\n"])
def test_a_long_command_takes_time_in_proportion_to_its_length(unit: str) -> None:
    began = time.process_time()
    list(calls((unit * 100_000)[:100_000]))
    assert time.process_time() - began < 5
