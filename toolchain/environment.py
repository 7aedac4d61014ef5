"""Where a checkout keeps its state, and the environment in which its tools run."""

from __future__ import annotations

import itertools
import os
import re
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from toolchain.errors import ToolchainError

QUARANTINE_PORT = 5380
REGISTRY_PORT = 5443
PRODUCTION_PORT = 5444
BUILDER = "slipway"
"""Name of the buildx instance, and of the user of the private registry."""
PRODUCTION = "production"
"""Name of the second private registry, of its user, and of the key pair of who releases there."""
_NO_LOGS = """\
Here Pulumi would keep a debug log of each command. It keeps none in this checkout, because secrets may stand in them:
see docs/decisions/0015-debug-logs.md. `pulumi -v=9 --logtostderr …` shows one, secrets and all.
"""


@dataclass(frozen=True)
class Project:
    """One checkout: the folders of its embedded defaults, all below ``.slipway``.

    Attributes:
        root: absolute path of the checkout.
        quarantine_port: TCP port on loopback of the quarantine registry.
        registry_port: TCP port on loopback of the private registry.
        production_port: TCP port on loopback of production's own registry.
    """

    root: Path
    quarantine_port: int = QUARANTINE_PORT
    registry_port: int = REGISTRY_PORT
    production_port: int = PRODUCTION_PORT

    @classmethod
    def at(cls, root: Path, environ: Mapping[str, str] = os.environ) -> Project:
        """Returns the checkout at ``root``, its ports moved by SLIPWAY_QUARANTINE_PORT and the like.

        Raises:
            ToolchainError: a port is not a number between 1 and 65535, or two are the same.
        """
        usual = {
            "SLIPWAY_QUARANTINE_PORT": QUARANTINE_PORT,
            "SLIPWAY_REGISTRY_PORT": REGISTRY_PORT,
            "SLIPWAY_PRODUCTION_PORT": PRODUCTION_PORT,
        }
        ports = {name: _port(environ, name, default) for name, default in usual.items()}
        for (one, port), (other, same) in itertools.combinations(ports.items(), 2):
            if port == same:
                raise ToolchainError(f"{one} and {other} are both {port}: give each its own port")
        return cls(root.resolve(), *ports.values())

    @property
    def state(self) -> Path:
        """Everything that the embedded defaults keep; removed by ``make clean``."""
        return self.root / ".slipway"

    @property
    def keys(self) -> Path:
        """Passwords and key pairs of this checkout, mode 0700."""
        return self.state / "keys"

    @property
    def services(self) -> Path:
        """A folder for each service: its configuration, data, log and record."""
        return self.state / "services"

    @property
    def run(self) -> Path:
        """Sockets, locks and other things of the moment, mode 0700."""
        return self.state / "run"

    @property
    def backend(self) -> Path:
        """The file backend of Pulumi: the stacks' state."""
        return self.state / "backend"

    @property
    def states(self) -> Path:
        """The folder in the backend with the stacks' states."""
        return self.backend / ".pulumi" / "stacks"

    @property
    def state_files(self) -> list[Path]:
        """The states of all stacks in the backend, compressed ones too."""
        return [path for pattern in ("*.json", "*.json.gz") for path in sorted(self.states.rglob(pattern))]

    @property
    def passphrase(self) -> Path:
        """The passphrase that opens the secrets in the states."""
        return self.keys / "pulumi.passphrase"

    @property
    def pulumi_home(self) -> Path:
        """PULUMI_HOME: plugins and the selected stack."""
        return self.state / "pulumi-home"

    @property
    def buildx(self) -> Path:
        """BUILDX_CONFIG: the builder instances."""
        return self.state / "buildx"

    @property
    def base_lock(self) -> Path:
        """The file that locks each base image by digest."""
        return self.state / "base-images.lock.json"

    @property
    def ports_moved(self) -> bool:
        """Whether the registries listen elsewhere than the checked-in stack files say."""
        ports = (self.quarantine_port, self.registry_port, self.production_port)
        return ports != (QUARANTINE_PORT, REGISTRY_PORT, PRODUCTION_PORT)

    @property
    def quarantine(self) -> str:
        """Host and port of the quarantine registry, as in an image reference."""
        return f"localhost:{self.quarantine_port}"

    @property
    def registry(self) -> str:
        """Host and port of the private registry, as in an image reference."""
        return f"localhost:{self.registry_port}"

    @property
    def production(self) -> str:
        """Host and port of production's own registry, as in an image reference."""
        return f"localhost:{self.production_port}"

    def with_our_ports(self, text: str) -> str:
        """Returns ``text`` with the embedded registries where they listen in this checkout."""
        ours = {QUARANTINE_PORT: self.quarantine, REGISTRY_PORT: self.registry, PRODUCTION_PORT: self.production}
        usual = "|".join(map(str, ours))
        # All at once: one registry may listen where another one usually does.
        return re.sub(rf"\blocalhost:({usual})\b", lambda found: ours[int(found[1])], text)


def _port(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name, "").strip()
    if not text:
        return default
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise ToolchainError(f"{name}: not a TCP port ({text}): write a number between 1 and 65535, such as {default}")
    return int(text)


def create_folders(project: Project) -> None:
    """Creates the folders of ``project`` that are missing; those that hold secrets or sockets with mode 0700."""
    for folder in (project.services, project.backend, project.pulumi_home, project.buildx, project.state / "reports"):
        folder.mkdir(parents=True, exist_ok=True)
    for folder in (project.keys, project.run):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)


def link_plugins(project: Project, plugins: Path) -> None:
    """Makes ``plugins``, the user's cache of Pulumi plugins, the plugins folder of this checkout's PULUMI_HOME."""
    link = project.pulumi_home / "plugins"
    if link.is_symlink() and link.readlink() == plugins:
        return
    if link.is_symlink():
        link.unlink()
    elif link.exists():
        raise ToolchainError(f"{link} is a folder, not the link to {plugins}: move it away, then try again")
    plugins.mkdir(parents=True, exist_ok=True)
    link.symlink_to(plugins)


def forbid_logs(project: Project) -> None:
    """Keeps Pulumi from writing its automatic debug logs, in which secrets may stand.

    No setting turns them off; a file where their folder would be does (docs/decisions/0015-debug-logs.md).
    """
    place = project.pulumi_home / "logs"
    if place.is_dir():
        shutil.rmtree(place)
    if not place.exists():
        place.write_text(_NO_LOGS, encoding="utf-8")


def prepared_environment(
    project: Project, tools: Sequence[Path] = (), environ: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """Returns the whole environment in which Slipway's tools run.

    Args:
        project: the checkout whose embedded defaults are filled in.
        tools: the folders of the installed tools, put before everything else on PATH.
        environ: what the environment starts from.
    """
    # Debian keeps dockerd, runc and iptables out of an ordinary user's PATH.
    ahead = [str(folder) for folder in (*tools, project.root / ".venv" / "bin", project.root / "bin")]
    rest = [folder for folder in environ.get("PATH", os.defpath).split(os.pathsep) if folder and folder not in ahead]
    behind = [folder for folder in ("/usr/sbin", "/sbin") if folder not in rest]
    # Pulumi would prefer a passphrase of the user's other stacks to the file of this checkout.
    kept = {name: value for name, value in environ.items() if name != "PULUMI_CONFIG_PASSPHRASE"}
    return {**kept, "PATH": os.pathsep.join([*ahead, *rest, *behind]), **project_variables(project)}


def project_variables(project: Project) -> dict[str, str]:
    """Returns the variables that point Pulumi and buildx at this checkout's embedded defaults."""
    return {
        "PULUMI_HOME": str(project.pulumi_home),
        # The side file with a checkpoint's metadata is not written in one go: a StackReference to a stack that is just
        # brought up would find it empty.
        "PULUMI_BACKEND_URL": f"file://{quote(str(project.backend))}?metadata=skip",
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(project.passphrase),
        "PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER": "true",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "BUILDX_CONFIG": str(project.buildx),
        "SLIPWAY_QUARANTINE_PORT": str(project.quarantine_port),
        "SLIPWAY_REGISTRY_PORT": str(project.registry_port),
        "SLIPWAY_PRODUCTION_PORT": str(project.production_port),
    }


def shell_exports(project: Project, environment: Mapping[str, str]) -> str:
    """Returns the lines that a shell evaluates to get the prepared environment: ``eval "$(...)"``.

    PULUMI_CONFIG_PASSPHRASE is unset because Pulumi would prefer it to the passphrase file.
    """
    lines = ["unset PULUMI_CONFIG_PASSPHRASE"]
    for name in ("PATH", *project_variables(project)):
        lines.append(f"export {name}={shlex.quote(environment[name])}")
    return "\n".join(lines) + "\n"
