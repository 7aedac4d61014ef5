"""The report as Markdown, to be posted on a pull request: what matters first, never too long for a comment.

Everything that comes from elsewhere (a commit's subject, a package's name, an error) stands in code, where no mention,
link or markup works. Lists are cut before the text is longer than a comment may be; preview.json has them whole.
"""

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from commands.previews.report import Problem, Report, Service, SettingChange, VulnerabilityChange
from commands.previews.words import (
    changes,
    commits_words,
    counted,
    headline,
    later_words,
    operation_words,
    packages_words,
    printable,
    pull_words,
    release_words,
    settings_words,
    severities,
    versions,
    vulnerabilities_words,
)

LONGEST = 60_000
"""Bytes: GitHub takes 65536 characters in a comment, others more."""
_CAPS = (100, 40, 15, 5, 1)
"""How many entries of a list are shown: less where the whole would be too long."""
_LONGEST_LINE = 300
_LONGEST_MESSAGE = 4000
_TICKS = re.compile(r"`+")

Entry = TypeVar("Entry")


def marker(stack: str) -> str:
    """The invisible first line, by which the comment of an earlier run is found."""
    return f"<!-- slipway preview: {re.sub(r'[^A-Za-z0-9._/-]', '', stack).replace('--', '-')} -->"


def markdown(report: Report, longest: int = LONGEST) -> str:
    """The report as Markdown.

    Args:
        report: the report.
        longest: most bytes that the text may have.
    """
    for cap in _CAPS:
        text = _rendered(report, cap)
        if len(text.encode()) <= longest:
            return text
    notice = "\n\n*This report is too long for a comment and was cut here: preview.json has all of it.*\n"
    room = max(longest - len(notice.encode()), 0)
    return _closed(text.encode()[:room].decode(errors="ignore").rpartition("\n")[0]) + notice


def _closed(text: str) -> str:
    """A text that was cut, with what it had opened closed, so that the notice is not part of it."""
    fences = re.findall(r"(?m)^ *(`{3,})", text)
    if len(fences) % 2:
        text += f"\n{fences[-1]}"
    return text + "\n</details>" * (text.count("<details>") - text.count("</details>"))


def _rendered(report: Report, cap: int) -> str:
    blocks = [marker(report.stack), f"## Preview of {code(report.stack)}: {headline(report)}"]
    problems = [it for it in report.problems if it.stops]
    blocks += [_problem(it) for it in problems[:cap]]
    blocks += [_more(len(problems) - cap)] if len(problems) > cap else []
    shown = [it for it in report.services if it.state != "unchanged"]
    if shown:
        blocks.append(_summary(shown))
    for service in shown:
        blocks += _service(service, cap)
    blocks += _resources("Other resources", report.other_resources, cap)
    advice = [it for it in report.problems if it.kind in ("advice", "warning")]
    if advice:
        listed = _listed(advice, cap, lambda it: f"- {_said(it)}")
        blocks.append(_folded(f"{counted(len(advice), 'remark')} (nothing that stops)", listed))
    if later := later_words(report):
        blocks.append(_folded(later, _listed(_by_policy(report), cap, lambda it: it)))
    unchanged = [code(it.name) for it in report.services if it.state == "unchanged"]
    if unchanged:
        blocks.append(f"Unchanged: {', '.join(unchanged[:cap])}{' …' if len(unchanged) > cap else ''}")
    if report.changes:
        blocks.append(f"<sub>Resources: {changes(report)}. The same as data: preview.json</sub>")
    return "\n\n".join(blocks) + "\n"


def _by_policy(report: Report) -> list[str]:
    """Each policy that waits for `up`, once, with the resources that it waits for."""
    found: dict[str, dict[str, None]] = {}
    for problem in report.problems:
        if problem.kind == "later":
            found.setdefault(problem.policy, {})[problem.resource] = None
    return [f"- {code(policy)}: {', '.join(map(code, names))}" for policy, names in sorted(found.items())]


def _summary(services: Sequence[Service]) -> str:
    rows = ["| service | release | commits | to pull | packages | vulnerabilities | settings |"]
    rows.append("| --- | --- | --- | --- | --- | --- | --- |")
    for it in services:
        names, digests = release_words(it)
        pulled = "<br>".join(map(_cell, pull_words(it)))
        release = f"{code(names)}<br>{code(digests)}".replace("|", "\\|")  # else a bar ends the cell, even in code
        cells = [code(it.name), release, _cell(commits_words(it)), pulled]
        cells += [_cell(packages_words(it)), _cell(vulnerabilities_words(it)), _cell(settings_words(it))]
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


def _service(service: Service, cap: int) -> list[str]:
    blocks = []
    if service.stopped_by:
        title = f"❌ **The scan would stop it at `up`** ({severities(service.stopped_by)})"
        blocks.append(f"{title}\n\n{_listed(service.stopped_by, cap, _vulnerability)}")
    weak = [it for it in service.settings if it.weight == "weakens"]
    if weak:
        listed = _listed(weak, cap, _setting)
        blocks.append(f"⚠️ **{counted(len(weak), 'setting')} would weaken the workload**\n\n{listed}")
    found = service.vulnerabilities
    if found and found.introduced:
        title = f"⚠️ **{counted(len(found.introduced), 'vulnerability')} would be introduced**"
        blocks.append(f"{title} ({severities(found.introduced)})\n\n{_listed(found.introduced, cap, _vulnerability)}")
    if found and found.newly_known:
        count = counted(len(found.newly_known), "vulnerability")
        blocks.append(
            f"**{count} in what runs today became known since**\n\n{_listed(found.newly_known, cap, _vulnerability)}"
        )
    if service.unknown:
        blocks.append("Not known at preview:\n\n" + _listed(service.unknown, cap, lambda it: f"- {code(it)}"))
    blocks += _commits(service, cap)
    if service.packages:
        listed = _listed(
            service.packages,
            cap,
            lambda it: (
                f"- {it.change} {code(it.name)} ({code(it.kind)}): {code(versions(it.before))} → "
                f"{code(versions(it.after))}{_where(it.platforms, service)}"
            ),
        )
        blocks.append(_folded(f"Packages: {packages_words(service)}", listed))
    if found and found.fixed:
        fixed = counted(len(found.fixed), "vulnerability")
        blocks.append(_folded(f"{fixed} would be fixed", _listed(found.fixed, cap, _vulnerability)))
    others = [it for it in service.settings if it.weight != "weakens"]
    if others:
        listed = _listed(others, cap, _setting)
        blocks.append(_folded(f"{counted(len(others), 'other setting')} would change", listed))
    blocks += _resources("Resources", service.resources, cap)
    return [f"### {code(service.name)}", *blocks] if blocks else []


def _commits(service: Service, cap: int) -> list[str]:
    commits = service.commits
    if not commits:
        return []
    blocks = []
    for some, title in ((commits.added, "would ship"), (commits.taken_back, "would be taken back")):
        if some:
            listed = _listed(some, cap, lambda it: f"- {code(it.hash[:9])} {code(it.subject)} {code(it.author)}")
            blocks.append(_folded(f"{counted(len(some), 'commit')} {title}", listed))
    if commits.uncommitted:
        blocks.append("The tree has changes that are in no commit.")
    return blocks


def _resources(title: str, resources: Sequence[object], cap: int) -> list[str]:
    if not resources:
        return []
    listed = _listed(
        resources,
        cap,
        lambda it: f"- {operation_words(it.operation)} {code(it.name)} {code(it.type)}",  # type: ignore[attr-defined]
    )
    return [_folded(f"{title}: {len(resources)}", listed)]


def _setting(change: SettingChange) -> str:
    before = code(change.before) if change.before is not None else "not set"
    after = code(change.after) if change.after is not None else "not set"
    why = f": {_cell(change.why)}" if change.why else ""
    reason = f" (reason given: {code(change.reason)})" if change.reason else ""
    return f"- {change.weight} {code(change.setting)}: {before} → {after}{why}{reason}"


def _vulnerability(finding: VulnerabilityChange) -> str:
    fixed = f", fixed in {code(finding.fixed_in)}" if finding.fixed_in else ", no fix yet"
    title = f" {code(finding.title)}" if finding.title else ""
    return f"- {finding.severity} {code(finding.id)} in {code(f'{finding.package} {finding.version}')}{fixed}{title}"


def _where(platforms: Sequence[str], service: Service) -> str:
    """The platforms of a change, where it is not all of them."""
    every = {it.platform for it in service.layers or ()}
    return f" ({', '.join(platforms)})" if every and set(platforms) != every else ""


def _problem(problem: Problem) -> str:
    about = " ".join(code(it) for it in (problem.policy, problem.resource) if it)
    kind = "Violated policy" if problem.kind == "policy" else "Error"
    return f"❌ **{kind}** {about}\n\n{fenced(problem.message)}"


def _said(problem: Problem) -> str:
    about = " ".join(code(it) for it in (problem.policy, problem.resource) if it)
    return f"{problem.kind} {about}: {code(problem.message)}"


def _listed(entries: Sequence[Entry], cap: int, line: Callable[[Entry], str]) -> str:
    lines = [line(entry) for entry in entries[:cap]]
    return "\n".join(lines + ([f"- {_more(len(entries) - cap)}"] if len(entries) > cap else []))


def _more(number: int) -> str:
    return f"… and {number} more: preview.json has them all"


def _folded(title: str, content: str) -> str:
    return f"<details><summary>{_cell(title)}</summary>\n\n{content}\n\n</details>"


def _cell(text: str) -> str:
    """Our own words, with what may stand in them of others made harmless."""
    plain = printable(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_|\[\]~])", r"\\\1", plain).replace("@", "@&#8203;").replace("\n", " ")


def code(text: str) -> str:
    """Text of others as code on one line, in which nothing is interpreted."""
    line = printable(" ".join(text.split()))
    line = line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]}…"
    line = line or " "
    fence = "`" * (max(map(len, _TICKS.findall(line)), default=0) + 1)
    padding = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{padding}{line}{padding}{fence}"


def fenced(text: str) -> str:
    """Lines of others as a block of code."""
    plain = printable(text)
    plain = plain if len(plain) <= _LONGEST_MESSAGE else f"{plain[:_LONGEST_MESSAGE]}\n…"
    fence = "`" * max(3, max(map(len, _TICKS.findall(plain)), default=0) + 1)
    return f"{fence}text\n{plain}\n{fence}"
