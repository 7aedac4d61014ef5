"""Rules about the graph of a stack that uses Slipway's components; any other is judged by the other rules alone."""

from collections.abc import Callable, Iterator, Mapping
from functools import wraps

from pulumi_policy import Severity
from pulumi_policy.proxy import UnknownValueError

from judging.images import REMOTE_IMAGE
from judging.node import Node
from judging.rule import NotApplicable, Problem, Source, Subject
from judging.stack_rule import Found, Graph, StackRule
from judging.workload import workloads
from verification.references import Reference, is_image_id

IMAGE = "slipway:index:Image"
RELEASES = ("slipway:index:Release", "slipway:index:Promotion")
Check = Callable[[Graph], Iterator[Found]]


def _with_components(check: Check) -> Check:
    @wraps(check)
    def of_slipway(graph: Graph) -> Iterator[Found]:
        if not any(subject.type.startswith("slipway:") for subject in graph.subjects):
            raise NotApplicable("the stack uses none of Slipway's components")
        yield from check(graph)

    return of_slipway


@_with_components
def runs_a_release(graph: Graph) -> Iterator[Found]:
    """In a stack that releases or promotes, what runs beside that went through no gate which the stack knows of."""
    released, unknown = _released(graph)
    signal = unknown
    for subject, image in _running(graph):
        if isinstance(image, UnknownValueError):
            signal = signal or image
        elif isinstance(image, str):
            yield subject, Problem(f"runs {image}, which is pinned by no digest", "run the digest of a release")
        elif image.digest not in released and unknown is None:
            yield (
                subject,
                Problem(
                    f"runs {image.pinned}, which no Release and no Promotion of this stack carries",
                    "run the reference that a Release or a Promotion hands on",
                ),
            )
    if signal:
        raise signal


@_with_components
def one_digest_of_a_service(graph: Graph) -> Iterator[Found]:
    """Two digests of one service at once are two versions of the truth: which one answers is then a matter of luck."""
    first: dict[str, tuple[Subject, Reference]] = {}
    signal: UnknownValueError | None = None
    for subject, image in _running(graph):
        if isinstance(image, UnknownValueError):
            signal = signal or image
        elif isinstance(image, Reference):
            other, before = first.setdefault(image.repository, (subject, image))
            if before.digest != image.digest:
                yield (
                    subject,
                    Problem(
                        f"runs {image.pinned}, while {other.name} runs {before.digest} of the same repository",
                        "run one digest of a service in a stack",
                    ),
                )
    if signal:
        raise signal


@_with_components
def candidate_is_released(graph: Graph) -> Iterator[Found]:
    """A candidate that no release takes was built, pushed and paid for, and lies unscanned where it is."""
    released, signal = _released(graph)
    is_certain = signal is None
    for subject in graph.of_types(IMAGE):
        try:
            digest = Node(subject.properties).at("digest").value
        except UnknownValueError as unknown:
            signal = signal or unknown
            continue
        if digest not in released and is_certain:
            yield (
                subject,
                Problem(
                    f"built the candidate {digest}, which no Release of this stack carries",
                    "release it with a Release, or remove the Image",
                ),
            )
    if signal:
        raise signal


def _released(graph: Graph) -> tuple[set[str], UnknownValueError | None]:
    """The digests that releases and promotions of the stack carry, and the signal that one is not known."""
    digests: set[str] = set()
    signal: UnknownValueError | None = None
    for subject in graph.of_types(*RELEASES):
        outputs = Node(subject.properties)
        try:
            digest = outputs.at("record", "digest").value
            reference = outputs.at("reference").value if digest is None else None
        except UnknownValueError as unknown:
            signal = signal or unknown
            continue
        digests.add(str(digest or str(reference).rpartition("@")[2]))
    return digests, signal


def _running(graph: Graph) -> Iterator[tuple[Subject, Reference | str | UnknownValueError]]:
    """Every workload with its image: its reference by digest, another text that it has, or that it is not known."""
    pulled = _pulled(graph)
    for subject in graph.subjects:
        try:
            for container in workloads(subject):
                try:
                    yield subject, _image(container.image, pulled)
                except UnknownValueError as unknown:
                    yield subject, unknown
        except UnknownValueError as unknown:
            yield subject, unknown


def _image(text: str, pulled: Mapping[str, str]) -> Reference | str:
    try:
        reference = Reference.parse(pulled.get(text, text))
    except ValueError:
        return text
    return reference if reference.digest else text


def _pulled(graph: Graph) -> Mapping[str, str]:
    """The references by which local image ids were pulled: after a refresh, a container's state holds the id."""
    found = {}
    for subject in graph.of_types(REMOTE_IMAGE):
        outputs = Node(subject.properties)
        identifier, name = outputs.label("imageId"), outputs.label("name")
        if identifier and name and is_image_id(identifier):
            found[identifier] = name
    return found


RULES: tuple[StackRule, ...] = (
    StackRule(
        name="workload-runs-a-release",
        statement="In a stack with Slipway's components every workload runs a digest that was released or promoted",
        check=runs_a_release,
        source=Source("Slipway", "", "gates are edges", ""),
        severity=Severity.HIGH,
        fix="Hand the reference of a Release or a Promotion to the workload.",
    ),
    StackRule(
        name="service-runs-one-digest",
        statement="All workloads of one service run the same digest",
        check=one_digest_of_a_service,
        source=Source("Slipway", "", "digest is identity", ""),
        severity=Severity.MEDIUM,
        fix="Hand one and the same reference to all workloads of the service.",
    ),
    StackRule(
        name="candidate-is-released",
        statement="Every candidate that a stack builds is released by it",
        check=candidate_is_released,
        source=Source("Slipway", "", "gates are edges", ""),
        severity=Severity.LOW,
        fix="Use Release, which builds and releases; remove an Image whose digest nobody takes.",
    ),
)
