"""What the kubectl commands in a text do to workloads, as far as it is not a manifest in the same text."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from judging.manifest_text import here_documents, is_manifest

CALL = re.compile(r"(?<![\w./-])(?:[\w./-]*/)?(?:kubectl|oc)(?!\S)(?P<arguments>[^|;&\n)`]*)")
WITH_VALUE = re.compile(r"-[ns]|--(?:namespace|context|kubeconfig|server|cluster|user|token|as|as-group)")
WORKLOAD = re.compile(
    r"(?:po|pods?|deploy|deployments?|sts|statefulsets?|ds|daemonsets?|rs|replicasets?|rc|replicationcontrollers?|"
    r"jobs?|cj|cronjobs?|podtemplates?)(?:\.[\w.]+)?(?:/.*)?"
)
FILES = ("-f", "--filename", "-k", "--kustomize")


@dataclass(frozen=True)
class Call:
    """One call of kubectl; `sees` is true where a person who reads the file that it names can judge it."""

    seen: str
    sees: bool


def calls(text: str) -> Iterator[Call]:
    """The calls of kubectl in a shell command that run a workload which is not written in that command."""
    documents, command = here_documents(text.replace("\\\n", " "))
    for document in documents:
        if not is_manifest(document.body):  # what is handed to a shell, here or on another host
            yield from calls(document.body)
    for call in CALL.finditer(command):
        words = _split(call["arguments"])
        verbs = _verbs(words)
        verb, kind = (*verbs, "", "")[:2]
        if verb in ("run", "debug") or (verb == "create" and WORKLOAD.fullmatch(kind) and not _option(words, "--from")):
            yield Call(f"kubectl {' '.join(verbs[:2])} starts a container that no manifest describes", sees=False)
        elif (verb == "patch" and WORKLOAD.fullmatch(kind)) or verbs[:2] == ["set", "image"]:
            yield Call(f"kubectl {' '.join(verbs[:2])} changes a workload that no manifest here describes", sees=False)
        elif verb in ("apply", "create", "replace"):
            for file in _options(words, FILES):
                if file not in ("-", "/dev/stdin"):
                    remote = "://" in file
                    yield Call(f"kubectl {verb} takes its objects from {file}", sees=not remote)


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
