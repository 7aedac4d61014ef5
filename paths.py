"""What only the file system and Pulumi's configuration can tell of a stack's settings: each line names its setting."""

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from components.bases import lock_problem
from components.image import Build, base_problem
from components.promotion import PromotionPolicy
from components.registry import PrivateRegistry
from components.secret import SecretSource
from components.signature import SigningKey

if TYPE_CHECKING:
    from settings import Service, Settings

_MAKE_A_PAIR = "make a pair with `cosign generate-key-pair`"


def problems(settings: "Settings", project: Path, *, whole: bool = True) -> Iterator[str]:
    """What keeps these settings from being used in this project.

    Args:
        settings: the settings, valid by themselves.
        project: folder of the project, for paths.
        whole: whether these are all of them; where mistakes were left out, what several decide together is not judged.
    """
    if Path(settings.secrets_directory).resolve().is_relative_to(project.resolve()):
        yield (
            f"slipway:secrets_directory: the folder lies in the project, where git and builds find it "
            f"({settings.secrets_directory}): write one outside, such as /var/lib/slipway/secrets"
        )
    yield from _key_problems(settings.sign, project)
    yield from _authority_problems("slipway:registry", settings.registry, project)
    if settings.promote:
        yield from _promotion_problems(settings.promote, settings.sign, project)
    for name, service in settings.services.items():
        if service.build:
            key = f"slipway:services.{name}.build"
            yield from _build_problems(key, service.build, service.version, project, whole=whole)
        yield from _proof_problems(f"slipway:services.{name}", service, settings)
    if whole and settings.prove and not settings.runs:
        yield "slipway:prove: no service runs here that could be proved: write `run` for one, or remove it"
    for key, source in _secrets(settings):
        if problem := source.problem(project):
            yield f"{key}: {problem}"


def _key_problems(sign: SigningKey, project: Path) -> Iterator[str]:
    for key, path in (("key", sign.key), ("public_key", sign.public_key)):
        if missing := _missing_key(path, project):
            yield f"slipway:sign.{key}: {missing} ({path}): {_MAKE_A_PAIR}"


def _missing_key(key: str, project: Path) -> str | None:
    """What keeps a key from being read; None for one in a key management service, which tells that itself."""
    return None if "://" in key else _missing(project / key)


def _missing(path: Path, kind: int = stat.S_IFREG) -> str | None:
    """What keeps a file, or a folder, from being read; None where nothing does."""
    what = "folder" if kind == stat.S_IFDIR else "file"
    try:
        return None if stat.S_IFMT(path.stat().st_mode) == kind else f"that is no {what}"
    except (FileNotFoundError, NotADirectoryError):
        return f"there is no such {what}"
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        return f"that {what} cannot be looked at: {why}"


def _authority_problems(key: str, registry: PrivateRegistry, project: Path) -> Iterator[str]:
    authority = registry.certificate_authority
    if authority and (missing := _missing(project / authority)):
        yield f"{key}.certificate_authority: {missing} ({authority}): write the PEM file's path"


def _promotion_problems(policy: PromotionPolicy, sign: SigningKey, project: Path) -> Iterator[str]:
    keys = {"public_key": policy.public_key} | {f"public_keys.{name}": key for name, key in policy.public_keys.items()}
    for name, key in keys.items():
        if missing := _missing_key(key, project):
            yield f"slipway:promote.{name}: {missing} ({key}): write the path of that stack's public key"
    for at, registry in enumerate(policy.registries):
        yield from _authority_problems(f"slipway:promote.registries.{at}", registry, project)
    machines = {_content(key, project) for key in (*keys.values(), sign.public_key)}
    for name, key in policy.approval.approvers.items() if policy.approval else ():
        where = f"slipway:promote.approval.approvers.{name}"
        if missing := _missing_key(key, project):
            yield f"{where}: {missing} ({key}): write the path of this person's public key"
        elif _content(key, project) in machines:
            yield f"{where}: that is the key of a stack, which would approve what it ships ({key}): {_MAKE_A_PAIR}"


def _content(key: str, project: Path) -> bytes | str:
    try:
        return (project / key).read_bytes()
    except OSError:
        return key


def _build_problems(key: str, build: Build, version: str | None, project: Path, *, whole: bool) -> Iterator[str]:
    context, arguments = project / build.context, {"VERSION": version or "", **build.arguments}
    unlocked = lock_problem(build.base_images, project) if build.base_images else None
    if unlocked:
        yield f"{key}.base_images: {unlocked}"
    if missing := _missing(context, stat.S_IFDIR):
        yield f"{key}.context: {missing} ({build.context}): write the folder that holds the Dockerfile"
    elif missing := _missing(context / build.dockerfile):
        yield f"{key}.dockerfile: {missing} ({build.context}/{build.dockerfile}): write its path in the context"
    elif whole and not unlocked and (problem := base_problem(build, arguments, project)):
        yield f"{key}.dockerfile: {problem}"


def _proof_problems(key: str, service: "Service", settings: "Settings") -> Iterator[str]:
    if service.prove and not service.run:
        yield f"{key}.prove: nothing runs here that could be proved: write `run`, or remove it"
    policy = settings.proof_policy(service)
    if policy and service.run and not service.run.ports and any((it.url or "").startswith("/") for it in policy.checks):
        yield f"{key}.run.ports: a check asks for a path, and the service has no port: write one, or a whole URL"


def _secrets(settings: "Settings") -> Iterator[tuple[str, SecretSource]]:
    registries = [("quarantine", settings.quarantine), ("registry", settings.registry)]
    if settings.promote:
        registries += [(f"promote.registries.{at}", it) for at, it in enumerate(settings.promote.registries)]
    for name, registry in registries:
        if registry and registry.password:
            yield f"slipway:{name}.password", registry.password
    if settings.sign.password:
        yield "slipway:sign.password", settings.sign.password
    for name, service in settings.services.items():
        for key, source in service.build.secrets.items() if service.build else ():
            yield f"slipway:services.{name}.build.secrets.{key}", source
        for key, source in service.run.secrets.items() if service.run else ():
            yield f"slipway:services.{name}.run.secrets.{key}", source
