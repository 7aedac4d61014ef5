"""Rules about Kubernetes objects that are no resources of their own: all that runs must be there to be judged."""

import re
from collections.abc import Iterator

from pulumi_policy import Severity
from pulumi_policy.proxy import UnknownValueError

from judging.command_lines import COMMANDS, INPUTS, found_in
from judging.kubectl import calls
from judging.manifest_text import is_manifest
from judging.manifests import contains_manifests, inside, may_hold_a_manifest
from judging.node import Node
from judging.pods import judged
from judging.rule import NotApplicable, Problem, Rule, Source, Subject

DESIGN = Source("Slipway", "", "policies verify with their own eyes", "")


def readable(subject: Subject) -> Iterator[Problem]:
    """An object that cannot be read cannot be judged, and what is not judged may be anything."""
    if not contains_manifests(subject):
        return
    found = inside(subject)
    for path in found.unreadable:
        yield Problem(
            f"{path} holds Kubernetes objects that are neither YAML nor JSON as they stand",
            "write complete documents, or resources of the kubernetes provider",
        )
    if signals := [signal for signal in found.unknown if may_hold_a_manifest(subject, signal)]:
        raise signals[0]
    if not found.manifests and not found.unreadable and subject.type.startswith("kubernetes:"):
        if subject.type.endswith(":Release"):
            yield Problem(
                "Helm renders its objects where no rule sees them",
                "use kubernetes:helm.sh/v4:Chart, whose objects are resources",
                advisory=True,
            )
        raise NotApplicable("its inputs hold no manifests; objects that are resources of their own are judged there")


def described(subject: Subject) -> Iterator[Problem]:
    """A container that a command line starts has no manifest, so no rule can see what it may do."""
    if not subject.type.startswith("command:"):
        return

    resource = Node(subject.properties)

    def judge(path: str) -> Iterator[Problem]:
        if path not in COMMANDS and _is_no_script(resource, path):
            return
        for where, call in found_in(resource, path, calls):
            if call.handed and _hands_over(subject):
                continue
            yield Problem(
                f"{where}: {call.seen}",
                "apply a manifest that is part of the command, or write a resource of the kubernetes provider",
                advisory=call.sees,
            )

    yield from judged(INPUTS, judge)


def _is_no_script(resource: Node, path: str) -> bool:
    """Whether a standard input is a manifest, whose containers run what they run, or is not known yet."""
    try:
        return is_manifest(str(resource.at(path).value or ""))
    except UnknownValueError:
        return True  # manifest-is-readable says so


def _hands_over(subject: Subject) -> bool:
    """Whether a command is handed objects that other rules judge, or what may turn out to be some."""
    found = inside(subject)
    places = (*(it.node.path for it in found.manifests), *found.unreadable, *(it.props[0] for it in found.unknown))
    return any(re.match(r"(?:stdin|environment)\b", place) for place in places)


RULES: tuple[Rule, ...] = (
    Rule(
        name="manifest-is-readable",
        statement="Kubernetes manifests inside a command or a component can be read and judged",
        check=readable,
        source=DESIGN,
        severity=Severity.HIGH,
        fix="Write the manifest as complete YAML or JSON, without a template language, or use the kubernetes provider.",
    ),
    Rule(
        name="workload-comes-from-a-manifest",
        statement="A command starts no container that is described by no manifest",
        check=described,
        source=DESIGN,
        severity=Severity.HIGH,
        fix="Use resources of the kubernetes provider; or pipe a complete manifest into kubectl apply -f -.",
    ),
)
