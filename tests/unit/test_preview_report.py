"""The report as text: as Markdown for a pull request and as a table, and what somebody may have put into it."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from rich.console import Console

from commands.previews.markdown import LONGEST, code, fenced, markdown, marker
from commands.previews.report import (
    REPORT_VERSION,
    Artifact,
    Commit,
    Commits,
    Layers,
    PackageChange,
    Problem,
    Report,
    ResourceChange,
    Service,
    SettingChange,
    Vulnerabilities,
    VulnerabilityChange,
)
from commands.previews.terminal import Progress, show_report
from commands.previews.words import headline, size

OLD, NEW = "sha256:" + "1" * 64, "sha256:" + "2" * 64
AMD, ARM = "linux/amd64", "linux/arm64"


def service(**changes: Any) -> Service:
    """A service that goes from 1.4.0 to 1.5.0, with something in every part."""
    finding = VulnerabilityChange(id="CVE-2", package="jinja2", version="2.4.1", severity="HIGH", fixed_in="2.10.1")
    given: dict[str, Any] = {
        "name": "web",
        "state": "changed",
        "ships": True,
        "before": Artifact(digest=OLD, tag="1.4.0", version="1.4.0"),
        "after": Artifact(digest=NEW, tag="1.5.0", version="1.5.0"),
        "commits": Commits(context="app", added=(commit("Show low water"),)),
        "layers": (layers(AMD), layers(ARM)),
        "packages": (PackageChange(name="jinja2", kind="pypi", change="added", after=("2.4.1",), platforms=(AMD,)),),
        "vulnerabilities": Vulnerabilities(introduced=(finding,), fixed=(finding.model_copy(update={"id": "CVE-1"}),)),
        "settings": (
            SettingChange(setting="read_only", before="true", after="false", weight="weakens", why="it is writable"),
            SettingChange(setting="memory", before="256", after="128", weight="tightens"),
        ),
        "resources": (
            ResourceChange(operation="replace", type="docker:index/container:Container", name="web-container"),
        ),
    }
    return Service(**given | changes)


def commit(subject: str, author: str = "A Person") -> Commit:
    """A commit."""
    return Commit(hash="c" * 40, author=author, time="2026-11-25T00:00:00Z", subject=subject)


def layers(platform: str) -> Layers:
    """A platform with one new layer."""
    return Layers(
        platform=platform,
        state="changed",
        pull_layers=2,
        pull_bytes=1_234_567,
        total_layers=7,
        total_bytes=52_000_000,
        size_change=-10,
    )


def report(*services: Service, **changes: Any) -> Report:
    """A report of a preview that passed."""
    given: dict[str, Any] = {
        "project": "slipway",
        "stack": "staging",
        "time": "2026-11-25T00:00:00Z",
        "exit_code": 0,
        "passed": True,
        "would_ship": any(it.ships for it in services),
        "changes": {"replace": 1, "same": 20},
        "services": services,
    }
    return Report(**given | changes)


def printed(content: Report) -> str:
    """What a person sees on a terminal that is wide enough."""
    console = Console(file=io.StringIO(), width=300, force_terminal=False)
    show_report(console, content)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text


def test_the_comment_says_all_of_it_and_the_worst_first() -> None:
    text = markdown(report(service()))
    assert text.startswith("<!-- slipway preview: staging -->\n\n## Preview of `staging`: 1 service would ship\n")
    row = next(line for line in text.splitlines() if line.startswith("| `web`"))
    assert row == (
        "| `web` | `1.4.0 → 1.5.0`<br>`111111111111 → 222222222222` | 1 "
        "| linux/amd64: 2 of 7 layers, 1.2 MB<br>linux/arm64: 2 of 7 layers, 1.2 MB | 1 added "
        "| 1 introduced (1 HIGH), 1 fixed | 1 weaken, 1 tighten |"
    )
    order = ["1 setting would weaken", "would be introduced", "1 commit would ship", "Packages:", "would be fixed"]
    assert sorted(order, key=text.index) == order
    assert "- added `jinja2` (`pypi`): `none` → `2.4.1` (linux/amd64)" in text
    assert "- HIGH `CVE-2` in `jinja2 2.4.1`, fixed in `2.10.1`" in text


def test_the_terminal_says_the_same() -> None:
    text = printed(report(service()))
    for part in ("1.4.0 → 1.5.0", "2 of 7 layers, 1.2 MB", "1 introduced (1 HIGH), 1 fixed", "weakens read_only: true"):
        assert part in text
    assert text.rstrip().splitlines()[-2] == "staging: 1 service would ship"


@pytest.mark.parametrize("width", [110, 124, 160])
def test_a_narrow_terminal_cuts_nothing_off(width: int) -> None:
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    show_report(console, report(service()))
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    table = [line for line in text.splitlines() if line.startswith(("┏", "│", "└"))]
    assert {line[-1] for line in table} == {"┓", "│", "┘"}
    assert {len(line) for line in table} and max(map(len, table)) <= width


def test_an_unchanged_service_is_only_named() -> None:
    same = service(state="unchanged", ships=False, settings=(), resources=())
    text = markdown(report(same, would_ship=False))
    assert "## Preview of `staging`: nothing would change" in text
    assert "Unchanged: `web`" in text
    assert "### " not in text
    assert "│" not in printed(report(same, would_ship=False))


def test_what_is_not_known_is_said_and_does_not_look_like_none() -> None:
    missing = service(layers=None, packages=None, vulnerabilities=None, unknown=("digest: it is not built yet",))
    text = markdown(report(missing))
    assert "| not known | not known | not known |" in text
    assert "Not known at preview:\n\n- `digest: it is not built yet`" in text
    assert printed(report(missing)).count("not known") >= 4


def test_what_stops_comes_before_everything_else() -> None:
    violated = Problem(kind="policy", policy="image-is-signed", resource="web-container", message="it is\nnot signed")
    remark = Problem(kind="advice", policy="advice", message="old report")
    text = markdown(report(service(), passed=False, would_ship=False, problems=(violated, remark)))
    assert "## Preview of `staging`: `up` would stop: 1 problem" in text
    assert "❌ **Violated policy** `image-is-signed` `web-container`\n\n```text\nit is\nnot signed\n```" in text
    assert text.index("Violated policy") < text.index("| service |") < text.index("1 remark")


def test_what_the_scan_would_stop_does_not_look_as_if_it_shipped() -> None:
    finding = VulnerabilityChange(id="CVE-2", package="jinja2", version="2.4.1", severity="HIGH")
    content = report(service(stopped_by=(finding,)), would_ship=False)
    assert "## Preview of `staging`: `up` would stop at the scan of web" in markdown(content)
    assert "❌ **The scan would stop it at `up`** (1 HIGH)" in markdown(content)
    assert "stopped by the scan at `up`" in printed(content)


def test_what_only_an_up_can_judge_is_one_line_a_policy() -> None:
    message = "can't run policy 'signed' from policy pack 'slipway' during preview: it can't be known during preview"
    waits = [
        Problem(kind="later", policy=policy, resource=name, message=message)
        for policy in ("signed", "pinned")
        for name in ("web-pull", "web-container")
    ]
    content = report(service(), problems=tuple(waits))
    told = "2 policies read what only `up` will know, and will be judged there"
    assert "- `pinned`: `web-pull`, `web-container`\n- `signed`: `web-pull`, `web-container`" in markdown(content)
    assert "remark" not in markdown(content)
    assert told in printed(content)
    assert message not in printed(content)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"passed": False}, "`up` would stop: the preview did not come to its end"),
        (
            {"other_resources": (ResourceChange(operation="create", type="a", name="b"),)},
            "nothing would ship; 1 resource",
        ),
        ({}, "nothing would change"),
    ],
)
def test_the_headline_says_whether_something_would_ship(changes: dict[str, Any], told: str) -> None:
    assert headline(report(**changes)).startswith(told)


def test_a_service_that_goes_is_not_one_that_ships() -> None:
    gone = Service(name="old", state="removed", ships=True)
    assert headline(report(gone)) == "1 service would be removed"
    assert headline(report(service(), gone, gone)) == "1 service would ship, 2 services would be removed"


EVIL = [
    "@everyone look",
    "](javascript:x) [click](https://evil.example)",
    "<img src=x onerror=y>",
    "`` ` ```",
    "| a | b |",
    "<!-- slipway preview: production -->",
    "</details>\n\n# Approved",
    "#1 closes #2",
    "\x1b]0;title\x07\x1b[2J\u202egnp.exe",
    "[bold red]markup[/] [link=https://evil.example]here[/link]",
]


@pytest.mark.parametrize("text", EVIL)
def test_what_others_wrote_is_never_interpreted(text: str) -> None:
    content = report(
        service(
            commits=Commits(context="app", added=(commit(text, text),)),
            packages=(PackageChange(name=text, kind=text, change="added", after=(text,)),),
            settings=(SettingChange(setting=f"environment.{text}", before=None, after=text, weight="neutral"),),
            unknown=(text,),
            after=Artifact(digest=NEW, tag=text),
        ),
        problems=(Problem(kind="error", resource=text, message=text), Problem(kind="warning", message=text)),
    )
    outside = _without_code(markdown(content))
    for part in ("@everyone", "](", "<img", "# Approved", "#1", "\x1b", "\u202e", "<!-- slipway preview: production"):
        assert part not in outside, part
    assert outside.count("<details>") == outside.count("</details>")
    shown = printed(content)
    assert "\x1b" not in shown and "\u202e" not in shown
    if text.startswith("[bold"):
        assert "[bold red]markup[/]" in shown


def _without_code(text: str) -> str:
    """What is left of Markdown when all that is code is taken out, as the CommonMark specification finds it."""
    text = re.sub(r"(?ms)^(`{3,})text\n.*?^\1$", "", text)
    return re.sub(r"(?s)(?<!`)(`+)(?!`)(.*?)(?<!`)\1(?!`)", "", text)


@given(st.text())
def test_code_is_one_span_whatever_is_in_it(text: str) -> None:
    span = code(text)
    assert "\n" not in span
    assert _without_code(f"a {span} b") == "a  b"


@given(st.text(alphabet="`a\n "))
def test_a_block_of_code_ends_where_it_is_said_to(text: str) -> None:
    block = fenced(text)
    fence = block.partition("text\n")[0]
    inside = block.splitlines()[1:-1]
    assert block.splitlines()[-1] == fence
    assert not [line for line in inside if line.strip().startswith(fence)]


def many(number: int) -> Report:
    """A report with this many entries in each of its lists."""
    return report(
        *(
            service(
                name=f"web-{at}",
                commits=Commits(context="app", added=tuple(commit(f"Change {it} " + "x" * 90) for it in range(number))),
                unknown=tuple(f"{it} " + "y" * 200 for it in range(number)),
            )
            for at in range(max(number // 10, 1))
        ),
        problems=tuple(Problem(kind="error", message=f"{it} " + "z" * 3000) for it in range(number)),
    )


@pytest.mark.parametrize("number", [1, 30, 300])
def test_a_comment_is_never_too_long(number: int) -> None:
    text = markdown(many(number))
    assert len(text.encode()) <= LONGEST
    assert text.startswith(marker("staging"))
    if number > 1:
        assert "more: preview.json has them all" in text or "preview.json has all of it" in text
    assert text.count("<details>") == text.count("</details>")
    assert len(re.findall(r"(?m)^`{3}", text)) % 2 == 0


def test_what_is_cut_says_how_much_is_missing() -> None:
    commits = Commits(context="app", added=tuple(commit(f"Change {it}") for it in range(250)))
    assert "- … and 150 more: preview.json has them all" in markdown(report(service(commits=commits)))


def test_the_terminal_shows_the_first_of_many() -> None:
    commits = Commits(context="app", added=tuple(commit(f"Change {it}") for it in range(250)))
    assert "… and 230 more" in printed(report(service(commits=commits)))


@pytest.mark.parametrize("stack", ["production", "driftwood/slipway/dev", "a-->b"])
def test_the_comment_of_an_earlier_run_is_found_by_its_stack(stack: str) -> None:
    assert re.fullmatch(r"<!-- slipway preview: [A-Za-z0-9._/-]+ -->", marker(stack))
    assert "-->" not in marker(stack)[:-3]


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (-1_234_567, "-1.2 MB"), (999_999, "1.0 MB")]
)
def test_bytes_are_told_as_registries_count_them(number: int, text: str) -> None:
    assert size(number) == text


def test_the_data_is_read_back_as_it_was_and_says_its_version() -> None:
    content = report(service())
    assert Report.model_validate_json(content.model_dump_json()) == content
    assert content.schema_version == REPORT_VERSION
    with pytest.raises(ValidationError):
        Report.model_validate(content.model_dump() | {"surprise": 1})


def test_progress_says_each_change_and_each_problem_once() -> None:
    from commands.previews.change import Resource, State

    console = Console(file=io.StringIO(), width=200)
    with Progress(console, "staging") as progress:
        for operation in ("same", "update"):
            seen = Resource(f"urn:pulumi:s::p::a:b:C::{operation}d", "a:b:C", operation, State(), State())
            progress.show(seen)
            progress.show(seen)
        progress.show(Problem(kind="error", resource="web", message="no [such] thing"))
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    assert text.splitlines() == ["previewing staging …", " ~ update     updated", "error web: no [such] thing"]
