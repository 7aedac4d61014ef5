"""What kubectl, Helm and their like do to workloads in a text, as far as it is not a manifest in the same text."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from judging.manifest_text import API_VERSION, is_manifest
from judging.shell_text import here_documents

CALL = re.compile(r"(?<![\w./-])(?:[\w./-]*/)?(?P<program>kubectl|oc|helm|helmfile)(?!\S)(?P<arguments>[^|;&\n)`]*)")
WITH_VALUE = re.compile(
    r"-[nsfel]|--(?:namespace|context|kube-context|kubeconfig|server|cluster|user|token|as|as-group|file|environment|"
    r"selector|log-level)"
)
WORKLOAD = re.compile(
    r"(?:po|pods?|deploy|deployments?|sts|statefulsets?|ds|daemonsets?|rs|replicasets?|rc|replicationcontrollers?|"
    r"jobs?|cj|cronjobs?|podtemplates?)(?:\.[\w.]+)?(?:/.*)?"
)
FILES = ("-f", "--filename", "-k", "--kustomize")
STANDARD_INPUT = ("-", "/dev/stdin")
RENDERING = {"helm": ("install", "upgrade"), "helmfile": ("apply", "sync"), "oc": ("new-app",)}
"""What puts objects into a cluster that it makes itself, from files that a person can read."""
TRIED = re.compile(r"--dry-run(?:=(?:client|server|true))?")
RENDERER = re.compile(
    r"(?<![\w.-])(?P<program>kustomize|helmfile|helm|jsonnet|ytt|cue|kompose|base64|openssl|gunzip|zcat|curl|wget|"
    r"cat(?=\s+[^\s<|-]))(?!\S)"
)
"""What writes objects into a pipe that stand nowhere in the text; `cat` alone hands on a here-document."""
MADE = re.compile(r"\b(?:kubectl|oc)\s[^|]*\bcreate\s[^|]*--dry-run\b")
"""What makes an object by options alone; a workload is seen there already."""


@dataclass(frozen=True)
class Call:
    """One call of kubectl, or of what does its work.

    `sees` is true where a person who reads the files that it names can judge it; `handed` where its objects may stand
    in what the command is handed: its standard input or its environment.
    """

    seen: str
    sees: bool
    handed: bool = False


def calls(text: str) -> Iterator[Call]:
    """The calls of kubectl in a shell command that run a workload which is not written in that command."""
    text = text.replace("\\\n", " ")
    documents, command = here_documents(text)
    for document in documents:
        if not is_manifest(document.body):  # what is handed to a shell, here or on another host
            yield from calls(document.body)
    command = re.sub(r"\|\s*\n\s*", "| ", command)
    for call in CALL.finditer(command):
        words = _split(call["arguments"])
        verbs = _verbs(words)
        if (*verbs, "")[0] in RENDERING.get(call["program"], ()):
            if not any(TRIED.fullmatch(word) for word in words):
                yield Call(f"{call['program']} {verbs[0]} renders its objects where no rule sees them", sees=True)
        elif call["program"] in ("kubectl", "oc"):
            before = re.split(r"[;&\n]|\|\|", command[: call.start()])[-1]
            yield from _of_kubectl(words, verbs, before, written=API_VERSION.search(text) is not None)


def _of_kubectl(words: list[str], verbs: list[str], before: str, *, written: bool) -> Iterator[Call]:
    verb, kind = (*verbs, "", "")[:2]
    if verb in ("run", "debug") or (verb == "create" and WORKLOAD.fullmatch(kind) and not _option(words, "--from")):
        yield Call(f"kubectl {' '.join(verbs[:2])} starts a container that no manifest describes", sees=False)
    elif (verb == "patch" and WORKLOAD.fullmatch(kind)) or _changes(words, verb, kind):
        yield Call(f"kubectl {' '.join(verbs[:2])} changes a workload that no manifest here describes", sees=False)
    elif verb in ("apply", "create", "replace"):
        for file in _options(words, FILES):
            if file not in STANDARD_INPUT:
                yield Call(f"kubectl {verb} takes its objects from {file}", sees="://" not in file)
            else:
                yield from _piped(verb, words, before, written=written)


def _changes(words: list[str], verb: str, kind: str) -> bool:
    """Whether `kubectl set` gives a workload another image, or a folder of its node."""
    mounts = kind in ("volume", "volumes") and any("hostpath" in word.lower() for word in words)
    return verb == "set" and (kind == "image" or mounts)


def _piped(verb: str, words: list[str], before: str, *, written: bool) -> Iterator[Call]:
    """What kubectl reads from its standard input, unless that is written in the text."""
    taken = f"kubectl {verb} takes its objects from"
    files = [file for file in _options(words, ("<",)) if file and not file.startswith("<")]  # `<<<` hands over a word
    renderer = RENDERER.search(before) if "|" in before else None
    if files:
        yield Call(f"{taken} {files[0]}", sees=True)
    elif renderer:
        program = renderer["program"]
        yield Call(f"{taken} the output of {program}", sees=program == "helm" or "://" not in before)
    elif not written and not MADE.search(before):
        yield Call(f"{taken} standard input", sees=True, handed=True)


def _split(arguments: str) -> list[str]:
    """The words of a call; cut at the spaces where its quotes go on in what was cut off."""
    try:
        return shlex.split(arguments)
    except ValueError:
        return arguments.split()


def _verbs(words: list[str]) -> list[str]:
    """The words that are neither options nor their values."""
    verbs: list[str] = []
    follows = False
    for word in words:
        if not word.startswith("-") and not follows:
            verbs.append(word)
        follows = WITH_VALUE.fullmatch(word) is not None
    return verbs


def _option(words: list[str], name: str) -> bool:
    return any(word == name or word.startswith(f"{name}=") for word in words)


def _options(words: list[str], names: tuple[str, ...]) -> Iterator[str]:
    """The values of these options in every spelling: `-f FILE`, `-fFILE`, `--filename=FILE`; several at a comma."""
    for position, word in enumerate(words):
        for name in names:
            if word == name:
                yield from (words[position + 1] if position + 1 < len(words) else "").split(",")
            elif word.startswith(f"{name}=") or (word.startswith(name) and not name.startswith("--")):
                yield from word.removeprefix(name).removeprefix("=").split(",")
