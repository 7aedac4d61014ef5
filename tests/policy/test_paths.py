"""Paths of the host that no container may reach, in every spelling that leads to one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judging.paths import LINKS, SENSITIVE, SOCKETS, resolved, sensitive, socket

BELOW = "lies below"
FINE = [
    "/srv/shop",
    "/srv/etc",
    "/data",
    "/opt/shop/config",
    "/var/lib/slipway/secrets/dev/web/key",
    "/var/lib/shop",
    "/var/www",
    "/home/ada/shop",
    "/mnt/disk",
    "/tmp/shop",
    "/etcetera",
    "/devices",
    "/usrlocal",
    "/runner",
    "/var/logistics",
    "/var/libre",
    "/srv/docker",
    "/srv/docker.sock.d/file",
    "/srv/../srv/shop",
    "C:/shop",
    "/home/ada/sshd",
    "/home/ada/.config/shop",
    "/home/ada/.cargo/registry",
    "/run/shop",
    "",
]


@pytest.mark.parametrize("path", FINE)
def test_a_folder_of_a_service_is_fine(path: str) -> None:
    assert sensitive(path) is None
    assert socket(path) is None


@pytest.mark.parametrize(
    ("path", "finding"),
    [
        ("/", "is the root of the host"),
        ("//", "is the root of the host"),
        ("/.", "is the root of the host"),
        ("/srv/..", "is the root of the host"),
        ("/srv/../../..", "is the root of the host"),
        ("/etc", "is /etc"),
        ("/etc/", "is /etc"),
        ("//etc", "is /etc"),
        ("/./etc/.", "is /etc"),
        ("/srv/../etc", "is /etc"),
        ("/ETC", "is /etc"),
        ("/etc/shadow", "lies below /etc"),
        ("/etc/ssl/certs", "lies below /etc"),
        ("/var", "holds /var/backups"),
        ("/var/lib", "holds /var/lib/buildkit"),
        ("/run", "holds /run/containerd"),
        ("/var/run", "holds /run/containerd"),
        ("/var/run/", "holds /run/containerd"),
        ("/var/run/docker", "is /run/docker"),
        ("/var/run/user/1000", "lies below /run/user"),
        ("/var/lib/docker/volumes/other/_data", "lies below /var/lib/docker"),
        ("/var/lib/kubelet/pods", "lies below /var/lib/kubelet"),
        ("/proc/1/root/etc", "is /etc"),
        ("/proc/self/root", "is the root of the host"),
        ("/proc/sys/kernel", "lies below /proc"),
        ("/sys/fs/cgroup", "lies below /sys"),
        ("/dev/sda1", "lies below /dev"),
        ("/boot", "is /boot"),
        ("/lib/modules", "lies below /lib"),
        ("/usr/bin", "lies below /usr"),
        ("/root/.ssh", "lies below /root"),
        ("/home", "holds the keys of a person"),
        ("/home/ada", "holds the keys of a person"),
        ("~", "holds the keys of a person"),
        ("$HOME", "holds the keys of a person"),
        ("${HOME}/.aws/credentials", "reaches .aws"),
        ("~ada/.ssh/id_rsa", "reaches .ssh"),
        ("/home/ada/.kube/config", "reaches .kube"),
        ("/srv/backup/.ssh", "reaches .ssh"),
        ("/home/ada/.config/gcloud", "reaches .config/gcloud"),
        ("/home/ada/.config", "holds the credentials of programs"),
        ("/home/ada/.config/gh/hosts.yml", "reaches .config/gh"),
        ("/home/ada/.m2/settings.xml", "reaches .m2/settings.xml"),
        ("/home/ada/.local/share/docker", "reaches .local/share/docker"),
        ("/home/ada/.pgpass", "reaches .pgpass"),
        ("/var/run/libvirt/libvirt-sock", "lies below /run/libvirt"),
        ("/private/etc", "is /etc"),
        ("/private/var/log", "is /var/log"),
        ("/host_mnt/etc", "is /etc"),
        ("C:\\Windows\\System32", "lies below c:/windows"),
        ("/host_mnt/c/Windows", "is c:/windows"),
        ("/run/desktop/mnt/host/c/Windows/System32", "lies below c:/windows"),
        ("//c/ProgramData", "is c:/programdata"),
        ("/mnt/c/Users/ada", "holds the keys of a person"),
        ("/mnt/c", "is the root of the host"),
        ("/sysroot/etc", "is /etc"),
        ("/var/lib/slipway", "holds the secrets of services"),
        ("/var/lib/slipway/secrets", "holds the secrets of services"),
        ("/var/lib/slipway/secrets/organization.slipway.dev/web@web", "holds the secrets of services"),
        ("/Volumes/Macintosh HD/etc", "is /etc"),
        ("c:/", "is the root of the host"),
        ("C:\\", "is the root of the host"),
        ("/c:/Windows", "is c:/windows"),
        ("C:\\Users\\ada", "holds the keys of a person"),
        ("\\\\.\\pipe\\docker_engine", "is a named pipe of the host"),
        ("etc/passwd", "lies below /etc"),
        ("../../etc", "is /etc"),
        ("file:///etc", "is /etc"),
        ("/etc/../var/run", "holds /run/containerd"),
        ("/var/run/../etc", "is /etc"),
        (" /etc ", "is /etc"),
    ],
)
def test_a_sensitive_path_is_found(path: str, finding: str) -> None:
    assert str(sensitive(path)) == finding


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/var/run/docker.sock", "/run/docker.sock"),
        ("/run/docker.sock", "/run/docker.sock"),
        ("/run/docker.sock/", "/run/docker.sock"),
        ("//var//run/./docker.sock", "/run/docker.sock"),
        ("/var/lib/../run/docker.sock", "/run/docker.sock"),
        ("/VAR/RUN/DOCKER.SOCK", "/run/docker.sock"),
        ("unix:///var/run/docker.sock", "/run/docker.sock"),
        ("/var/run/docker.sock.raw", "/run/docker.sock.raw"),
        ("/run/user/1000/docker.sock", "/run/user/1000/docker.sock"),
        ("/run/user/1000/podman/podman.sock", "/run/user/1000/podman/podman.sock"),
        ("/run/user/1000", "/run/user/1000/docker.sock"),
        ("/run/containerd/containerd.sock", "/run/containerd/containerd.sock"),
        ("/run/containerd", "/run/containerd/containerd.sock"),
        ("/run/k3s/containerd/containerd.sock", "/run/k3s/containerd/containerd.sock"),
        ("/var/run/crio/crio.sock", "/run/crio/crio.sock"),
        ("/run/podman", "/run/podman/podman.sock"),
        ("/srv/proxy/docker.sock", "/srv/proxy/docker.sock"),
        ("/srv/docker-rootless.sock", "/srv/docker-rootless.sock"),
        ("/home/ada/.docker/run/docker.sock", "/home/ada/.docker/run/docker.sock"),
        ("/home/ada/.docker/desktop", "/home/ada/.docker/desktop/docker.sock"),
        ("/home/ada/.colima/default", "/home/ada/.colima/default/docker.sock"),
        ("$XDG_RUNTIME_DIR/docker.sock", "/$xdg_runtime_dir/docker.sock"),
        ("/", "/run/docker.sock"),
        ("/run", "/run/docker.sock"),
        ("/var", "/var/lib/lxd/unix.socket"),
        ("/proc/1/root/run/docker.sock", "/run/docker.sock"),
        ("//./pipe/docker_engine", "/./pipe/docker_engine"),
        ("\\\\.\\pipe\\docker_engine", "/./pipe/docker_engine"),
        ("npipe:////./pipe/docker_engine", "/./pipe/docker_engine"),
        ("/run/buildkit/buildkitd.sock", "/run/buildkit/buildkitd.sock"),
    ],
)
def test_the_socket_of_an_engine_is_found(path: str, found: str) -> None:
    assert socket(path) == found


@pytest.mark.parametrize(
    "path", ["/srv/shop.sock", "/run/postgresql/.s.PGSQL.5432", "/srv/docker.socks", "/run/php.sock"]
)
def test_the_socket_of_a_service_is_none_of_an_engine(path: str) -> None:
    assert socket(path) is None


NAMES = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_", min_size=1, max_size=8).map(lambda text: f"x{text}")
NOISE = st.sampled_from(["/", "//", "/./", "/.//"])


@st.composite
def spelled(draw: st.DrawFn, places: tuple[str, ...]) -> tuple[str, str]:
    """A place, and a spelling that leads to it."""
    place = draw(st.sampled_from(places))
    drive, _, rest = place.rpartition(":")
    parts = [part for part in rest.split("/") if part]
    text = f"{drive}:" if drive else ""
    for part in parts:
        text += draw(NOISE)
        for name in draw(st.lists(NAMES, max_size=2)):
            text += f"{name}/../"
        text += part.upper() if draw(st.booleans()) else part
    return place, text + draw(st.sampled_from(["", "/", "/.", "//", "/x/.."]))


@given(spelled(SENSITIVE))
def test_every_spelling_of_a_sensitive_path_is_found(case: tuple[str, str]) -> None:
    place, text = case
    assert str(sensitive(text)) == f"is {place}"


@given(spelled(SENSITIVE), st.lists(NAMES, min_size=1, max_size=3))
def test_whatever_lies_below_a_sensitive_path_is_found(case: tuple[str, str], names: list[str]) -> None:
    place, text = case
    assert sensitive(f"{text}/{'/'.join(names)}") is not None, place


@given(spelled(SENSITIVE), st.data())
def test_every_parent_of_a_sensitive_path_is_found(case: tuple[str, str], data: st.DataObject) -> None:
    place, _ = case
    parts = place.split("/")
    parent = "/".join(parts[: data.draw(st.integers(1, len(parts) - 1))]) or "/"
    assert sensitive(parent if parent.startswith(("/", "c")) else f"/{parent}") is not None


@given(spelled(SOCKETS))
def test_every_spelling_of_a_socket_is_found(case: tuple[str, str]) -> None:
    place, text = case
    assert socket(text) == place


@given(spelled(tuple(link for link in LINKS if not link.startswith(("/run", "/mnt", "/host")))))
def test_a_link_stands_for_what_it_leads_to(case: tuple[str, str]) -> None:
    link, text = case
    assert resolved(text) == LINKS[link]


@given(st.text(max_size=40))
def test_any_text_is_resolved_to_one_spelling(text: str) -> None:
    once = resolved(text)
    assert resolved(once) == once
    sensitive(text)
    socket(text)


@given(st.lists(NAMES, min_size=1, max_size=4))
def test_a_path_of_unknown_names_is_fine(names: list[str]) -> None:
    assert sensitive(f"/srv/{'/'.join(names)}") is None


def test_what_is_allowed_is_compared_after_it_is_resolved() -> None:
    assert sensitive("/etc/../etc//localtime", ("/etc/localtime",)) is None
    assert sensitive("/etc/ssl/certs", ("/etc/ssl/*",)) is None
    assert sensitive("/etc/shadow", ("/etc/localtime",)) is not None
    assert sensitive("/etc", ("/etc/*",)) is not None
