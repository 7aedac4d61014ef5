"""A stack's configuration for tests: a small good one with its files, and the lines that a bad one is told."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pulumi
import pytest

from settings import Settings, load

DIGEST = "sha256:" + "a" * 64

GOOD: dict[str, Any] = {
    "channel": "dev",
    "builder": "slipway",
    "quarantine": {"address": "localhost:5380"},
    "registry": {
        "address": "localhost:5443",
        "username": "slipway",
        "password": {"file": "{project}/.slipway/keys/registry.password"},
        "certificate_authority": "ca.crt",
    },
    "sign": {"key": "cosign.key", "public_key": "cosign.pub", "password": {"file": "{secrets}/cosign.password"}},
    "scan": {"database": "localhost:5380/trivy-db:2", "database_age": 3, "fail_on": ["HIGH", "CRITICAL"]},
    "services": {
        "web": {
            "repository": "driftwood/web",
            "version": "1.4.0",
            "build": {
                "context": "app",
                "platforms": ["linux/amd64", "linux/arm64"],
                "arguments": {"FLAVOUR": "plain"},
                "secrets": {"pip_token": {"file": "{secrets}/pip_token"}},
                "base_images": "bases.json",
            },
            "run": {
                "name": "driftwood-web",
                "ports": [{"container": 8080, "host": 8080, "address": "127.0.0.1"}],
                "memory": 256,
                "cpus": 0.5,
                "capabilities": ["NET_BIND_SERVICE"],
                "environment": {"LOG_LEVEL": "info"},
                "secrets": {"db_password": {"file": "{secrets}/db_password"}},
                "logs": {"driver": "json-file", "maximum_size": "10m", "maximum_files": 3},
                "health": {"interval": 1, "retries": 3},
                "temporary": {"/tmp": "rw,noexec"},
            },
        }
    },
}


class Stack:
    """A project folder with what a good stack names, and its configuration to change."""

    def __init__(self, folder: Path) -> None:
        self.project = folder / "project"
        self.secrets = folder / "secrets"
        for path in (self.project / "app", self.project / ".slipway" / "keys", self.secrets):
            path.mkdir(parents=True)
        for name in ("app/Dockerfile", "ca.crt", "cosign.key", "cosign.pub"):
            (self.project / name).write_text("x")
        (self.project / "bases.json").write_text(json.dumps({"python:3.12-slim": f"docker.io/library/python@{DIGEST}"}))
        private = [self.secrets / name for name in ("cosign.password", "pip_token", "db_password")]
        for path in [*private, self.project / ".slipway/keys/registry.password"]:
            path.touch(mode=0o600)
            path.write_text("hunter2")
        text = json.dumps(GOOD).replace("{project}", str(self.project)).replace("{secrets}", str(self.secrets))
        self.settings: dict[str, Any] = json.loads(text)

    @property
    def web(self) -> Any:
        """The service of this stack."""
        return self.settings["services"]["web"]

    def load(self) -> Settings:
        """The settings as a program gets them."""
        return load(configuration(self.settings), self.project)

    def mistakes(self) -> list[str]:
        """The lines that a person is told; each has the form `key: what is wrong: what to write`."""
        with pytest.raises(pulumi.RunError) as caught:
            self.load()
        first, *lines = str(caught.value).splitlines()
        assert first == f"{len(lines)} mistake(s) in this stack's configuration:"
        assert lines
        assert all(line.startswith("  slipway") for line in lines), lines
        return [line.strip() for line in lines]

    def mistake(self) -> str:
        """The only line that a person is told."""
        [line] = self.mistakes()
        return line

    def copy(self) -> dict[str, Any]:
        """The configuration, to be put back."""
        return copy.deepcopy(self.settings)


def configuration(settings: dict[str, Any]) -> dict[str, str]:
    """Settings as Pulumi hands them to a program: text as it is, everything else as JSON."""
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in settings.items()}
    return {f"slipway:{key}": text for key, text in texts.items()}
