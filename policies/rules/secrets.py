"""Rules about where no secret may stand: who inspects a container, lists processes or reads a state sees it there.

A Pulumi secret arrives in a policy as plain text, as it reaches the engine: it is judged as any other value.
Where a secret belongs it is not looked for: in a container's file, in a build's `secrets`, in a connection, on standard
input.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial

from pulumi_policy import EnforcementLevel, Severity
from pulumi_policy.proxy import UnknownValueError

from detection.commands import find_in_command
from detection.dockerfile import find_in_dockerfile
from detection.finding import Finding
from detection.values import find_in_value
from judging.command_lines import COMMANDS, UNKNOWN
from judging.engine import label, made, text, variables
from judging.image_config import image_variables
from judging.images import REMOTE_IMAGE, Image
from judging.manifests import Manifest, manifests
from judging.node import Node
from judging.pods import HANDLERS, PodContainer, each_container, judged
from judging.pushes import BUILD, DOCKER_IMAGE, REGISTRY_IMAGE
from judging.rule import NotApplicable, Problem, Rule, Source, Subject
from judging.workload import Argument, Container, Variable, workloads
from rules.sources import CIS, KUBERNETES

FILES = partial(Source, "Slipway", "", url="")
CONFIG_MAP = ("v1", "ConfigMap")
_BUILD_ARGUMENTS = {
    BUILD: (("buildArgs",),),
    DOCKER_IMAGE: (("build", "args"),),
    REGISTRY_IMAGE: (("build", "buildArgs"), ("build", "buildArg"), ("build", "args")),
    REMOTE_IMAGE: (("build", "buildArgs"), ("build", "buildArg")),
}
"""Where each type of a build has its arguments."""
_BUILD_LABELS = {
    BUILD: (("labels",),),
    REGISTRY_IMAGE: (("build", "labels"), ("build", "label")),
    REMOTE_IMAGE: (("build", "labels"), ("build", "label")),
}
_CONTAINER, _SERVICE = "docker:index/container:Container", "docker:index/service:Service"
_OPTIONS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    _CONTAINER: (("logOpts",),),
    _SERVICE: (("taskSpec", "logDriver", "options"),),
    "docker:index/volume:Volume": (("driverOpts",),),
}
"""Where each type has the options of a driver."""
_MOUNTS = {_CONTAINER: ("mounts",), _SERVICE: ("taskSpec", "containerSpec", "mounts")}
_SECRETS = (("env", ("valueFrom", "secretKeyRef")), ("envFrom", ("secretRef",)))
"""Where variables of a pod's container come from a Secret."""
_HOW = {"name": "by its name", "shape": "by its shape", "entropy": "by its randomness"}
_LONGEST_NAME = 100
_IGNORE = {
    "ignore": {
        "type": "array",
        "items": {"type": "string"},
        "default": [],
        "description": "globs of the names of variables, labels and options that hold no secret",
    }
}


@dataclass(frozen=True)
class Line:
    """What one process is started with: a text for a shell, or the words of a list."""

    command: str | tuple[str, ...]
    path: str


def environment(subject: Subject) -> Iterator[Problem]:
    """An inspection shows environment variables, every child process inherits them, and crash reports print them.

    A file that is mounted read-only does none of that. It does not help that the value is a Pulumi secret: the engine
    gets it in plain text. A ConfigMap is where environments come from, and no more secret than they are. What ENV of a
    Dockerfile set is in the image, for everyone who can pull it, and in every container of it.
    """
    write = "keep it in a file that only this program reads, and hand over the file's path"
    if subject.type.startswith(("kubernetes:", "kubectl:")):
        write = "keep it in a Secret, and mount that as files"

    def of_config_map(manifest: Manifest) -> Iterator[Problem]:
        is_one = (manifest.version, manifest.kind) == CONFIG_MAP
        settings = variables(manifest.node.at("data")) if is_one else ()
        return judged(settings, partial(_setting, subject, write, manifest.where))

    def of_container(container: Container) -> Iterator[Problem]:
        return judged(container.environment, partial(_setting, subject, write, container.where))

    return _in_turn(
        lambda: judged(workloads(subject), of_container),
        lambda: judged(_own_environment(subject), partial(_setting, subject, write, "")),
        lambda: judged(manifests(subject), of_config_map),
        lambda: judged(workloads(subject), partial(_in_image, subject)),
    )


def _in_image(subject: Subject, container: Container) -> Iterator[Problem]:
    """What the image brings along, in its configuration: the resource may say nothing of it."""
    try:
        image = Image(container.image, container.where, container.path("image"))
    except NotApplicable:  # a patch that leaves the image as it is
        return
    write = "take the ENV or ARG out of its Dockerfile, mount a secret instead, and replace it: the image shows it"
    for (variable, place), platforms in image_variables(image, subject.settings).items():
        if (found := _found(subject, variable)) is not None:
            name = _printable(variable.name) or "a variable"
            seen = f"{image.path} has {name} in its {place}, which holds {_described(found)}"
            yield Problem(f"{seen} ({', '.join(platforms)})", write, container.where)


def _own_environment(subject: Subject) -> Iterator[Variable]:
    """The variables of what a resource starts where it deploys."""
    resource = Node(subject.properties)
    if subject.type.startswith("command:"):
        yield from variables(resource.at("environment"))
    elif subject.type == DOCKER_IMAGE:
        yield from variables(resource.at("build", "env"))


def labels(subject: Subject) -> Iterator[Problem]:
    """Labels are metadata: engines, clusters, registries and monitoring copy them on, and show them to everyone."""
    write = "take it out: a label says what something is"
    seen: set[Variable] = set()

    def once(where: str, label: Variable) -> Iterator[Problem]:
        if label not in seen:  # those of a container or a pod are often the resource's own
            seen.add(label)
            yield from _setting(subject, write, where, label)

    return _in_turn(
        lambda: judged(workloads(subject), lambda it: judged(it.labels, partial(once, it.where))),
        lambda: judged(_own_labels(subject), partial(once, "")),
        lambda: judged(manifests(subject), lambda it: judged(_of_object(it), partial(once, it.where))),
    )


def _own_labels(subject: Subject) -> Iterator[Variable]:
    """The labels of the resource itself, of every type that has some."""
    resource = Node(subject.properties)
    if keys := _BUILD_LABELS.get(subject.type):
        yield from judged(keys, lambda it: variables(resource.at(*it)))
    elif subject.type.startswith("docker:"):
        node = resource.at("labels")
        yield from variables(node) if isinstance(node.value, Mapping) else made(node, label)


def _of_object(manifest: Manifest) -> Iterator[Variable]:
    """The labels and annotations of a Kubernetes object."""
    return judged(("labels", "annotations"), lambda it: variables(manifest.node.at("metadata", it)))


def arguments_and_commands(subject: Subject) -> Iterator[Problem]:
    """Every user of a machine can list the arguments of its processes, and the state keeps them in plain text."""
    write = "let the program read it from a file or from standard input"

    def judge(where: str, line: Line) -> Iterator[Problem]:
        if (found := find_in_command(line.command)) and not _ignored(subject, found.at):
            yield Problem(f"{line.path} shows {_described(found)}", write, where)

    def trigger(value: Node) -> Iterator[Problem]:
        if isinstance(value.value, str):
            yield from _setting(subject, write, "", Variable("", value.value, value.path))
        else:
            yield from judged(variables(value), partial(_setting, subject, write, ""))

    resource = Node(subject.properties)
    return _in_turn(
        lambda: judged(workloads(subject), lambda it: judged(_lines(it.arguments), partial(judge, it.where))),
        lambda: each_container(subject, partial(_in_probes, subject)),
        lambda: judged(_own_lines(subject), partial(judge, "")),
        lambda: judged(_OPTIONS.get(subject.type, ()), partial(_in_options, subject)),
        lambda: judged(_mounts(subject), lambda it: _in_options(subject, ("volumeOptions", "driverOptions"), it)),
        lambda: judged(resource.at("triggers").items() if _is_command(subject) else (), trigger),
    )


def _in_probes(subject: Subject, container: PodContainer) -> Iterator[Problem]:
    """The headers that the kubelet sends to a container: they stand in the pod as its arguments do."""
    write = "let the kubelet ask for a path that needs no credentials"

    def judge(header: Node) -> Iterator[Problem]:
        value = header.at("value")
        yield from _setting(
            subject, write, container.where, Variable(header.label("name") or "", text(value.value), value.path)
        )

    return judged(
        HANDLERS, lambda handler: judged(container.node.at(*handler, "httpGet", "httpHeaders").items(), judge)
    )


def _in_options(subject: Subject, keys: tuple[str, ...], of: Node | None = None) -> Iterator[Problem]:
    """The options of a driver: the engine shows them to whoever inspects the container or the volume."""
    write = "let the driver read it from the host's own configuration"
    node = (of or Node(subject.properties)).at(*keys)
    return judged(variables(node), partial(_setting, subject, write, ""))


def _mounts(subject: Subject) -> Iterable[Node]:
    keys = _MOUNTS.get(subject.type)
    return Node(subject.properties).at(*keys).items() if keys else ()


def _is_command(subject: Subject) -> bool:
    return subject.type.startswith("command:")


def _own_lines(subject: Subject) -> Iterator[Line]:
    """What a `command` resource runs; what it reads on standard input is where a secret belongs."""
    resource = Node(subject.properties)

    def script(key: str) -> Iterator[Line]:
        if value := text(resource.at(key).value):
            yield Line(value, key)

    if _is_command(subject):
        yield from judged(COMMANDS, script)
        interpreter = made(resource.at("interpreter"), lambda it: Argument(text(it.value), it.path))
        yield from _lines(interpreter)


def _lines(arguments: Iterable[Argument]) -> Iterator[Line]:
    """The command lines that words make up: those of an entry point with those after it, those of a health check."""
    lines: dict[str, dict[str, dict[int, str]]] = {}
    signal: UnknownValueError | None = None
    try:
        for word in arguments:
            path, _, position = word.path.removesuffix("]").rpartition("[")
            parent, _, key = path.rpartition(".")
            lines.setdefault(parent, {}).setdefault(key, {})[int(position)] = word.text
    except UnknownValueError as unknown:
        signal = unknown  # kept for the end: what is known already decides during a preview
    for parent, lists in lines.items():
        words = [words.get(place, UNKNOWN) for words in lists.values() for place in range(max(words) + 1)]
        yield Line(tuple(words), f"{parent}." * bool(parent) + " with ".join(lists))
    if signal:
        raise signal


def build_arguments(subject: Subject) -> Iterator[Problem]:
    """The value of a build argument stays in the image's history, for everyone who can pull it.

    So does what an inline Dockerfile sets or runs.
    """
    write = "hand it over as a secret of the build, and replace it: images that were built have it"
    resource = Node(subject.properties)
    places = _BUILD_ARGUMENTS.get(subject.type, ())
    return _in_turn(
        lambda: judged(
            places, lambda keys: judged(variables(resource.at(*keys)), partial(_setting, subject, write, ""))
        ),
        lambda: _in_dockerfile(subject, resource.at("dockerfile", "inline"), write) if subject.type == BUILD else (),
    )


def _in_dockerfile(subject: Subject, dockerfile: Node, write: str) -> Iterator[Problem]:
    for instruction, found in find_in_dockerfile(text(dockerfile.value)):
        if not _ignored(subject, found.at):
            yield Problem(f"{dockerfile.path} has {_described(found)} in {instruction}", write)


def _in_turn(*parts: Callable[[], Iterable[Problem]]) -> Iterator[Problem]:
    """The problems of several parts of a resource; that one is unknown hides nothing of the others."""
    return judged(parts, lambda part: part())


def _setting(subject: Subject, write: str, where: str, setting: Variable) -> Iterator[Problem]:
    """What is wrong with one name and its value."""
    if found := _found(subject, setting):
        name = f" ({shown})" if (shown := _printable(setting.name)) else ""
        yield Problem(f"{setting.path}{name} holds {_described(found)}", write, where)


def secrets_as_files(subject: Subject) -> Iterator[Problem]:
    """A variable from a Secret is in plain text for every child process, every crash report and whoever execs in.

    It also stays what it was when the pod started: a file follows a Secret that is replaced.
    """

    def judge(container: PodContainer) -> Iterator[Problem]:
        def named(path: tuple[str, ...], entry: Node) -> Iterator[Problem]:
            node = entry.at(*path)
            if node.value is not None:
                seen = f"{node.path} hands over the Secret {node.label('name') or 'that it names'} as variables"
                yield Problem(seen, "mount it as files, and hand over their path", container.where)

        return judged(_SECRETS, lambda it: judged(container.node.at(it[0]).items(), partial(named, it[1])))

    return each_container(subject, judge)


def _found(subject: Subject, setting: Variable) -> Finding | None:
    """The secret in one value, unless whoever runs the pack said that there is none under this name."""
    found = find_in_value(setting.name, setting.value)
    return None if found is None or _ignored(subject, setting.name) else found


def _ignored(subject: Subject, name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in subject.options["ignore"])


def _described(found: Finding) -> str:
    """What was found and how it was recognised; never the value."""
    at = f" (at {shown})" if (shown := _printable(found.at)) else ""
    return f"what {_HOW[found.kind]} is {found.looks}{at}"


def _printable(name: str) -> str:
    """A name for a message; empty for one that may be the secret itself, as where somebody forgot the name."""
    shown = 0 < len(name) <= _LONGEST_NAME and name.isprintable() and find_in_value("", name) is None
    return name if shown else ""


RULES: tuple[Rule, ...] = (
    Rule(
        name="no-secret-in-environment",
        statement="No environment variable holds a secret",
        check=environment,
        source=FILES(control="secrets are files"),
        severity=Severity.HIGH,
        fix="Mount the secret as a file, and hand over its path. Then replace it: it was in the state in plain text.",
        options=_IGNORE,
    ),
    Rule(
        name="no-secret-in-labels",
        statement="No label and no annotation holds a secret",
        check=labels,
        source=FILES(control="secrets are files"),
        severity=Severity.HIGH,
        fix="Remove the label, and replace the secret.",
        options=_IGNORE,
    ),
    Rule(
        name="no-secret-in-arguments-or-commands",
        statement="No argument, no option of a driver and no command line shows a secret",
        check=arguments_and_commands,
        source=FILES(control="secrets are files"),
        severity=Severity.HIGH,
        fix="Let the program read the secret from a file or from standard input. Then replace it.",
        options=_IGNORE,
    ),
    Rule(
        name="no-secret-in-build-arguments",
        statement="No build argument and no inline Dockerfile holds a secret",
        check=build_arguments,
        source=CIS(control="4.10"),
        severity=Severity.CRITICAL,
        fix="Hand it over by `secrets` and RUN --mount=type=secret. Then replace it: built images have it.",
        options=_IGNORE,
    ),
    Rule(
        name="pod-takes-secrets-as-files",
        statement="A pod mounts its Secrets as files",
        check=secrets_as_files,
        source=KUBERNETES(control="5.4.1"),
        severity=Severity.LOW,
        level=EnforcementLevel.ADVISORY,
        fix="Replace secretKeyRef and secretRef by a volume of the Secret that is mounted read-only.",
    ),
)
