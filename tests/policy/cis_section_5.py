"""Section 5 of the CIS Docker Benchmark 1.6: our verdict on each control, and resources that keep or break it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.policy.compliant import COMMAND, CONTAINER, SERVICE

Changes = dict[str, Any]
SOCKET = "/var/run/docker.sock"


@dataclass(frozen=True)
class Control:
    """A control, the rules that decide it here, and resources that keep and break it.

    Without rules `verdict` says why no resource can break it; with rules it says where this pack differs from CIS.
    """

    number: str
    title: str
    rules: tuple[str, ...] = ()
    verdict: str = ""
    broken: tuple[Changes, ...] = ()
    kept: tuple[Changes, ...] = ()
    broken_services: tuple[Changes, ...] = ()
    kept_services: tuple[Changes, ...] = ()
    broken_commands: tuple[str, ...] = ()
    kept_commands: tuple[str, ...] = ()

    @property
    def cases(self) -> list[tuple[str, Changes, bool]]:
        """Every case: the type, the changes to a compliant resource, and whether it breaks the control."""
        return [
            *((CONTAINER, it, True) for it in self.broken),
            *((CONTAINER, it, False) for it in self.kept),
            *((SERVICE, it, True) for it in self.broken_services),
            *((SERVICE, it, False) for it in self.kept_services),
            *((COMMAND, {"create": it}, True) for it in self.broken_commands),
            *((COMMAND, {"create": it}, False) for it in self.kept_commands),
        ]


def options(*values: str) -> Changes:
    """A container with these security options."""
    return {"securityOpts": [*values]}


def bind(source: str, **more: Any) -> Changes:
    """A container that mounts a path of the host."""
    return {"mounts": [{"type": "bind", "source": source, "target": "/x", **more}]}


def volume(**entry: Any) -> Changes:
    """A container that mounts something by the older property."""
    return {"volumes": [{"containerPath": "/x", **entry}]}


def port(**entry: Any) -> Changes:
    """A container that publishes one port."""
    published = {"internal": 8080, "external": 8080, "ip": "127.0.0.1", **entry}
    return {"ports": [{key: value for key, value in published.items() if value is not ...}]}


def task_mount(source: str, **more: Any) -> Changes:
    """A service that mounts a path of its node."""
    return {"containerSpec.mounts": bind(source, **more)["mounts"]}


CONTROLS = (
    Control("5.1", "swarm mode is not enabled, if not needed", verdict="a matter of the engine, in no resource"),
    Control(
        "5.2",
        "an AppArmor profile is enabled",
        ("container-is-confined-by-apparmor",),
        "left out is fine: the engine applies docker-default wherever the host has AppArmor",
        broken=(options("apparmor=unconfined"), options("apparmor:unconfined"), options("x=y", "apparmor=UNCONFINED")),
        kept=({"securityOpts": ...}, options("apparmor=docker-default"), options("apparmor=mine")),
        kept_services=({},),
    ),
    Control(
        "5.3",
        "SELinux security options are set",
        ("container-is-confined-by-selinux",),
        "left out is fine: an engine with SELinux labels each container by itself",
        broken=(options("label=disable"), options("label:disable"), options("disable"), options("label=type:spc_t")),
        kept=({"securityOpts": ...}, options("label=type:container_t"), options("label=level:s0:c100,c200")),
        broken_services=(
            {"containerSpec.privileges": {"seLinuxContext": {"disable": True}}},
            {"containerSpec.privileges": {"seLinuxContext": {"type": "unconfined_t"}}},
        ),
        kept_services=({"containerSpec.privileges": {"seLinuxContext": {"level": "s0"}}},),
    ),
    Control(
        "5.4",
        "Linux kernel capabilities are restricted",
        ("container-drops-all-capabilities", "container-adds-only-listed-capabilities"),
        "stricter: CIS never requires that any are dropped; here ALL are, and what comes back is on a short list",
        broken=(
            {"capabilities": ...},
            {"capabilities": {"drops": ["NET_RAW", "CAP_MKNOD"]}},
            {"capabilities": {"drops": ["ALL"], "adds": ["SYS_ADMIN"]}},
            {"capabilities": {"drops": ["ALL"], "adds": ["cap_net_admin"]}},
            {"capabilities": {"drops": ["ALL"], "adds": ["ALL"]}},
            {"capabilities": {"adds": ["CAP_NET_BIND_SERVICE"]}},
        ),
        kept=({}, {"capabilities": {"drops": ["all"], "adds": ["CAP_NET_BIND_SERVICE"]}}),
        broken_services=({"containerSpec.capDrops": ...}, {"containerSpec.capAdds": ["CAP_SYS_PTRACE"]}),
        kept_services=({"containerSpec.capAdds": ["CAP_NET_BIND_SERVICE"]},),
    ),
    Control(
        "5.5",
        "privileged containers are not used",
        ("container-is-not-privileged",),
        broken=({"privileged": True}, {"privileged": True, "capabilities": {"drops": ["ALL"]}, "readOnly": True}),
        kept=({"privileged": False}, {"privileged": ...}),
        kept_services=({},),
    ),
    Control(
        "5.6",
        "sensitive host system directories are not mounted",
        ("container-mounts-no-sensitive-path",),
        "stricter: CIS compares seven exact paths; here what lies below and above counts, in any spelling",
        broken=(
            *(bind(path) for path in ("/", "/boot", "/dev", "/etc", "/lib", "/proc", "/sys", "/usr")),
            *(bind(path, readOnly=True) for path in ("/etc", "/etc/", "//etc", "/srv/../etc", "/var", "/etc/ssl")),
            volume(hostPath="/etc"),
            volume(hostPath="/root/.ssh", readOnly=True),
            volume(volumeName="/proc"),
            {"mounts": [{"type": "volume", "volumeOptions": {"driverOptions": {"o": "bind", "device": "/etc"}}}]},
        ),
        kept=(bind("/srv/shop"), volume(hostPath="/data"), volume(volumeName="data"), {"mounts": ...}),
        broken_services=(task_mount("/etc"), task_mount("/usr/local", readOnly=True)),
        kept_services=(task_mount("/srv/shop"),),
    ),
    Control(
        "5.7",
        "sshd is not run within containers",
        ("container-runs-no-login-server",),
        "what the image starts by itself is not in the resource: the vulnerability gate and the SBOM show it",
        broken=({"command": ["/usr/sbin/sshd", "-D"]}, {"entrypoints": ["sh", "-c", "sshd; exec app"]}),
        kept=({"command": ["serve"]}, {"command": ["cat", "/etc/ssh/sshd_config.md"]}),
        broken_services=({"containerSpec.commands": ["/usr/sbin/sshd"]},),
    ),
    Control(
        "5.8",
        "privileged ports are not mapped within containers",
        ("container-publishes-no-privileged-port",),
        "listed ports are fine: somebody decided on them",
        broken=(port(external=80), port(external=22), port(external=1023)),
        kept=(port(external=1024), port(external=8443), port(external=...), {"ports": ...}),
        broken_services=({"endpointSpec": {"ports": [{"targetPort": 8080, "publishedPort": 443}]}},),
        kept_services=({"endpointSpec": {"ports": [{"targetPort": 443, "publishedPort": 8443}]}},),
    ),
    Control(
        "5.9",
        "only needed ports are open on the container",
        ("container-publishes-only-listed-ports",),
        "what is needed only its owner knows; that somebody listed each port can be checked",
        broken=({"publishAllPorts": True},),
        kept=({"publishAllPorts": False}, {"ports": ...}),
        kept_services=({},),
    ),
    Control(
        "5.10",
        "the host's network namespace is not shared",
        ("container-has-its-own-network-namespace",),
        "stricter: another container's namespace is shared neither",
        broken=({"networkMode": "host"}, {"networkMode": "container:other"}, {"networksAdvanced": [{"name": "host"}]}),
        kept=({"networkMode": "bridge"}, {"networkMode": "none"}, {"networkMode": "shop"}),
        broken_services=({"networksAdvanceds": [{"name": "host"}]},),
        kept_services=({"networksAdvanceds": [{"name": "shop"}]},),
    ),
    Control(
        "5.11",
        "the memory usage is limited",
        ("container-memory-is-limited", "container-swap-is-limited"),
        "stricter: swap comes on top of what CIS checks, and is as much again where nobody limits it",
        broken=(
            {"memory": ...},
            {"memory": 0},
            {"memory": ..., "memoryReservation": 64},
            {"memorySwap": ...},
            {"memorySwap": -1},
            {"memorySwap": 512},
        ),
        kept=({"memory": 64, "memorySwap": 64},),
        broken_services=({"resources": ...}, {"resources": {"reservation": {"memoryBytes": 1}}}),
        kept_services=({"resources.limits.memoryBytes": 1048576},),
    ),
    Control(
        "5.12",
        "CPU priority is set appropriately",
        ("container-cpu-is-limited",),
        "stricter: CIS asks for shares, which only weigh; here CPU time is limited",
        broken=({"cpus": ...}, {"cpus": "0"}, {"cpus": ..., "cpuShares": 512}, {"cpus": ..., "cpuSet": "0"}),
        kept=({"cpus": "1.5"}, {"cpus": ..., "cpuQuota": 50000}),
        broken_services=({"resources.limits.nanoCpus": ...},),
    ),
    Control(
        "5.13",
        "the root filesystem is mounted as read only",
        ("container-root-is-read-only",),
        broken=({"readOnly": ...}, {"readOnly": False}),
        kept=({"readOnly": True},),
        broken_services=({"containerSpec.readOnly": ...},),
        kept_services=({"containerSpec.readOnly": True},),
    ),
    Control(
        "5.14",
        "incoming traffic is bound to a specific host interface",
        ("container-ports-name-an-address",),
        "a service of a Swarm cannot say it: a firewall on the nodes has to",
        broken=(port(ip=...), port(ip=""), port(ip="0.0.0.0"), port(ip="::"), {"publishAllPorts": True}),
        kept=(port(ip="127.0.0.1"), port(ip="10.0.0.7"), port(ip="::1"), {"ports": ...}),
    ),
    Control(
        "5.15",
        "the restart policy is on-failure with 5 tries",
        ("container-restart-is-bounded",),
        "a documented deviation: unless-stopped is allowed, because a service has to come back when its host does",
        broken=(
            {"restart": "always"},
            {"restart": "on-failure"},
            {"restart": "on-failure", "maxRetryCount": 10},
            {"restart": "on-failure", "maxRetryCount": 0},
        ),
        kept=({"restart": "on-failure", "maxRetryCount": 5}, {"restart": "unless-stopped"}, {"restart": "no"}),
        broken_services=({"restartPolicy": ...}, {"restartPolicy": {"condition": "any"}}),
        kept_services=({"restartPolicy": {"condition": "on-failure", "maxAttempts": 5}},),
    ),
    Control(
        "5.16",
        "the host's process namespace is not shared",
        ("container-has-its-own-pid-namespace",),
        broken=({"pidMode": "host"}, {"pidMode": "container:other"}),
        kept=({}, {"pidMode": ""}),
        kept_services=({},),
    ),
    Control(
        "5.17",
        "the host's IPC namespace is not shared",
        ("container-has-its-own-ipc-namespace",),
        "stricter: nor is it made shareable",
        broken=({"ipcMode": "host"}, {"ipcMode": "shareable"}, {"ipcMode": "container:other"}),
        kept=({"ipcMode": "private"}, {"ipcMode": "none"}),
    ),
    Control(
        "5.18",
        "host devices are not directly exposed",
        ("container-has-no-devices",),
        broken=(
            {"devices": [{"hostPath": "/dev/sda", "permissions": "r"}]},
            {"deviceCgroupRules": ["c 1:3 mr"]},
            {"gpus": "all"},
            {"deviceRequests": [{"driver": "cdi", "deviceIds": ["vendor.example/device=0"]}]},
        ),
        kept=({"devices": []}, {"deviceReadBps": [{"path": "/dev/sda", "rate": 1}]}),
    ),
    Control(
        "5.19",
        "the default ulimit is overwritten at runtime if needed",
        ("container-open-files-are-limited",),
        "whether it is needed nobody can see; that no limit is lifted can be checked",
        broken=tuple({"ulimits": [{"name": name, "soft": 1024, "hard": -1}]} for name in ("nofile", "nproc")),
        kept=({}, {"ulimits": [{"name": "nofile", "soft": 1024, "hard": 4096}]}),
    ),
    Control(
        "5.20",
        "mount propagation mode is not set to shared",
        ("container-mounts-do-not-propagate",),
        broken=tuple(bind("/srv/a", bindOptions={"propagation": mode}) for mode in ("shared", "rshared")),
        kept=tuple(bind("/srv/a", bindOptions={"propagation": mode}) for mode in ("private", "rprivate", "slave")),
        broken_services=(task_mount("/srv/a", bindOptions={"propagation": "rshared"}),),
        kept_services=(task_mount("/srv/a"),),
    ),
    Control(
        "5.21",
        "the host's UTS namespace is not shared",
        ("container-has-its-own-uts-namespace",),
        "the docker plugin has no property for it today, so nobody can break it",
        broken=({"utsMode": "host"},),
        kept=({"hostname": "web"},),
    ),
    Control(
        "5.22",
        "the default seccomp profile is not disabled",
        ("container-is-confined-by-seccomp",),
        "stricter: a profile of one's own that allows what it does not list counts as none",
        broken=(
            options("seccomp=unconfined"),
            options("seccomp:unconfined"),
            *(options(f"seccomp={it}") for it in ("{}", "null", '{"defaultaction": "SCMP_ACT_ALLOW"}')),
        ),
        kept=(options(), options("seccomp=builtin"), options('seccomp={"defaultAction": "SCMP_ACT_ERRNO"}')),
        kept_services=({},),
    ),
    Control(
        "5.23",
        "docker exec is not used with the privileged option",
        ("container-exec-is-not-privileged",),
        "an act of a person, in no resource; what a command resource does is judged",
        broken_commands=("docker exec --privileged web sh", "docker container exec -it --privileged=true web sh"),
        kept_commands=("docker exec web sh", "docker exec web mount --privileged"),
    ),
    Control(
        "5.24",
        "docker exec is not used with the user=root option",
        ("container-exec-is-not-root",),
        "an act of a person, in no resource; what a command resource does is judged",
        broken_commands=("docker exec --user=root web sh", "docker exec -u 0 web sh", "docker exec -itu0:0 web sh"),
        kept_commands=("docker exec -u app web sh", "docker exec web id -u root"),
    ),
    Control(
        "5.25",
        "cgroup usage is confirmed",
        ("container-uses-the-default-control-group",),
        broken=({"cgroupParent": "/custom"},),
        kept=({}, {"cgroupParent": ""}),
    ),
    Control(
        "5.26",
        "the container is restricted from acquiring additional privileges",
        ("container-gains-no-privileges",),
        "a service of a Swarm cannot say it: the engine of each node has to",
        broken=(
            options(),
            options("no-new-privileges:false"),
            options("no-new-privileges=false"),
            options("apparmor=x"),
        ),
        kept=(options("no-new-privileges"), options("no-new-privileges=true"), options("no-new-privileges:true")),
    ),
    Control(
        "5.27",
        "container health is checked at runtime",
        ("container-is-health-checked",),
        "stricter: the image's own check is looked up by digest, and a check that checks nothing counts as none",
        broken=(
            {"healthcheck": {"tests": ["NONE"]}},
            {"healthcheck": {"tests": ["CMD-SHELL", "exit 0"]}},
            {"healthcheck": ..., "image": "nginx:1.27"},
        ),
        kept=({"healthcheck": {"tests": ["CMD", "/check"]}},),
        broken_services=({"containerSpec.healthcheck": {"tests": ["NONE"]}},),
        kept_services=({"containerSpec.healthcheck": {"tests": ["CMD", "/check"]}},),
    ),
    Control(
        "5.28",
        "docker commands always make use of the latest version of their image",
        ("image-is-pinned-by-digest",),
        "the opposite, and for its purpose: a digest is what was verified, and an old one fails by its report's age",
        broken=({"image": "registry.example/shop/web:latest"}, {"image": "nginx"}),
        kept=({},),
        broken_services=({"containerSpec.image": "nginx:1.27"},),
    ),
    Control(
        "5.29",
        "the PIDs cgroup limit is used",
        verdict="container-processes-are-limited does not apply: the plugin cannot say it; the host verifies it",
    ),
    Control(
        "5.30",
        "Docker's default bridge docker0 is not used",
        ("container-has-a-network-of-its-own",),
        "an advisory: whether containers reach each other there is a setting of the engine (CIS 2.2)",
        broken=({"networksAdvanced": ...}, {"networksAdvanced": ..., "networkMode": "bridge"}),
        kept=({"networksAdvanced": [{"name": "shop"}]}, {"networksAdvanced": ..., "networkMode": "none"}),
        broken_services=({"networksAdvanceds": ...},),
    ),
    Control(
        "5.31",
        "the host's user namespaces are not shared",
        ("container-has-its-own-user-namespace",),
        broken=({"usernsMode": "host"},),
        kept=({},),
        kept_services=({},),
    ),
    Control(
        "5.32",
        "the Docker socket is not mounted",
        ("container-mounts-no-engine-socket",),
        "stricter: the sockets of other engines count, and so does a folder that holds one",
        broken=(
            bind(SOCKET),
            bind(SOCKET, readOnly=True),
            bind("/run/docker.sock"),
            bind("/var/run"),
            bind("/var/run/../run/docker.sock/"),
            volume(hostPath=SOCKET),
            volume(volumeName=SOCKET),
            volume(hostPath="/run/containerd/containerd.sock"),
            volume(hostPath="/run/user/1000/podman/podman.sock"),
        ),
        kept=(bind("/srv/shop.sock"), volume(volumeName="docker.sock.data")),
        broken_services=(task_mount(SOCKET), task_mount("/var/run")),
        kept_services=({},),
    ),
)
