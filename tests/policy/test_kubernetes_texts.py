"""Manifests in texts: in every way in which a command can carry them, and those that nobody can read."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judging.kubectl import calls
from judging.manifest_text import objects_in
from judging.quantity import quantity

POD = """\
apiVersion: v1
kind: Pod
metadata:
  name: web
spec:
  containers:
    - name: web
      image: registry.example/web:1.4.0
"""
AS_JSON = json.dumps({"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "web", "image": "web"}]}})
ON_ONE_LINE = POD.replace("\n", r"\n")
SERVICE = "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n"


def indented(text: str, by: str) -> str:
    """The text with this before each line."""
    return "".join(by + line for line in text.splitlines(keepends=True))


@pytest.mark.parametrize(
    "text",
    [
        POD,
        AS_JSON,
        f"---\n{POD}---\n",
        f"# a comment\n{POD}",
        f"kubectl apply -f - <<EOF\n{POD}EOF",
        f"kubectl apply -f - <<EOF\n{POD}EOF\n",
        f"cat <<'EOF' | kubectl apply -f -\n{POD}EOF\necho done",
        f'cat <<"EOF" | kubectl apply -f -\n{POD}EOF',
        f"cat <<\\EOF | kubectl apply -f -\n{POD}EOF",
        f"set -e\nkubectl apply -f - <<-EOF\n{indented(POD, chr(9))}\tEOF\nkubectl rollout status deploy/web",
        f"kubectl apply -f - <<EOF && echo 'all is well'\n{POD}EOF",
        f"if true; then\nkubectl apply -f - <<EOF\n{POD}EOF\nfi",
        f"kubectl apply -f - <<EOF\n{AS_JSON}\nEOF",
        f"echo '{POD}' | kubectl apply -f -",
        f'echo "{POD}" | kubectl apply -f -',
        f"echo '{AS_JSON}' | kubectl apply -f -",
        f"echo {json.dumps(AS_JSON)} | kubectl apply -f -",
        f"printf '{ON_ONE_LINE}' | kubectl apply -f -",
        f'echo -e "{ON_ONE_LINE}" | kubectl apply -f -',
        f"kubectl apply -f - <<< '{AS_JSON}'",
        f"kubectl apply -f - <<< $'{ON_ONE_LINE}'",
        f"ssh host bash <<'OUTER'\nkubectl apply -f - <<EOF\n{POD}EOF\nOUTER",
        f"bash -c 'kubectl apply -f - <<EOF\n{POD}EOF\n'",
        f"python3 -c 'import client; client.create({AS_JSON})'",
        f"client.create({AS_JSON})",
        json.dumps({"manifests": [POD]}),
        json.dumps({"values": {"deeper": [{"text": AS_JSON}]}}),
        f"write_files:\n- path: /etc/kubernetes/manifests/web.yaml\n  content: |\n{indented(POD, '    ')}",
        f"echo don't worry; kubectl apply -f - <<EOF\n{POD}EOF",
    ],
)
def test_a_pod_is_found_in_every_way_to_write_it_down(text: str) -> None:
    found = objects_in(text)
    assert [item["kind"] for item in found.objects] == ["Pod"]
    assert not found.unreadable


def test_a_text_that_nobody_would_write_takes_no_time_and_is_not_read() -> None:
    repeated = "a: &a [x, x]\n" + "".join(
        f"{c}: &{c} [{', '.join([f'*{b}'] * 9)}]\n" for b, c in pairwise("abcdefghijk")
    )
    assert [item["kind"] for item in objects_in(f"{repeated}pod: {AS_JSON}").objects] == ["Pod"]
    assert objects_in('{"apiVersion": "v1", "kind": "Pod", "spec": ' + "[" * 100_000).unreadable
    nested = '{"a":' * 400 + AS_JSON + "}" * 400
    assert objects_in(f"x = {nested}").objects or objects_in(f"x = {nested}").unreadable
    assert not objects_in("cout << EOF;\n" * 20_000 + "apiVersion: v1").objects


def test_each_document_and_each_command_counts() -> None:
    text = f"kubectl apply -f - <<EOF\n{POD}---\n{SERVICE}EOF\nkubectl apply -f - <<END\n{POD}END\n"
    assert [item["kind"] for item in objects_in(text).objects] == ["Pod", "Service", "Pod"]


def test_a_list_in_a_text_gives_its_items() -> None:
    assert [item["kind"] for item in objects_in(f"[{AS_JSON}, {AS_JSON}]").objects] == ["Pod", "Pod"]


@pytest.mark.parametrize(
    ("mark", "image"), [("EOF", "registry.example/web@sha256:1"), ("'EOF'", "$REPOSITORY@${DIGEST}")]
)
def test_a_shells_variables_are_put_in_where_the_shell_would(mark: str, image: str) -> None:
    document = POD.replace("registry.example/web:1.4.0", "$REPOSITORY@${DIGEST}")
    variables = (("REPOSITORY", "registry.example/web"), ("DIGEST", "sha256:1"))
    (pod,) = objects_in(f"kubectl apply -f - <<{mark}\n{document}EOF", variables).objects
    assert pod["spec"]["containers"][0]["image"] == image


def test_a_variable_that_is_not_known_stays_as_it_is_written() -> None:
    (pod,) = objects_in(f"kubectl apply -f - <<EOF\n{POD.replace('registry.example/web:1.4.0', '$IMAGE')}EOF").objects
    assert pod["spec"]["containers"][0]["image"] == "$IMAGE"


@pytest.mark.parametrize(
    "text",
    [
        POD.replace("registry.example/web:1.4.0", "{{ .Values.image }}"),
        f"kubectl apply -f - <<EOF\n{POD}  broken: [\nEOF",
        f"kubectl apply -f - <<EOF\n{POD}EOF\nkubectl apply -f - <<EOF\n{POD}  broken: [\nEOF\n",
        '{"apiVersion": "v1", "kind": "Pod", "spec": ',
        "{{ if .Values.enabled }}\napiVersion: argoproj.io/v1alpha1\nkind: Rollout\nspec: {containers: []}\n{{ end }}",
        f"kubectl apply -f - <<EOF\n{POD.replace('kind: Pod', 'kind: !Ref Pod')}EOF",
    ],
)
def test_what_runs_pods_and_cannot_be_read_is_reported(text: str) -> None:
    assert objects_in(text).unreadable


@pytest.mark.parametrize(
    "text",
    [
        "",
        "kubectl rollout restart deployment/web",
        "apiVersion: v1\nkind: ConfigMap\ndata: [",
        "# apiVersion: v1",
        "apiVersion: v1\nkind: Config\nclusters: []\n",
        "docker run --rm alpine",
        "version: '3'\nservices:\n  web:\n    image: web\n",
    ],
)
def test_what_runs_no_pods_is_let_alone(text: str) -> None:
    assert not objects_in(text).unreadable
    assert not [item for item in objects_in(text).objects if item["kind"] == "Pod"]


@given(st.text(), st.text())
def test_no_text_whatever_ends_the_pack(before: str, after: str) -> None:
    objects_in(f"{before}\napiVersion: v1\nkind: Pod\n{after}")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("128Mi", 128 * 1024**2),
        ("1Gi", 1024**3),
        ("500M", 500e6),
        ("1e9", 1e9),
        ("100k", 100e3),
        ("500m", 0.5),
        ("0.25", 0.25),
        (".5", 0.5),
        (2.0, 2.0),
        (3, 3.0),
        ("0", 0.0),
        ("1E", 1e18),
        ("lots", None),
        ("", None),
        (None, None),
        (True, None),
        ("$MEMORY", None),
    ],
)
def test_quantities_are_those_of_kubernetes(text: object, number: float | None) -> None:
    assert quantity(text) == number


@pytest.mark.parametrize(
    ("command", "seen"),
    [
        ("kubectl run web --image=web", "kubectl run web starts a container that no manifest describes"),
        ("kubectl -n shop run web --image=web", "kubectl run web starts a container that no manifest describes"),
        (
            "kubectl create deployment web --image web",
            "kubectl create deployment starts a container that no manifest describes",
        ),
        ("kubectl create cronjob tick", "kubectl create cronjob starts a container that no manifest describes"),
        ("kubectl debug web -it", "kubectl debug web starts a container that no manifest describes"),
        (
            "kubectl set image deployment/web web=web:2",
            "kubectl set image changes a workload that no manifest here describes",
        ),
        (
            "kubectl patch deploy web -p '{}'",
            "kubectl patch deploy changes a workload that no manifest here describes",
        ),
        (
            "/usr/local/bin/kubectl apply -f https://example.com/all.yaml",
            "kubectl apply takes its objects from https://example.com/all.yaml",
        ),
        ("KUBECONFIG=x kubectl apply \\\n  --filename=deploy.yaml", "kubectl apply takes its objects from deploy.yaml"),
        ("kubectl apply -k overlays/dev", "kubectl apply takes its objects from overlays/dev"),
        (
            "ssh host bash <<EOF\nset -e\nkubectl run web --image=web\nEOF",
            "kubectl run web starts a container that no manifest describes",
        ),
        (
            f"ssh host bash <<'OUT'\nkubectl apply -f - <<EOF\n{POD}EOF\nkubectl run web --image=web\nOUT",
            "kubectl run web starts a container that no manifest describes",
        ),
        ("oc apply -fdeploy.yaml", "kubectl apply takes its objects from deploy.yaml"),
        (
            "oc set volume deploy/web --add --type=hostPath --path=/etc",
            "kubectl set volume changes a workload that no manifest here describes",
        ),
    ],
)
def test_a_workload_that_no_manifest_describes_is_seen(command: str, seen: str) -> None:
    assert [call.seen for call in calls(f"set -e; {command}")] == [seen]


@pytest.mark.parametrize("file", ["deploy.yaml", "overlays/dev"])
def test_a_file_of_the_project_is_no_more_than_advice(file: str) -> None:
    assert [call.sees for call in calls(f"kubectl apply -f {file}")] == [True]
    assert [call.sees for call in calls(f"kubectl apply -f http://example.com/{file}")] == [False]


@pytest.mark.parametrize(
    "command",
    [
        "kubectl get pods",
        "kubectl rollout status deployment/web",
        "kubectl create namespace shop",
        "kubectl create job --from=cronjob/tick tick-now",
        "kubectl patch service web -p '{}'",
        "kubectl delete -f deploy.yaml",
        f"kubectl apply -f - <<EOF\n{POD}EOF",
        f"cat <<EOF | kubectl apply -f -\n{POD}EOF",
        "echo my-kubectl run web",
        "./kubectl-tool run web",
        "kubectl set volume deploy/web --add --type=emptyDir",
        "kubectl create configmap web --from-file=a --dry-run=client -o yaml | kubectl apply -f -",
        "kustomize build . | kubectl diff -f -",
        "helm template shop ./shop",
        "helm upgrade --install shop ./shop --dry-run=server",
        "helm -n shop list",
        "helm plugin install diff",
        "helmfile diff",
        "apt-get install helm",
        "oc new-project shop",
    ],
)
def test_other_calls_of_kubectl_are_let_alone(command: str) -> None:
    assert not list(calls(command))
