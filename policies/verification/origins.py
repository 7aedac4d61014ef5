"""Names of what something was built from: source repositories and base images, in one spelling each, against lists.

Sources: pip's and git's spellings of a repository (`git+https://…@ref`, `git@host:path`); package-url/purl-spec, type
`docker`; moby/buildkit, `util/purl`.
"""

import re
from functools import lru_cache
from urllib.parse import parse_qs, unquote, urlsplit

from verification.references import Reference

_SCP = re.compile(r"(?:[^@/\s]+@)?(?P<host>[A-Za-z0-9.-]+):(?P<path>[^/\s].*)")
_GLOB = re.compile(r"\*\*|\*|\?|[^*?]+")
_USUAL_PORTS = {"https": ":443", "http": ":80", "ssh": ":22", "git": ":9418"}


def source_repository(uri: str) -> str:
    """A source repository as `host/path`: without scheme, user, port of the scheme, revision and `.git`.

    A place without a host, such as a folder of the machine that built, comes back as `file:` and its path.
    """
    text = uri.strip().removeprefix("git+").partition("#")[0].partition("?")[0]
    scp = None if "://" in text else _SCP.fullmatch(text)
    if scp:
        host, path = scp["host"], scp["path"]
    elif "://" in text:
        where = urlsplit(text)
        host, path = where.netloc.rpartition("@")[2].removesuffix(_USUAL_PORTS.get(where.scheme, "")), where.path
    else:
        host, _, path = text.partition("/")
    if not _goes_around(path):  # else what looks like a revision may be a folder that the path leaves again
        path = path.partition("@")[0]
    path = path.strip("/").removesuffix(".git")
    return f"{host.lower()}/{path}" if host else f"file:/{path}"


def base_image(uri: str) -> str:
    """A base image as `registry/path`, from `pkg:docker/…` or `docker-image://…`; empty where it names none."""
    if uri.startswith("docker-image://"):
        name = uri.removeprefix("docker-image://")
    else:
        package, _, query = uri.partition("?")
        name = unquote(package.partition("/")[2].partition("@")[0])
        registry = parse_qs(query).get("repository_url", [""])[0]
        if registry:
            # The type `oci` writes the whole repository there, the type `docker` the registry alone.
            is_whole = registry.rstrip("/").endswith(f"/{name}") or package.startswith("pkg:oci/")
            name = registry.rstrip("/") if is_whole else f"{registry.rstrip('/')}/{name}"
    try:
        return Reference.parse(name).repository
    except ValueError:
        return ""


def is_allowed_source(uri: str, allowed: tuple[str, ...]) -> bool:
    """Whether a source repository is one of a list, or lies below one; none with `.` or `..` in its path is.

    Args:
        uri: as provenance names it.
        allowed: URLs or `host/path`; `*` stands for one name, `**` for any number of them.
    """
    repository = source_repository(uri)
    return not _goes_around(uri) and any(_matches(source_repository(pattern), repository) for pattern in allowed)


def is_allowed_base(uri: str, allowed: tuple[str, ...]) -> bool:
    """Whether a base image is one of a list, or lies below a prefix of it.

    Args:
        uri: as provenance names it.
        allowed: repositories or prefixes of them, as anywhere else in the configuration; `*` stands for one name.
    """
    image = base_image(uri)
    return bool(image) and any(_is_base(image, pattern) for pattern in allowed)


def _goes_around(uri: str) -> bool:
    """Whether a path has `.` or `..` in it: git and servers resolve them, and get another place than is spelled."""
    text = "".join(unquote(uri.partition("#")[0]).split())
    return not {".", ".."}.isdisjoint(re.split(r"[/\\:?@]", text))


def _is_base(image: str, pattern: str) -> bool:
    if "*" in pattern or "?" in pattern:
        return _matches(pattern, image)
    if Reference.parse(image).lies_in(pattern):
        return True
    try:
        return Reference.parse(pattern).repository == image  # a short name of Docker Hub
    except ValueError:
        return False


def _matches(pattern: str, text: str) -> bool:
    return _regular(pattern.rstrip("/")).fullmatch(text) is not None


@lru_cache(maxsize=256)
def _regular(pattern: str) -> re.Pattern[str]:
    """A glob in which `*` and `?` stop at a slash, so that a host cannot be part of what a star stands for."""
    spelled = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = (spelled.get(part, re.escape(part)) for part in _GLOB.findall(pattern))
    return re.compile("".join(parts) + "(?:/.*)?")
