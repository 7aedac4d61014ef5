"""What a command does with a container engine, past every resource that a rule could judge."""

from __future__ import annotations

import pytest

from judging.engine_commands import calls
from judging.rule import Rule
from rules.commands import RULES
from tests.policy.answers import Answer, answer, unknown
from tests.policy.kubernetes_pods import UNKNOWN

COMMAND, REMOTE = "command:local:Command", "command:remote:Command"
BY_NAME = {rule.name: rule for rule in RULES}
START, PRIVILEGED, ROOT = BY_NAME


def said(rule: str, text: str, key: str = "create", kind: str = COMMAND) -> list[str]:
    found = answer(BY_NAME[rule], kind, {key: text})
    assert not found.advice and not found.not_applicable
    return found.violations


@pytest.mark.parametrize(
    ("text", "call"),
    [
        ("docker run nginx", "docker run"),
        ("docker  run --privileged -v /:/host nginx", "docker run"),
        ("sudo /usr/bin/docker -H unix:///run/docker.sock run nginx", "docker run"),
        ("docker --context=far run nginx", "docker run"),
        ("docker container run nginx", "docker container run"),
        ("docker create nginx && docker start web", "docker create"),
        ("docker service create nginx", "docker service create"),
        ("docker service update --image nginx web", "docker service update"),
        ("docker compose -f a.yaml -p shop up -d", "docker compose up"),
        ("docker-compose -f a.yaml up -d", "docker-compose up"),
        ("docker stack deploy -c a.yaml shop", "docker stack deploy"),
        ("podman run nginx", "podman run"),
        ("podman play kube pod.yaml", "podman play kube"),
        ("podman kube play pod.yaml", "podman kube play"),
        ("nerdctl run nginx", "nerdctl run"),
        ("ctr -n k8s.io run registry.example/web web", "ctr run"),
        ("crictl runp pod.json", "crictl runp"),
        ("ctr c create registry.example/web web", "ctr c create"),
        ("ctr -n k8s.io t start web", "ctr t start"),
        ("docker compose watch", "docker compose watch"),
        ("docker compose -p shop scale web=3", "docker compose scale"),
        ("docker-compose scale web=3", "docker-compose scale"),
        ("podman-remote run nginx", "podman-remote run"),
        ("podman container clone web other", "podman container clone"),
        ("docker.io run nginx", "docker.io run"),
        ("docker.exe run nginx", "docker.exe run"),
        ("runc --root /run/runc run web", "runc run"),
        ("crun run web", "crun run"),
        ("apptainer run web.sif", "apptainer run"),
        ("apptainer exec docker://nginx sh", "apptainer exec"),
        ("singularity shell docker://nginx", "singularity shell"),
        ("docker service rollback web", "docker service rollback"),
        ("podman container runlabel install nginx", "podman container runlabel"),
        ("podman container restore --import x.tar", "podman container restore"),
        ("singularity instance start web.sif web", "singularity instance start"),
        ("lxc launch ubuntu:24.04 web", "lxc launch"),
        ("docker update --restart=always web", "docker update with --restart=always"),
        ("docker update --restart on-failure web", "docker update with --restart on-failure"),
        ("docker container update --memory-swap -1 web", "docker container update with --memory-swap -1"),
        ("podman update --pids-limit -1 web", "podman update with --pids-limit -1"),
        ("docker update --pids-limit=0 web", "docker update with --pids-limit=0"),
        ("ssh host 'docker run nginx'", "docker run"),
        ('sh -c "docker run nginx"', "docker run"),
        ("$(docker run nginx)", "docker run"),
        ("set -e; docker \\\n  run nginx", "docker run"),
        ("subprocess.run(['docker', 'run', 'nginx'])", "docker run"),
        ("curl --unix-socket /x http://d/v1.44/containers/create -d @c", "a request to the engine's API to create"),
    ],
)
def test_a_command_that_starts_a_container_is_a_violation(text: str, call: str) -> None:
    assert said(START, text) == [
        f"web (command:Command): create runs {call}; declare a Container or a Service of the docker provider "
        "[Slipway, policies verify with their own eyes]"
    ]


@pytest.mark.parametrize("key", ["create", "update", "delete", "stdin"])
@pytest.mark.parametrize("kind", [COMMAND, REMOTE])
def test_every_input_that_is_run_is_read(key: str, kind: str) -> None:
    assert len(said(START, "docker run nginx", key, kind)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "docker build -t a .",
        "docker pull nginx",
        "docker ps --filter name=run",
        "docker inspect run",
        "docker network create shop",
        "docker volume create data",
        "docker context create far",
        "docker buildx create --name a",
        "docker image tag a b",
        "docker update --pids-limit 100 web",
        "docker start web",
        "docker exec web run",
        "docker compose down",
        "python -m steps.settle --docker unix:///var/run/docker.sock --container run",
        "PYTHONPATH=/opt/slipway python -P -m steps.settle --docker unix:///var/run/docker.sock --container run",
        "# docker run nginx",
        "docker run --help",
        "docker compose up --help",
        "mydocker run",
        "docker update --restart=unless-stopped web",
        "docker update --restart=on-failure:5 --memory 1g --memory-swap 1g web",
        "apt-get install -y docker.io containerd",
        "buildah run web make",
        "lxc network create shop",
        "ctr c ls",
        "docker compose ps",
        "kubectl run web",
    ],
)
def test_a_command_that_starts_no_container_is_fine(text: str) -> None:
    assert said(START, text) == []


@pytest.mark.parametrize(
    "text",
    [
        "docker exec --privileged web sh",
        "docker exec -it --privileged web sh",
        "docker exec --privileged=true web sh",
        "docker exec -e A=b --privileged web",
        "docker container exec --privileged web sh",
        "podman exec --privileged web sh",
    ],
)
def test_a_privileged_exec_is_a_violation(text: str) -> None:
    call = "podman exec" if "podman" in text else "docker container exec" if "container" in text else "docker exec"
    assert said(PRIVILEGED, text) == [
        f"web (command:Command): create runs {call} with --privileged; leave it out [CIS Docker Benchmark 1.6, 5.23]"
    ]


@pytest.mark.parametrize(
    "text", ["docker exec web sh", "docker exec web mount --privileged", "docker exec --privileged=false web sh"]
)
def test_another_exec_is_fine(text: str) -> None:
    assert said(PRIVILEGED, text) == []
    assert said(ROOT, text) == []


@pytest.mark.parametrize(
    ("options", "user"),
    [
        ("-u root", "root"),
        ("--user root", "root"),
        ("--user=0", "0"),
        ("-u0", "0"),
        ("-u=0", "0"),
        ("-itu 0:0", "0:0"),
        ("-it -u root:app", "root:app"),
        ("-e A=b -u 00", "00"),
    ],
)
def test_an_exec_as_root_is_a_violation(options: str, user: str) -> None:
    assert said(ROOT, f"docker exec {options} web sh") == [
        f"web (command:Command): create runs docker exec as {user}; leave --user out, or name the container's own "
        "[CIS Docker Benchmark 1.6, 5.24]"
    ]


@pytest.mark.parametrize("options", ["-u app", "--user=1000", "-it", "-e USER=root", "-w /root"])
def test_an_exec_as_somebody_else_is_fine(options: str) -> None:
    assert said(ROOT, f"docker exec {options} web id -u root") == []


@pytest.mark.parametrize("rule", RULES, ids=lambda it: it.name)
def test_an_unknown_input_is_an_advisory_with_its_path(rule: Rule) -> None:
    found = answer(rule, COMMAND, {"create": "true", "update": UNKNOWN})
    assert found == Answer([], [unknown(rule, "update")], [])


def test_a_known_input_is_judged_beside_an_unknown_one() -> None:
    found = answer(BY_NAME[START], COMMAND, {"create": UNKNOWN, "update": "docker run nginx"})
    assert len(found.violations) == 1


def interpreted(rule: str, interpreter: list[str], command: str, key: str = "create") -> list[str]:
    """What a rule sees in a command with an interpreter, without what to write instead."""
    found = answer(BY_NAME[rule], COMMAND, {key: command, "interpreter": interpreter})
    assert not found.advice and not found.not_applicable
    return [text.removeprefix("web (command:Command): ").partition(";")[0] for text in found.violations]


@pytest.mark.parametrize("key", ["create", "update", "delete"])
@pytest.mark.parametrize(
    ("interpreter", "command", "call"),
    [
        (["docker", "run", "--privileged", "IMG", "sh", "-c"], "make site", "docker run"),
        (["sudo", "/usr/bin/podman", "run", "--rm", "IMG", "python", "-c"], "print(1)", "podman run"),
        (["docker", "compose", "-f", "a.yaml"], "up", "docker compose up"),
        (["ssh", "host", "docker"], "run nginx", "docker run"),
        (["docker", "run", "IMG", "sh", "-c"], "# build\nmake site", "docker run"),
    ],
)
def test_an_interpreter_that_starts_a_container_is_a_violation(
    interpreter: list[str], command: str, call: str, key: str
) -> None:
    assert interpreted(START, interpreter, command, key) == [f"interpreter with {key} runs {call}"]


def test_what_an_interpreter_and_its_script_do_is_told_of_both() -> None:
    interpreter = ["docker", "exec", "-u", "root", "web", "sh", "-c"]
    assert interpreted(ROOT, interpreter, "docker exec -u 0 other sh") == [
        "create runs docker exec as 0",
        "interpreter with create runs docker exec as root",
    ]
    privileged = ["docker", "exec", "--privileged", "web", "sh", "-c"]
    assert interpreted(PRIVILEGED, privileged, "make") == ["interpreter with create runs docker exec with --privileged"]


@pytest.mark.parametrize(
    "interpreter", [["/bin/sh", "-c"], ["/bin/bash", "-c"], ["bash", "-e", "-c"], ["ssh", "host"], ["python3", "-c"]]
)
def test_an_interpreter_that_adds_nothing_changes_nothing(interpreter: list[str]) -> None:
    assert interpreted(START, interpreter, "docker run nginx") == ["create runs docker run"]
    assert interpreted(START, interpreter, "# docker run nginx\ntrue") == []


def test_an_interpreter_without_a_command_runs_nothing() -> None:
    properties = {"interpreter": ["docker", "run", "nginx"], "stdin": "x"}
    assert answer(BY_NAME[START], COMMAND, properties).nothing


def test_an_unknown_word_of_an_interpreter_hides_nothing() -> None:
    found = answer(BY_NAME[START], COMMAND, {"create": "make", "interpreter": ["docker", "run", UNKNOWN, "sh", "-c"]})
    assert len(found.violations) == 1
    assert found.advice == [unknown(BY_NAME[START], "interpreter.2")]
    found = answer(BY_NAME[START], COMMAND, {"create": "docker run nginx", "interpreter": UNKNOWN})
    assert len(found.violations) == 1
    assert len(found.advice) == 1 and ".interpreter can't be known" in found.advice[0]


def test_another_resource_is_not_read_as_a_command() -> None:
    for rule in RULES:
        assert answer(rule, "docker:index/container:Container", {"create": "docker run nginx"}).nothing


def test_a_long_text_is_read_quickly() -> None:
    assert list(calls("docker/" * 20000 + " ../" * 20000 + "docker -" * 20000)) is not None
