"""What kubectl, Helm and their like do to workloads in a text, as far as it is not a manifest in the same text."""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from judging.manifest_text import API_VERSION, is_manifest
from judging.shell_text import here_documents, spelled_plainly, with_values, without_comments

_PATH, _PROGRAMS = r"(?:[\w./-]*/)?(?:microk8s\.)?", "kubectl|oc|helmfile|helm"
PROGRAM = rf"{_PATH}(?:{_PROGRAMS})(?:\.exe)?"
CALL = re.compile(rf"(?<![\w./-]){_PATH}(?P<program>{_PROGRAMS})(?:\.exe)?(?!\S)(?P<arguments>[^|;&\n)`]*)")
WITH_VALUE = frozenset(
    {
        "-c", "-e", "-f", "-k", "-l", "-n", "-o", "-p", "-r", "-s", "-v", "--args", "--as", "--as-group", "--as-uid",
        "--as-user-extra", "--burst-limit", "--cache-dir", "--certificate-authority", "--chart", "--client-certificate",
        "--client-key", "--cluster", "--containers", "--context", "--environment", "--field-manager", "--file",
        "--filename", "--helm-binary", "--image", "--kube-apiserver", "--kube-as-group", "--kube-as-user",
        "--kube-ca-file", "--kube-context", "--kube-tls-server-name", "--kube-token", "--kubeconfig", "--kuberc",
        "--kustomize", "--kustomize-binary", "--limits", "--log-flush-frequency", "--log-level", "--namespace",
        "--output", "--password", "--patch", "--patch-file", "--port", "--profile", "--profile-output", "--qps",
        "--registry-config", "--replicas", "--repository-cache", "--repository-config", "--request-timeout",
        "--requests", "--schedule", "--selector", "--server", "--state-values-file", "--state-values-set",
        "--subresource", "--template", "--tls-server-name", "--token", "--type", "--user", "--username", "--v",
        "--vmodule",
    }
)  # fmt: skip
"""Options that a value follows, of these programs and of their commands that are read here.

Source: kubernetes.io, "kubectl reference"; helm.sh, "helm"; helmfile, "CLI reference".
"""
WORKLOAD = re.compile(
    r"(?:po|pods?|deploy|deployments?|sts|statefulsets?|ds|daemonsets?|rs|replicasets?|rc|replicationcontrollers?|"
    r"jobs?|cj|cronjobs?|podtemplates?|dc|deploymentconfigs?|ro|rollouts?)(?:\.[\w.]+)?(?:/.*)?"
)
FILES = ("-f", "--filename", "-k", "--kustomize")
STANDARD_INPUT = ("-", "/dev/stdin")
RENDERING = {"helm": ("install", "upgrade"), "helmfile": ("apply", "sync"), "oc": ("new-app",)}
"""What puts objects into a cluster that it makes itself, from files that a person can read."""
TRIED = re.compile(r"--dry-run(?:=(?:client|server|true))?")
APPLIES = re.compile(r"\b(?:apply|create|replace)\b")
"""What brings objects into a cluster, also those that a trial has printed."""
STATIC = re.compile(r">\s*\S*/manifests?/")
"""Where a kubelet takes the pods of its own node from."""
RENDERER = re.compile(
    r"(?<![\w.-])(?P<program>kustomize|helmfile|helm|jsonnet|ytt|cue|kompose|base64|openssl|gunzip|zcat|curl|wget|"
    r"cat(?=\s+[^\s<|-]))(?!\S)"
)
"""What writes objects into a pipe that stand nowhere in the text; `cat` alone hands on a here-document."""
REMOTE = re.compile(
    r"://|^git(?:@|::)|[?&](?:ref|version)=|^(?:www\.)?(?:github\.com|gitlab\.com|bitbucket\.org)[/:]|\.git(?:$|[/?])"
)
"""What kubectl and kustomize fetch from another host. Source: kustomize, "remoteBuild"; hashicorp/go-getter."""
SUBSTITUTED = "<("
_DEEPEST = 5
"""How many commands may stand in one another."""
_BEFORE = 2000
"""Characters before a call in which its own pipe stands."""
NESTED = re.compile(r"\$\(|[<>]\(|`")
"""Where another command begins, whose words are its own."""
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
    yield from _calls(text, _DEEPEST, handed_on=_hands_trials_on(text))


def _calls(text: str, depth: int, *, handed_on: bool) -> Iterator[Call]:
    documents, command = here_documents(without_comments(text).replace("\\\n", " "))
    for document in documents:
        if not is_manifest(document.body):  # what is handed to a shell, here or on another host
            yield from _calls(document.body, depth, handed_on=handed_on)
    command = re.sub(r"\|\s*\n\s*", "| ", spelled_plainly(with_values(command, PROGRAM), PROGRAM))
    written = API_VERSION.search(text) is not None
    for call in CALL.finditer(command):
        arguments = call["arguments"]
        if depth and (nested := NESTED.search(arguments)):
            yield from _calls(arguments[nested.end() :], depth - 1, handed_on=True)
        words = _split(arguments)
        verbs, options = _verbs(words), _own_options(words)
        if {"--help", "-h"} & set(options) or (_is_tried(options) and not handed_on):
            continue
        if (*verbs, "")[0] in RENDERING.get(call["program"], ()):
            if not _is_tried(options):
                yield Call(f"{call['program']} {verbs[0]} renders its objects where no rule sees them", sees=True)
        elif call["program"] in ("kubectl", "oc"):
            before = re.split(r"[;&\n]|\|\|", command[max(0, call.start() - _BEFORE) : call.start()])[-1]
            yield from _of_kubectl(words, verbs, before, written=written)


def _hands_trials_on(text: str) -> bool:
    """Whether what a trial prints may reach a cluster: by another call, or as a file of a kubelet's own."""
    trials = sum(1 for line in re.split(r"[;&|\n]", text) if APPLIES.search(line.rpartition("--dry-run")[0]))
    return len(APPLIES.findall(text)) > trials or STATIC.search(text) is not None


def _own_options(words: list[str]) -> list[str]:
    """The words that are the call's own: what stands after `--`, or in a command within, is another program's."""
    ends = (at for at, word in enumerate(words) if word == "--" or NESTED.search(word))
    return words[: next(ends, len(words))]


def _is_tried(options: Sequence[str]) -> bool:
    """Whether it only says what it would do; the last word on that counts."""
    said = [word for word in options if word.startswith("--dry-run")]
    return bool(said) and TRIED.fullmatch(said[-1]) is not None


def _of_kubectl(words: list[str], verbs: list[str], before: str, *, written: bool) -> Iterator[Call]:
    verb, kind = (*verbs, "", "")[:2]
    if verb in ("run", "debug") or (verb == "create" and WORKLOAD.fullmatch(kind) and not _option(words, "--from")):
        yield Call(f"kubectl {' '.join(verbs[:2])} starts a container that no manifest describes", sees=False)
    elif (verb == "patch" and WORKLOAD.fullmatch(kind)) or _changes(words, verb, kind):
        yield Call(f"kubectl {' '.join(verbs[:2])} changes a workload that no manifest here describes", sees=False)
    elif verb in ("apply", "create", "replace"):
        substituted = next((at for at, word in enumerate(words) if SUBSTITUTED in word), len(words))
        # What follows are another program's options.
        for file in dict.fromkeys(_options(words[: substituted + 1], FILES)):
            if file in STANDARD_INPUT:
                yield from _piped(verb, words, before, written=written)
            elif file.startswith(SUBSTITUTED):
                yield _substituted(verb, file, words)
            else:
                yield Call(f"kubectl {verb} takes its objects from {file}", sees=not REMOTE.search(file))


def _changes(words: list[str], verb: str, kind: str) -> bool:
    """Whether `kubectl set` gives a workload another image, other limits, or a folder of its node."""
    if "--local" in words:  # it asks no server
        return False
    mounts = kind in ("volume", "volumes") and any("hostpath" in word.lower() for word in words)
    return verb == "set" and (kind in ("image", "resources") or mounts)


def _piped(verb: str, words: list[str], before: str, *, written: bool) -> Iterator[Call]:
    """What kubectl reads from its standard input, unless that is written in the text."""
    taken = f"kubectl {verb} takes its objects from"
    files = [file for file in _options(words, ("<",)) if file and not file.startswith("<<")]  # `<<<` hands over a word
    renderer = RENDERER.search(before) if "|" in before else None
    if files and files[0].startswith(SUBSTITUTED):
        yield _substituted(verb, files[0], words)
    elif files:
        yield Call(f"{taken} {files[0]}", sees=True)
    elif renderer:
        program = renderer["program"]
        yield Call(f"{taken} the output of {program}", sees=program == "helm" or not _is_remote(before))
    elif not written and not MADE.search(before):
        yield Call(f"{taken} standard input", sees=True, handed=True)


def _substituted(verb: str, file: str, words: Sequence[str]) -> Call:
    """What kubectl reads from `<(PROGRAM …)`, whose words follow as its own."""
    position = next(at for at, word in enumerate(words) if word.endswith(file))
    inside = " ".join([file.removeprefix(SUBSTITUTED), *words[position + 1 :]])
    program = (*inside.split(), "a command")[0]
    return Call(f"kubectl {verb} takes its objects from the output of {program}", sees=not _is_remote(inside))


def _is_remote(command: str) -> bool:
    return any(map(REMOTE.search, command.split()))


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
        follows = word in WITH_VALUE
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
            elif name in ("-f", "-k") and word == f"-R{name[1]}":  # `-Rf FILE`
                yield from (words[position + 1] if position + 1 < len(words) else "").split(",")
