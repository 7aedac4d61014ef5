"""What a Dockerfile pulls: the images that its stages start from, copy from and mount.

The grammar is that of BuildKit's own frontend (Docker, "Dockerfile reference"; moby/buildkit, `frontend/dockerfile`):
continued lines, comments, heredocs, variables, stages by name and by number. Only the stages that the target needs
count, for BuildKit pulls nothing else. Libraries for it know no heredocs, whose text may look like an instruction, or
want a builder that runs; a name that cannot be read here is an error, never a guess.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

_DIRECTIVE = re.compile(r"[ \t]*(?:#|//)[ \t]*(?P<name>[A-Za-z][A-Za-z0-9]*)[ \t]*=[ \t]*(?P<value>\S+)")
_COMMENT = re.compile(r"[ \t]*(?:#.*)?")
_INSTRUCTION = re.compile(r"\s*(?P<word>[A-Za-z]+)(?:\s+(?P<rest>.*))?", re.DOTALL)
_WORD = re.compile(r"""(?:"(?:\\.|[^"\\])*"|'[^']*'|\\.|[^\s"'\\]|["'\\])+""", re.DOTALL)
_HEREDOC = re.compile(r"[0-9]*<<(?P<tabs>-?)(?P<name>[^<\s]+)")
_WITH_HEREDOCS = frozenset(("RUN", "COPY", "ADD"))
_VARIABLE = re.compile(r"\$(?:(?P<plain>\w+)|\{(?P<braced>\w+)(?:(?P<test>:?[-+])(?P<word>[^{}$]*))?\})")
_SETTING = re.compile(r"(?P<name>\w+)(?:=(?P<value>.*))?", re.DOTALL)
_SCRATCH = "scratch"
_PREDEFINED = ("TARGETPLATFORM", "TARGETOS", "TARGETARCH", "TARGETVARIANT")
"""What every `FROM` may use without an `ARG`; what is said of the builder's own platform is not known here."""
_SYNTAX = "BUILDKIT_SYNTAX"
"""Build argument that stands for the directive `# syntax=`."""


@dataclass
class _Stage:
    """One `FROM` and what follows it."""

    base: str
    name: str
    uses: list[str] = field(default_factory=list)
    """What it copies from and mounts: stages and images."""


def pulled_images(text: str, target: str | None, arguments: Mapping[str, str], platforms: Iterable[str]) -> list[str]:
    """The images that the stages of a build pull, as the Dockerfile writes them; sorted, each once.

    Args:
        text: the Dockerfile.
        target: stage to build; the last one where it is None or no such stage is there, which the build tells.
        arguments: the build arguments as the build gets them.
        platforms: what is built for, as `OS/ARCHITECTURE[/VARIANT]`; a variable may choose the image by it.

    Raises:
        ValueError: a name stands in a variable whose value is not known before the build.
    """
    instructions = [(word, _WORD.findall(rest)) for word, rest in _instructions(text)]
    images = set[str]()
    for platform in platforms:
        images |= _images(_stages(instructions, {**_platform_arguments(platform), **arguments}), target)
    return sorted(images)


def frontend_image(text: str, arguments: Mapping[str, str]) -> str | None:
    """The image that reads the Dockerfile in place of BuildKit itself (`# syntax=`): it runs in the builder."""
    return arguments.get(_SYNTAX) or _directives(text).get("syntax")


def _platform_arguments(platform: str) -> dict[str, str]:
    system, _, rest = platform.partition("/")
    architecture, _, variant = rest.partition("/")
    return dict(zip(_PREDEFINED, (platform, system, architecture, variant), strict=True))


def _images(stages: list[_Stage], target: str | None) -> set[str]:
    """The images of the stages that the target needs."""
    wanted = [_stage_of(target, stages, len(stages)) if target else None]
    if wanted == [None]:
        wanted = [len(stages) - 1] if stages else []
    seen, images = set[int](), set[str]()
    while wanted:
        at = wanted.pop()
        if at is None or at in seen:
            continue
        seen.add(at)
        stage = stages[at]
        # FROM knows the stages above it alone, and by their names; everything else knows all, by their numbers too.
        above = next((it for it in reversed(range(at)) if stages[it].name == stage.base.lower()), None)
        for name, other in [(stage.base, above), *((use, _stage_of(use, stages, at)) for use in stage.uses)]:
            if other is not None:
                wanted.append(other)
            elif name and name != _SCRATCH:
                images.add(name)
    return images


def _stage_of(name: str, stages: list[_Stage], count: int) -> int | None:
    """The stage with this name, or with this number below `count`."""
    if name.isascii() and name.isdigit() and int(name) < count:
        return int(name)
    return next((at for at in reversed(range(len(stages))) if stages[at].name == name.lower()), None)


def _stages(instructions: list[tuple[str, list[str]]], given: Mapping[str, str]) -> list[_Stage]:
    """The stages of a Dockerfile, variables replaced.

    Args:
        instructions: each with its words.
        given: the build arguments and what BuildKit says of the platform.
    """
    stages = list[_Stage]()
    declared = {name: given[name] for name in _PREDEFINED}
    scope = dict[str, str]()
    for word, words in instructions:
        if word == "FROM":
            scope = {}
            base, *more = [it for it in words if not it.startswith("--")] or [""]
            name = more[1].lower() if len(more) == 2 and more[0].upper() == "AS" else ""
            stages.append(_Stage(_expanded(_unquoted(base), declared, f"FROM {base}"), name))
        elif word == "ARG":
            _declare(words, given, scope if stages else declared, declared if stages else {})
        elif word == "ENV":
            # It hides an argument, and what its value is made of is only known in the build.
            for name in _set_names(words):
                scope.pop(name, None)
        elif stages:
            stages[-1].uses += _uses(word, words, scope)
    return stages


def _declare(words: list[str], given: Mapping[str, str], scope: dict[str, str], inherited: Mapping[str, str]) -> None:
    """`ARG NAME[=DEFAULT]…`: a build argument wins over the default, and a stage inherits what stands above all."""
    for setting in filter(None, map(_SETTING.fullmatch, words)):
        name, default = setting["name"], setting["value"]
        scope.pop(name, None)
        if name in given:
            scope[name] = given[name]
        elif default is None and name in inherited:
            scope[name] = inherited[name]
        elif default is not None:
            with suppress(ValueError):  # made of what is not known: neither is it, which counts only where it is used
                scope[name] = _expanded(_unquoted(default), scope, "")


def _set_names(words: list[str]) -> Iterator[str]:
    """The names in `ENV NAME=VALUE…` and in `ENV NAME VALUE`."""
    if words and "=" not in words[0]:
        yield words[0]
    yield from (word.partition("=")[0] for word in words if "=" in word)


def _uses(word: str, words: list[str], scope: Mapping[str, str]) -> Iterator[str]:
    """What an instruction copies from or mounts."""
    for flag in words:
        if not flag.startswith("--"):
            return
        name, _, value = _unquoted(flag).partition("=")
        if word in ("COPY", "ADD") and name == "--from":
            yield _expanded(value, {}, flag)
        elif word == "RUN" and name == "--mount":
            fields = [it.strip().partition("=") for it in value.split(",")]
            yield from (_expanded(_unquoted(it), scope, flag) for key, _, it in fields if key.lower() == "from")


def _expanded(text: str, scope: Mapping[str, str], where: str) -> str:
    """A text with its variables replaced.

    Raises:
        ValueError: a variable's value is not known.
    """

    def value(found: re.Match[str]) -> str:
        name = found["plain"] or found["braced"]
        known, test = scope.get(name), found["test"]
        counts = bool(known) if test and test.startswith(":") else known is not None
        if test and test.endswith("+"):
            return found["word"] if counts else ""
        if not counts and test:
            return str(found["word"])
        if known is None:
            raise ValueError(f"{where}: the value of {name} is not known before the build")
        return known

    expanded = _VARIABLE.sub(value, text)
    if "$" in expanded or "\\" in expanded:
        raise ValueError(f"{where}: which image that is cannot be read")
    return expanded


def _unquoted(text: str) -> str:
    return re.sub(r"""(["'])(.*?)\1""", r"\2", text, flags=re.DOTALL)


def _directives(text: str) -> dict[str, str]:
    """The parser directives, `# NAME=VALUE` before everything else; for a frontend of its own grammar, JSON too."""
    with suppress(ValueError):
        whole = json.loads(text)
        return {"syntax": str(whole["syntax"])} if isinstance(whole, dict) and "syntax" in whole else {}
    found = dict[str, str]()
    lines = text.removeprefix("\ufeff").splitlines()
    for line in lines[1:] if lines and lines[0].startswith("#!") else lines:
        directive = _DIRECTIVE.match(line)
        if directive is None:
            break
        found.setdefault(directive["name"].lower(), directive["value"])
    return found


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    """The instructions, each with the rest of its line; continued lines joined, comments and heredocs left out."""
    escape = re.escape(_directives(text).get("escape", "\\"))
    continued = re.compile(rf"{escape}[ \t]*$")
    lines = text.removeprefix("\ufeff").splitlines()
    at = 0
    while at < len(lines):
        line = lines[at]
        at += 1
        if _COMMENT.fullmatch(line):
            continue
        while continued.search(line):
            line = continued.sub("", line)
            while at < len(lines) and _COMMENT.fullmatch(lines[at]):
                at += 1  # comments and empty lines do not end an instruction that goes on
            if at == len(lines):
                break
            line += lines[at]
            at += 1
        instruction = _INSTRUCTION.fullmatch(line)
        if instruction is None:
            continue
        word, rest = instruction["word"].upper(), instruction["rest"] or ""
        if word == "ONBUILD" and (trigger := _INSTRUCTION.fullmatch(rest)):
            word, rest = trigger["word"].upper(), trigger["rest"] or ""  # it runs where a later stage starts from this
        if word in _WITH_HEREDOCS:
            at = _after_heredocs(rest, lines, at)
        yield word, rest


def _after_heredocs(rest: str, lines: list[str], at: int) -> int:
    """The number of the first line after the heredocs that an instruction opens; one without an end is none."""
    for word in _WORD.findall(rest):
        heredoc = _HEREDOC.fullmatch(word)
        if heredoc is None:
            continue
        name, tabs = _unquoted(heredoc["name"]), heredoc["tabs"]
        ends = (it for it in range(at, len(lines)) if (lines[it].lstrip("\t") if tabs else lines[it]) == name)
        at = next((end + 1 for end in ends), at)
    return at
