"""What a shell makes of a command, as far as those who look for calls in it need to know."""

from __future__ import annotations

import time

import pytest

from judging.engine_commands import NAMED, calls
from judging.push_commands import pushes_in
from judging.shell_text import with_values, without_asides


def engine(text: str) -> list[str]:
    """What engines are called for in a command."""
    return [str(call) for call in calls(text) if call.starts]


def roots(text: str) -> list[str | None]:
    """The user of each call of exec."""
    return [call.option("--user", "u") for call in calls(text) if call.executes]


def pushed(text: str) -> list[str]:
    """The names that a command pushes."""
    return [push.name for push in pushes_in(text, "create")]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("push web # to the quarantine", "push web  "),
        ("# push web\npull web", " \npull web"),
        ("push web > /dev/null 2>&1", "push web    "),
        ("push web >>push.log </dev/null", "push web    "),
        ("push 'a # b' \"c > d\" e#f", "push 'a # b' \"c > d\" e#f"),
        ("cat <<EOF | sh", "cat <<EOF | sh"),
        ("diff <(a) <(b)", "diff <(a) <(b)"),
        ("push it\\'s # x", "push it\\'s  "),
    ],
)
def test_comments_and_redirections_are_left_out(text: str, left: str) -> None:
    assert without_asides(text, NAMED.search).split() == left.split()


@pytest.mark.parametrize(
    "command",
    [
        'docker exec -e "MSG=hello world" -u root web id',
        "docker exec -e 'A=1;2' -u root web id",
        'docker exec -e "U=http://x/?a=1&b=2" --user root web id',
        'docker exec -w "/my dir" -u root web id',
        "docker exec -e NOW=$(date) -u root web id",
        "docker exec -e NOW=`date -u` -u root web id",
        "docker compose exec --index 2 -u root web id",
        "podman exec --cidfile f -u root id",
        "sh -c \"docker exec -e 'MSG=hello world' -u root web id\"",
        'docker exec -e A="b" -u root web id',
        'docker exec --env PGPASSWORD="$PW" -u root db psql',
        "docker exec -e 'J={\"a\": 1}' -u root web id",
        "docker exec -e P='#' -u root web id",
        "docker exec -e '' -w \"\" -u root web id",
        'ID=$(docker exec -e "A=b c" -u root web id)',
    ],
)
def test_a_value_with_blanks_hides_no_option_of_exec(command: str) -> None:
    assert "root" in roots(command)


@pytest.mark.parametrize(
    "command",
    [
        'docker --config "/my dir" run nginx',
        'docker -c "my ctx" run nginx',
        "podman --runtime crun run nginx",
        "podman -r run nginx",
        "crictl -t 10s run container.json pod.json",
        "docker 2>/dev/null run nginx",
        "DOCKER=docker; $DOCKER run nginx",
        "DOCKER=/usr/bin/docker && ${DOCKER} run nginx",
        "${DOCKER:-docker} run nginx",
    ],
)
def test_a_call_is_found_behind_options_and_variables(command: str) -> None:
    [call] = engine(command)
    assert call.endswith(" run")


def test_a_compose_file_may_have_a_blank_in_its_name() -> None:
    assert engine('docker compose -f "a b.yml" up -d') == ["docker compose up"]


@pytest.mark.parametrize(
    "command",
    [
        "true # docker run nginx",
        "# docker run nginx",
        "docker volume create data",
        "docker volume create --opt o=size=1m v",
        "docker volume create --label device=x v",
        "docker volume create --opt type=nfs --opt device=:/x v",
    ],
)
def test_what_starts_nothing_is_fine(command: str) -> None:
    assert engine(command) == []


def test_a_volume_that_is_a_path_of_the_host_comes_from_a_resource() -> None:
    command = "docker volume create --opt type=none --opt device=/ --opt o=bind v"
    assert engine(command) == ["docker volume create"]


@pytest.mark.parametrize("call", ["docker run nginx", "docker exec -u root web id", "docker update -m -1 web"])
@pytest.mark.parametrize(
    "around",
    [
        '[1].forEach(n => execSync("{}"))',
        '$ssh->cmd("{}")',
        "cat <<EOF | it\n<command>{}</command>\nEOF",
        "true # see C:\\x\\\n{}",
        "# note \\\n{}",
        "cat <<EOF >motd\nDon't panic\nEOF\necho 'step # 1'; {}",
        "cat <<EOF >motd\nDon't panic\nEOF\necho 'a>b'; {}; echo 'c'",
        "echo $'it\\'s'; echo 'a # b'; {}",
        "// don't\necho 'a # b'; {}",
        "true;# it's\necho 'a # b'; {}",
        "REM don't\necho 'a > b'; {}",
        "ssh host '{}'",
        'ssh host "{}" # now',
        "if true; then\n  {}\nfi > log",
        "sudo sh -c '{}' 2>/dev/null",
        "bash <<'EOF'\n{}\nEOF",
        "bash <<< '{}'",
        "x=$({})",
        "x=`{}`",
        "({})",
        'echo "it\'s"; {}',
    ],
)
def test_a_call_is_found_whatever_stands_around_it(around: str, call: str) -> None:
    def facts(text: str) -> set[tuple[str | None, ...]]:
        return {it.said for it in calls(text)}

    assert facts(around.format(call)) >= facts(call)


@pytest.mark.parametrize(
    "command",
    [
        "Start-Process docker -ArgumentList 'run --privileged nginx'",
        "ssh host docker 'run --privileged nginx'",
        'eval docker "run nginx"',
        "spawn('docker', 'run -d nginx'.split(' '))",
    ],
)
def test_a_call_whose_arguments_are_one_text_is_found(command: str) -> None:
    assert engine(command) == ["docker run"]


def test_one_call_is_told_once() -> None:
    assert engine("sh -c 'docker run \"nginx\"'") == ["docker run"]


@pytest.mark.parametrize(
    ("command", "names"),
    [
        ("true # C:\\x\\\ndocker push registry.example/web", ["registry.example/web"]),
        ("# note \\\ndocker push registry.example/web", ["registry.example/web"]),
        ("node -e '() => x'; docker push registry.example/web", ["registry.example/web"]),
        ("ctr i push --plain-http registry.example/web local/web", ["registry.example/web"]),
        ("podman -r push registry.example/web", ["registry.example/web"]),
        ("podman push oci:latest", ["oci:latest"]),
        ("docker push registry.example/web # from quarantine.example/web", ["registry.example/web"]),
        ("docker push quarantine.example/web:1 > /dev/null 2>&1", ["quarantine.example/web:1"]),
        ("docker push quarantine.example/web:1 2>/dev/null", ["quarantine.example/web:1"]),
        ("docker push quarantine.example/web:1 # push it", ["quarantine.example/web:1"]),
        ("# docker push registry.example/web", []),
        ("finch push registry.example/web", ["registry.example/web"]),
        ("podman-remote push web registry.example/web", ["registry.example/web"]),
        ("docker.exe push registry.example/web", ["registry.example/web"]),
        ("ctr images push registry.example/web", ["registry.example/web"]),
        ("ctr -n k8s.io i push registry.example/web quarantine.example/web", ["registry.example/web"]),
        ("docker buildx build --push=TRUE -t registry.example/web .", ["registry.example/web"]),
        ("docker buildx build --cache-to type=registry,ref=registry.example/cache .", ["registry.example/cache"]),
        ("buildctl build --export-cache type=registry,ref=registry.example/cache", ["registry.example/cache"]),
        ("docker buildx build --cache-to type=local,dest=cache .", []),
        ("podman push web oci-archive:web.tar", []),
        ("buildah push web dir:/tmp/web", []),
        ("skopeo copy oci:web oci:other", []),
        ("skopeo copy docker-daemon:web:1 docker-archive:web.tar", []),
        ("skopeo copy docker-daemon:web:1 docker://registry.example/web", ["registry.example/web"]),
        ("docker push dir:1", ["dir:1"]),
    ],
)
def test_what_is_pushed_is_the_operand(command: str, names: list[str]) -> None:
    assert pushed(command) == names


@pytest.mark.parametrize(
    "text",
    [
        "'" * 50_001,
        '"\\' * 50_000,
        "$(" * 50_000,
        "> " * 50_000,
        "a=docker;" * 20_000 + "$a run " * 20_000,
        "".join(f"a{number}=docker;" for number in range(10_000)),
        "docker '" * 5_000,
    ],
    ids=["quotes", "escapes", "substitutions", "redirections", "variables", "names", "calls"],
)
def test_a_long_text_takes_no_long_time(text: str) -> None:
    start = time.monotonic()
    without_asides(text, NAMED.search)
    with_values(text, "docker")
    calls(text)
    assert time.monotonic() - start < 5
