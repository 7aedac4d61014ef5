"""Paths of a host that no container may reach, however they are spelled.

A path is compared after it has been resolved: slashes, dots, `..`, the links of common systems, the drives and pipes of
Windows, a scheme in front, upper case (macOS and Windows do not tell it apart). Reading is enough to be a problem: keys
lie under /etc and /root, and what /proc and /run tell leads to the rest. So is a parent: it holds the sensitive path.

Sources: CIS Docker Benchmark 1.6, 5.6 and 5.32, which compare exact paths only; the Filesystem Hierarchy Standard 3.0.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache

SENSITIVE = (
    "/bin", "/boot", "/dev", "/efi", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/root", "/sbin", "/sys",
    "/usr", "/run/containerd", "/run/containers", "/run/credentials", "/run/crio", "/run/dbus", "/run/docker",
    "/run/k3s", "/run/libvirt", "/run/netns", "/run/podman", "/run/snapd", "/run/systemd", "/run/udev", "/run/user",
    "/opt/cni", "/opt/containerd", "/var/backups", "/var/lib/buildkit", "/var/lib/cloud", "/var/lib/containerd",
    "/var/lib/containers", "/var/lib/crio", "/var/lib/dhcp", "/var/lib/docker", "/var/lib/dpkg", "/var/lib/etcd",
    "/var/lib/k0s", "/var/lib/kubelet", "/var/lib/lxc", "/var/lib/lxd", "/var/lib/minikube", "/var/lib/pam",
    "/var/lib/rancher", "/var/lib/rpm",
    "/var/lib/snapd", "/var/lib/sss", "/var/lib/systemd", "/var/log", "/var/mail", "/var/snap", "/var/spool",
    "c:/programdata", "c:/windows",
)  # fmt: skip
"""Where systems and engines keep what runs the host; what lies below them counts, too."""
_SECRETS = "/var/lib/slipway/secrets"
"""Where Slipway keeps the secret files of services, by stack and service; each service mounts its own."""
HOMES = ("/home", "/users", "c:/users", "/var/home")
"""A person's own folder is sensitive as a whole, for the keys in it; a project inside of it is not."""
CREDENTIALS = frozenset(
    {
        ".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".password-store", ".netrc", ".git-credentials",
        ".npmrc", ".pypirc", ".vault-token", ".pulumi", ".bash_history", "id_rsa", "id_ed25519", "id_ecdsa",
        ".pgpass", ".my.cnf", ".terraform.d",
    }
)  # fmt: skip
"""Files and folders that hold credentials, wherever they lie."""
BELOW_A_HOME = (
    ".config/gcloud", ".config/gh", ".config/containers", ".config/sops", ".cargo/credentials",
    ".cargo/credentials.toml", ".m2/settings.xml", ".local/share/containers", ".local/share/docker",
)  # fmt: skip
"""The same, and what a person's own engine runs, where the last name alone says too little."""
ENGINES = (
    r"docker|dockershim|cri-dockerd|containerd|podman|crio|cri-o|buildkitd?|balena|balena-engine|nerdctl|k3s|lxd|incus"
)
SOCKET = re.compile(rf"(?:.*[/.-])?(?:{ENGINES})(?:[.-]\w+)*\.sock(?:et)?(?:\.raw|\.ttrpc)?|(?:.*/)?unix\.socket")
PIPE = re.compile(r"/\./pipe/(?:.*(?:docker|containerd|podman).*)?")
ROOTLESS = re.compile(
    r"/run/user(?:/\d+)?(?:/(?:docker|podman|containerd)[^/]*)?|.*/\.(?:docker|colima|lima|rd|orbstack)(?:/[^/]+)?"
)
"""Folders in which the engine of a single person listens."""
SOCKETS = (
    "/run/docker.sock", "/run/containerd/containerd.sock", "/run/podman/podman.sock", "/run/crio/crio.sock",
    "/run/cri-dockerd.sock", "/run/dockershim.sock", "/run/buildkit/buildkitd.sock",
    "/run/k3s/containerd/containerd.sock", "/run/docker/containerd/containerd.sock", "/run/balena-engine.sock",
    "/run/host-services/docker.proxy.sock", "/var/lib/lxd/unix.socket", "/var/lib/incus/unix.socket",
    "/var/snap/lxd/common/lxd/unix.socket",
)  # fmt: skip
"""Where engines listen by default; a folder above one of them reaches it."""
LINKS = {
    "/var/run": "/run",
    "/var/lock": "/run/lock",
    "/private/etc": "/etc",
    "/private/var": "/var",
    "/private/tmp": "/tmp",
    "/proc/self/root": "/",
    "/proc/thread-self/root": "/",
    "/proc/1/root": "/",
    "/host_mnt": "/",
    "/run/desktop/mnt/host": "/",
    "/mnt/host": "/",
    "/sysroot": "/",
    "/volumes/macintosh hd": "/",
}
"""Names that are links on common systems, or where Docker Desktop shows the host."""
_SYSTEM_DRIVE = re.compile(r"/(?:(?:mnt|cygdrive)/c(?=/|$)|c(?=/.))(?P<below>/.*)?")
"""Where WSL and Docker Desktop show the drive of Windows itself: `/mnt/c`, `//c/Windows`; `/c` may be any folder."""
_SCHEME = re.compile(r"(?:unix|file|npipe|bind)://", re.IGNORECASE)
_DRIVE = re.compile(r"/*(?P<letter>[a-z]):(?=/|$)")
_PIPE = re.compile(r"//+[.?]/+pipe(?=/|$)")
_HOME = re.compile(r"~\w*|\$\{?home\}?|%userprofile%|\$\{?userprofile\}?", re.IGNORECASE)


@dataclass(frozen=True)
class Finding:
    """Why a path is sensitive: it `is`, `lies below` or `holds` a place that no container may reach."""

    relation: str
    place: str

    def __str__(self) -> str:
        return f"{self.relation} {self.place}"


@lru_cache(maxsize=4096)
def resolved(path: str) -> str:
    """One spelling for a path of the host: absolute, lower case, with single slashes, without dots and links."""
    text = _SCHEME.sub("", path.strip(), count=1).replace("\\", "/").lower()
    if pipe := _PIPE.match(text):
        return f"/./pipe/{text[pipe.end() :].strip('/')}"
    if home := _HOME.match(text):
        text = f"/home/someone{text[home.end() :]}"
    drive = _DRIVE.match(text)
    if drive:
        return _walk(text[drive.end() :], f"{drive['letter']}:")
    walked = _walk(text, "")
    system = _SYSTEM_DRIVE.fullmatch(walked)
    return f"c:{system['below'] or '/'}" if system else walked


def _walk(text: str, prefix: str) -> str:
    """Resolve step by step, as the kernel does: what a link stands for decides where `..` leads."""
    current: list[str] = []
    for part in text.split("/"):
        if part in ("", "."):
            continue
        if part == "..":
            del current[-1:]
            continue
        current.append(part)
        link = LINKS.get(prefix + "/" + "/".join(current))
        if link is not None:
            current = [it for it in link.split("/") if it]
    return f"{prefix}/{'/'.join(current)}"


def lexical(path: str) -> str:
    """Like `resolved`, but `..` takes the name before it away first, as engines clean a path before they use it."""
    parts: list[str] = []
    for part in path.strip().replace("\\", "/").split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    absolute = path.strip().replace("\\", "/").startswith("//")
    return resolved(path) if absolute or "://" in path else resolved("/".join(["", *parts]))


def spellings(path: str) -> tuple[str, ...]:
    """What a path may stand for, by either way to read `..`."""
    return tuple(dict.fromkeys((resolved(path), lexical(path))))


def sensitive(path: str, allowed: tuple[str, ...] = ()) -> Finding | None:
    """Why a container may not reach a path of the host; None where it may.

    Args:
        path: as it was written.
        allowed: globs of resolved paths that are fine all the same.
    """
    for place in spellings(path) if path.strip() else ():
        finding = _sensitive(place)
        if finding and not _is_allowed(place, path, allowed):
            return finding
    return None


def _is_allowed(place: str, written: str, allowed: tuple[str, ...]) -> bool:
    """Whether a place is on the list, as it was resolved or as it was written; what goes up may lead anywhere."""
    names = (place,) if ".." in written else (place, written.strip().lower().rstrip("/") or "/")
    return any(fnmatchcase(name, glob.lower()) for name in names for glob in allowed)


def _sensitive(path: str) -> Finding | None:
    if re.fullmatch(r"(?:[a-z]:)?/", path):
        return Finding("is", "the root of the host")
    for place in SENSITIVE:
        if path == place:
            return Finding("is", place)
        if path.startswith(f"{place}/"):
            return Finding("lies below", place)
    held = next((place for place in SENSITIVE if place.startswith(f"{path}/")), None)
    if held:
        return Finding("holds", held)
    if f"{_SECRETS}/".startswith(f"{path}/") or re.fullmatch(rf"{_SECRETS}(?:/[^/]+){{1,2}}", path):
        return Finding("holds", "the secrets of services")
    return next(_personal(path), None)


def _personal(path: str) -> Iterator[Finding]:
    """Folders of people, and credentials wherever they lie."""
    parts = path.split("/")
    for home in HOMES:
        if path == home or path.rpartition("/")[0] == home:
            yield Finding("holds", "the keys of a person")
    for part in parts:
        if part in CREDENTIALS:
            yield Finding("reaches", part)
    for folder in BELOW_A_HOME:
        if f"/{folder}/" in f"{path}/":
            yield Finding("reaches", folder)
    if parts[-1] in (".config", ".m2", ".cargo"):
        yield Finding("holds", "the credentials of programs")
    if path.startswith("/./pipe"):
        yield Finding("is", "a named pipe of the host")


def socket(path: str) -> str | None:
    """The socket of a container engine that a path is or reaches; None where there is none."""
    for place in spellings(path) if path.strip() else ():
        if SOCKET.fullmatch(place) or PIPE.fullmatch(place):
            return place
        if ROOTLESS.fullmatch(place):
            return f"{place}/docker.sock"
        for known in SOCKETS:
            if place == "/" or known.startswith(f"{place}/"):
                return known
    return None
