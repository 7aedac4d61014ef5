"""What the commands in a text push to a registry: builds and pushes of the usual tools, if names are written out.

A copy from one registry to another is no build: what may arrive in a registry that way is decided by who may write to
it, and what runs from it by its evidence.
"""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace

from judging.engine_commands import verbs_of
from judging.manifest_text import is_manifest
from judging.pushes import Push, cached, exported
from judging.shell_text import here_documents, spelled_plainly, without_asides

_PROGRAMS = r"docker|podman|podman-remote|nerdctl|finch|ctr|docker-compose|podman-compose|buildah|buildctl|crane|skopeo"
_PROGRAM = rf"(?:[\w./-]*/)?(?:{_PROGRAMS})(?:\.exe|\.io)?"
_CALL = re.compile(
    rf"(?<![\w./-])(?:[\w./-]*/)?(?P<program>{_PROGRAMS})(?:\.exe|\.io)?(?=\s)(?P<arguments>[^|;&\n)`]*)"
)
_WITHOUT_VALUE = re.compile(
    r"-[Daqpkr]|--(?:all|all-tags|allow-non-distributable-blobs|compress|debug|disable-content-trust|force-rm|"
    r"format-sif|insecure|insecure-registry|load|local|no-cache|plain-http|preserve-digests|pull|purge|push|quiet|remote|"
    r"remove-signatures|rm|skip-verify|squash|tls|tlsverify)"
)
"""Flags that no value follows; of any other one, the next word may be the value."""
_PUSHES = re.compile(r"--push(?:=(?:1|t|T|TRUE|true|True))?")
_GROUPS = frozenset({"image", "buildx", "builder", "manifest", "imagetools"})
_LOCAL = re.compile(r"(?:oci|oci-archive|dir|docker-archive|docker-daemon|containers-storage|ostree|sif|tarball):")
"""Where podman, buildah and skopeo put an image without a registry; source: containers-transports(5)."""


def pushes_in(text: str, path: str) -> Iterator[Push]:
    """The names under which the commands of a text push something; an empty one where a file that they read has it."""
    documents, command = here_documents(text)
    for document in documents:
        if not is_manifest(document.body):  # what is handed to a shell, here or on another host
            yield from pushes_in(document.body, path)
    plain = without_asides(command, _CALL.search).replace("\\\n", " ")
    for call in _CALL.finditer(spelled_plainly(plain, _PROGRAM)):
        words = _split(call["arguments"])
        for name in _names(call["program"], words):
            yield Push(name, path)
        pushed = [push for output in _values(words, "-o", "--output") for push in exported(output, path)]
        yield from (push for push in pushed if push.name)
        if nameless := [push for push in pushed if not push.name]:  # such an export pushes the build's tags
            yield from (replace(nameless[0], name=name) for name in dict.fromkeys(_values(words, "-t", "--tag")))
        for cache in _values(words, "--cache-to", "--export-cache"):
            yield from cached(cache, path)


def _names(program: str, words: Sequence[str]) -> Iterator[str]:
    groups = _GROUPS | {"images", "i"} if program == "ctr" else _GROUPS
    verbs = [word for word in _positional(words) if word not in groups]
    pushes = any(map(_PUSHES.fullmatch, words))
    if not verbs:
        return
    if _of_compose(program, words, pushes=pushes) or (verbs[0] == "bake" and pushes):
        yield ""
    elif verbs[0] == "push":
        # podman and buildah take a destination after the image; crane takes a file before it, ctr a local name after.
        target = verbs[1:2] if program == "ctr" else verbs[1:][-1:]
        has_transports = program.startswith(("podman", "buildah")) and len(verbs) > 2
        yield from (it.removeprefix("docker://") for it in target if not (has_transports and _LOCAL.match(it)))
    elif pushes or (verbs[0] == "create" and "imagetools" in words):
        yield from _values(words, "-t", "--tag")
    elif program == "skopeo" and verbs[0] == "copy" and len(verbs) == 3 and _leaves_the_machine(*verbs[1:]):
        yield verbs[2].removeprefix("docker://")


def _leaves_the_machine(source: str, target: str) -> bool:
    """Whether a copy is from this machine to a registry."""
    return not source.startswith("docker://") and not _LOCAL.match(target)


def _of_compose(program: str, words: Sequence[str], *, pushes: bool) -> bool:
    """Whether it pushes the images that a compose file names."""
    verbs = ["compose"] * program.endswith("-compose") + verbs_of(words)
    return verbs in (["compose", "push"], ["compose", "publish"]) or (verbs == ["compose", "build"] and pushes)


def _split(arguments: str) -> list[str]:
    try:
        return shlex.split(arguments)
    except ValueError:
        return arguments.split()


def _positional(words: Sequence[str]) -> list[str]:
    """The words that are neither flags nor the values of flags."""
    found: list[str] = []
    is_value = False
    for word in words:
        if word.startswith("-"):
            is_value = "=" not in word and not _WITHOUT_VALUE.fullmatch(word)
        elif is_value:
            is_value = False
        else:
            found.append(word)
    return found


def _values(words: Sequence[str], *flags: str) -> Iterator[str]:
    """The values of a flag: `-t NAME`, `-tNAME`, `--tag NAME`, `--tag=NAME`."""
    for position, word in enumerate(words):
        for flag in flags:
            if word == flag:
                yield from words[position + 1 : position + 2]
            elif word.startswith(f"{flag}="):
                yield word.removeprefix(f"{flag}=")
            elif not flag.startswith("--") and word.startswith(flag) and not word.startswith("--"):
                yield word.removeprefix(flag)
