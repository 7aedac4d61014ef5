"""One compliant resource of each covered type, which no rule of this pack complains about, and changes to it."""

from __future__ import annotations

from typing import Any

from tests.policy.kubernetes_pods import DIGEST, Properties, changed

CONTAINER = "docker:index/container:Container"
SERVICE = "docker:index/service:Service"
COMMAND = "command:local:Command"
VOLUME = "docker:index/volume:Volume"
SECRET = "/var/lib/slipway/secrets/dev/web/key"
IMAGE = f"registry.example/shop/web@{DIGEST}"


def container(**changes: Any) -> Properties:
    """A hardened container of the docker plugin; `...` takes a property away."""
    properties = {
        "name": "web",
        "image": IMAGE,
        "user": "10001:10001",
        "readOnly": True,
        "privileged": False,
        "capabilities": {"drops": ["ALL"]},
        "securityOpts": ["no-new-privileges:true"],
        "memory": 256,
        "memorySwap": 256,
        "cpus": "0.5",
        "restart": "unless-stopped",
        "logDriver": "json-file",
        "logOpts": {"max-size": "10m", "max-file": "3"},
        "healthcheck": {"tests": ["CMD", "/usr/bin/check", "http://127.0.0.1:8080/health"], "interval": "10s"},
        "networksAdvanced": [{"name": "shop"}],
        "ports": [{"internal": 8080, "external": 8080, "ip": "127.0.0.1"}],
        "tmpfs": {"/tmp": "noexec,nosuid,nodev,size=16m"},
        "mounts": [
            {"type": "volume", "source": "data", "target": "/data"},
            {"type": "bind", "source": SECRET, "target": "/run/secrets/key", "readOnly": True},
        ],
        "envs": ["LISTEN=:8080"],
        "labels": [{"label": "team", "value": "shop"}],
    }  # fmt: skip
    return changed(properties, changes)


def service(**changes: Any) -> Properties:
    """A hardened service of a Swarm; the keys of `changes` are paths below its `taskSpec`."""
    properties = {
        "name": "web",
        "taskSpec": {
            "containerSpec": {
                "image": IMAGE,
                "user": "10001",
                "readOnly": True,
                "capDrops": ["ALL"],
                "healthcheck": {"tests": ["CMD-SHELL", "check http://127.0.0.1:8080/health"]},
                "mounts": [{"type": "volume", "source": "data", "target": "/data"}],
                "env": {"LISTEN": ":8080"},
            },
            "resources": {"limits": {"memoryBytes": 268435456, "nanoCpus": 500000000}},
            "restartPolicy": {"condition": "on-failure", "maxAttempts": 3, "window": "1m"},
            "logDriver": {"name": "json-file", "options": {"max-size": "10m"}},
            "networksAdvanceds": [{"name": "shop"}],
        },
        "endpointSpec": {"ports": [{"targetPort": 8080, "publishedPort": 8080}]},
    }
    return changed(
        properties, {f"taskSpec.{path}" if path != "endpointSpec" else path: it for path, it in changes.items()}
    )
