"""Base images: all that a build starts or copies from, each by a digest from a lock or in the Dockerfile itself."""

import difflib
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from components.artifact import DOCKER_HUB, Digest, ImageReference, Repository, names_a_host
from components.dockerfile import frontend_image, pulled_images, stage_names

_HUBS = (f"{DOCKER_HUB}/", f"index.{DOCKER_HUB}/")
_OFFICIAL = "library/"


def locked_bases(lock: Path) -> dict[str, ImageReference]:
    """The digest of each base image, by its familiar name.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no JSON object of image references with digests.
    """
    bases = json.loads(lock.read_text(encoding="utf-8"))
    if not isinstance(bases, dict):
        raise ValueError("it is no JSON object")
    locked = dict[str, ImageReference]()
    for name, reference in bases.items():
        parsed = ImageReference.parse(str(reference))
        if locked.setdefault(familiar(name), parsed) != parsed:
            raise ValueError(f"{familiar(name)} is locked twice, to different digests")
    return locked


def lock_problem(lock: str, project: Path) -> str | None:
    """What keeps a lock from being used, and what to do; None where nothing does.

    Args:
        lock: path of the file, as the settings have it.
        project: folder that it is relative to.
    """
    try:
        locked_bases(project / lock)
    except FileNotFoundError:
        problem = "there is no such file"
    except (OSError, ValueError) as error:
        problem = f"it locks no digests: {error}"
    else:
        return None
    return f"{problem} ({lock}): run `make lock-bases ARGS={lock}`"


def familiar(name: str) -> str:
    """The name by which BuildKit finds a named context: `python` for `docker.io/library/python:latest`.

    Source: distribution/reference, `FamiliarString`; moby/buildkit, `frontend/dockerui/namedcontext.go`.
    """
    name = name.removesuffix(":latest")
    for hub in _HUBS:
        name = name.removeprefix(hub)
    path = name.removeprefix(_OFFICIAL)
    return name if "/" in path else path


def base_images(
    dockerfile: str,
    lock: Mapping[str, ImageReference],
    *,
    target: str | None,
    arguments: Mapping[str, str],
    platforms: Sequence[str],
) -> dict[str, ImageReference]:
    """The digest of every image that a build pulls, by its familiar name; a frontend (`# syntax=`) is one of them.

    Args:
        dockerfile: the content of the Dockerfile.
        lock: the locked base images, by their familiar names.
        target: stage to build; the last one by default.
        arguments: the build arguments as the build gets them.
        platforms: what is built for.

    Raises:
        UnpinnedError: one of them has no digest.
        ValueError: which ones a build pulls cannot be told before it, or a stage has the name of a locked image.
    """
    stages = stage_names(dockerfile)
    if taken := sorted(name for name in stages if familiar(name) in lock):
        # BuildKit would put the locked image in the place of the stage.
        raise ValueError(f"a stage is called {taken[0]}, which the lock has as a base image")
    frontend = frontend_image(dockerfile, arguments)
    if frontend and _pinned(frontend) is None:
        raise UnpinnedError([frontend], frontend=True)
    pulled = pulled_images(dockerfile, target, arguments, platforms)
    found = {name: lock.get(familiar(name)) or _pinned(name) for name in pulled}
    found |= {frontend: _pinned(frontend)} if frontend else {}
    if missing := sorted({familiar(name) for name, reference in found.items() if reference is None}):
        raise UnpinnedError(missing, stages)
    return {familiar(name): reference for name, reference in found.items() if reference}


class UnpinnedError(ValueError):
    """Images that a build would pull by a name alone, which can be moved to another image at any time."""

    def __init__(self, names: Sequence[str], stages: Collection[str] = (), *, frontend: bool = False) -> None:
        super().__init__(f"no digest is known for {', '.join(_perhaps_a_stage(name, stages) for name in names)}")
        self.names = names
        self.frontend = frontend

    def advice(self, lock: str | None) -> str:
        """What to write, where `lock` is the file with the locked base images."""
        if self.frontend:
            return "write it as NAME@sha256:… behind `# syntax=`, or leave that out: BuildKit has a frontend of its own"
        entries = ", ".join(f'"{name}": ""' for name in self.names)
        if lock is None:
            return f"write {{{entries}}} to a file, name it in build.base_images, and run `make lock-bases ARGS=FILE`"
        return f"add {entries} to {lock} and run `make lock-bases ARGS={lock}`"


def _perhaps_a_stage(name: str, stages: Collection[str]) -> str:
    """The name of an image, with the stage that a misspelt one may mean: to BuildKit it is an image like any other."""
    close = difflib.get_close_matches(name, sorted(stages), n=1)
    return f"{name} (or did you mean the stage {close[0]}?)" if close else name


def _pinned(name: str) -> ImageReference | None:
    """An image that the Dockerfile itself names by digest, `NAME[:TAG]@sha256:…`."""
    tagged, separator, digest = name.partition("@")
    try:
        return ImageReference(_repository(tagged), Digest(digest)) if separator else None
    except ValueError:
        return None


def _repository(name: str) -> Repository:
    """The repository of an image as Docker understands its name: on Docker Hub where no registry is named."""
    host, slash, path = name.partition("/")
    if not slash or not names_a_host(host):
        path = familiar(name)
        host, path = DOCKER_HUB, path if "/" in path else _OFFICIAL + path
    elif f"{host}/" in _HUBS:
        return _repository(path)
    return Repository(host, path.partition(":")[0])
