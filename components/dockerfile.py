"""What a Dockerfile pulls: the images that its stages start from, copy from and mount.

The grammar is that of BuildKit's own frontend (Docker, "Dockerfile reference"; moby/buildkit 0.34,
`frontend/dockerfile`): continued lines, comments, heredocs, variables, stages by name and by number. Only the stages
that the target needs count, for BuildKit pulls nothing else. Libraries for it know no heredocs, whose text may look
like an instruction, or want a builder that runs. Where a text cannot be read for sure, it is an error, never a guess.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

_DIRECTIVE = re.compile(r"[ \t]*(?P<mark>#|//)[ \t]*(?P<name>[A-Za-z][A-Za-z0-9]*)[ \t]*=[ \t]*(?P<value>\S+)")
_DIRECTIVES = frozenset(("syntax", "escape", "check"))
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f]")
_INSTRUCTION = re.compile(r"\s*(?P<word>[A-Za-z]+)(?:\s+(?P<rest>.*))?", re.DOTALL)
_WORD = re.compile(r"""(?:"(?:\\.|[^"\\])*"|'[^']*'|\\.|[^\s"'\\]|["'\\])+""", re.DOTALL)
_HEREDOC = re.compile(r"[0-9]*<<(?P<tabs>-?)(?P<name>[^<]+)", re.DOTALL)
_HEREDOC_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_WITH_HEREDOCS = frozenset(("RUN", "COPY", "ADD"))
_VARIABLE = re.compile(r"\$(?:(?P<plain>\w+)|\{(?P<braced>\w+)(?:(?P<test>:?[-+])(?P<word>[^{}$]*))?\})")
_SETTING = re.compile(r"(?P<name>\w+)(?:=(?P<value>.*))?", re.DOTALL)
_SCRATCH = "scratch"
_BUILDERS_OWN = (
    *("BUILDPLATFORM", "BUILDOS", "BUILDOSVERSION", "BUILDARCH", "BUILDVARIANT"),
    *("TARGETOSVERSION", "TARGETSTAGE"),
)
"""What BuildKit sets for every `FROM` and only the build knows."""
_SYNTAX = "BUILDKIT_SYNTAX"
"""Build argument that stands for the directive `# syntax=`."""

Words = list[tuple[str, list[str]]]
"""Instructions, each with the words behind it."""
Value = str | None
"""The value of a variable; None where only the build knows it."""


@dataclass
class _Stage:
    """One `FROM` and what follows it; a name that cannot be read is an error where the stage is needed."""

    base: str | ValueError
    name: str
    uses: list[tuple[str, str | ValueError]] = field(default_factory=list)
    """What it copies from and mounts, each with its instruction."""
    triggers: list[tuple[str, str | ValueError]] = field(default_factory=list)
    """What stages use that start from this one (`ONBUILD`)."""


def pulled_images(text: str, target: str | None, arguments: Mapping[str, str], platforms: Iterable[str]) -> list[str]:
    """The images that the stages of a build pull, as the Dockerfile writes them; sorted, each once.

    Args:
        text: the Dockerfile.
        target: stage to build; the last one where it is None or no such stage is there, which the build tells.
        arguments: the build arguments as the build gets them.
        platforms: what is built for, as `OS/ARCHITECTURE[/VARIANT]`; a variable may choose the image by it.

    Raises:
        ValueError: a name cannot be read before the build.
    """
    instructions = _instructions(text)
    images = set[str]()
    for platform in platforms:
        images |= _images(_stages(instructions, arguments, platform), target)
    return sorted(images)


def stage_names(text: str) -> set[str]:
    """The names of all stages, in lower case.

    Raises:
        ValueError: the text cannot be read.
    """
    return {name for word, words in _instructions(text) if word == "FROM" and (name := _named(words))}


def frontend_image(text: str, arguments: Mapping[str, str]) -> str | None:
    """The image that reads the Dockerfile in place of BuildKit itself (`# syntax=`): it runs in the builder."""
    if named := arguments.get(_SYNTAX):
        return named
    with suppress(ValueError):  # a frontend with a grammar of its own may be named in JSON
        whole = json.loads(text)
        return str(whole["syntax"]) if isinstance(whole, dict) and "syntax" in whole else None
    lines = _lines(text)
    for directive in map(_DIRECTIVE.match, lines[1:] if lines[0].startswith("#!") else lines):
        if directive is None:
            break
        if directive["name"].lower() == "syntax":
            return directive["value"]
    return None


def _images(stages: list[_Stage], target: str | None) -> set[str]:
    """The images of the stages that the target needs."""
    wanted = [len(stages) - 1] if stages else []
    if target and (named := _stage_called(target, stages)) is not None:
        wanted = [named]
    seen, images = set[int](), set[str]()
    while wanted:
        at = wanted.pop()
        if at in seen:
            continue
        seen.add(at)
        for name, other in _needs(stages, at):
            if isinstance(name, ValueError):
                raise name
            if other is not None:
                wanted.append(other)
            elif name and name != _SCRATCH:
                images.add(name)
    return images


def _needs(stages: list[_Stage], at: int) -> Iterator[tuple[str | ValueError, int | None]]:
    """What a stage starts from, copies from and mounts: each name, and the stage that it names, if it names one."""
    base = stages[at].base
    # FROM knows the stages above it alone.
    above = None if isinstance(base, ValueError) else _stage_called(base, stages[:at])
    yield base, above
    for word, use in [*stages[at].uses, *(stages[above].triggers if above is not None else ())]:
        if isinstance(use, ValueError):
            yield use, None
        elif word == "COPY" and use.isascii() and use.isdigit():
            known = int(use) < at
            yield (use, int(use)) if known else (ValueError(f"COPY --from={use}: no stage above has this number"), None)
        else:
            yield use, _stage_called(use, stages)


def _stage_called(name: str, stages: list[_Stage]) -> int | None:
    return next((at for at in reversed(range(len(stages))) if stages[at].name == name.lower()), None)


def _stages(instructions: Words, arguments: Mapping[str, str], platform: str) -> list[_Stage]:
    """The stages of a Dockerfile, as they are built for one platform."""
    stages = list[_Stage]()
    scope: dict[str, Value] = {**dict.fromkeys(_BUILDERS_OWN), **_platform_arguments(platform)}
    scope |= {name: arguments[name] for name in scope.keys() & arguments.keys()}
    for word, words in instructions:
        if word == "FROM":
            stages.append(_Stage(_base(words, scope), _named(words)))
        elif word == "ARG" and not stages:
            _declare(words, arguments, scope)
        elif stages and word == "ONBUILD" and words:
            stages[-1].triggers += _uses(words[0].upper(), words[1:])
        elif stages:
            stages[-1].uses += _uses(word, words)
    return stages


def _base(words: list[str], scope: Mapping[str, Value]) -> str | ValueError:
    base = next((it for it in words if not it.startswith("--")), "")
    try:
        return _expanded(_unquoted(base), scope, f"FROM {base}")
    except ValueError as error:
        return error


def _named(words: list[str]) -> str:
    """The name of the stage that the words behind FROM begin; empty for none."""
    _, *more = [it for it in words if not it.startswith("--")] or [""]
    return more[1].lower() if len(more) == 2 and more[0].upper() == "AS" else ""


def _platform_arguments(platform: str) -> dict[str, str]:
    """What BuildKit says of the platform; arm alone is its seventh version (containerd/platforms, `normalizeArch`)."""
    system, _, rest = platform.partition("/")
    architecture, _, variant = rest.partition("/")
    if architecture == "arm" and not variant:
        platform, variant = f"{platform}/v7", "v7"
    return {
        "TARGETPLATFORM": platform,
        "TARGETOS": system,
        "TARGETARCH": architecture,
        "TARGETVARIANT": variant,
    }


def _declare(words: list[str], arguments: Mapping[str, str], scope: dict[str, Value]) -> None:
    """`ARG NAME[=DEFAULT]…` above all stages: a build argument wins over the default."""
    for setting in filter(None, map(_SETTING.fullmatch, words)):
        name, default = setting["name"], setting["value"]
        if name in arguments:
            scope[name] = arguments[name]
        elif default is not None:
            scope[name] = None  # which counts only where it is used
            with suppress(ValueError):
                scope[name] = _expanded(_unquoted(default), scope, "")


def _uses(word: str, words: list[str]) -> Iterator[tuple[str, str | ValueError]]:
    """What an instruction copies from or mounts."""
    if word not in _WITH_HEREDOCS:
        return
    for flag in words:
        if not flag.startswith("--"):
            return
        plain = _unquoted(flag)
        if "\\" in plain or '"' in plain or "'" in plain:
            yield word, ValueError(f"{word} {flag}: quotes and escapes in a flag are not read")
            continue
        name, _, value = plain.partition("=")
        if name == "--from":
            yield word, _literal(value, f"{word} {flag}")
        elif name == "--mount":
            fields = [it.strip().partition("=") for it in value.split(",")]
            yield from ((word, _literal(it, f"{word} {flag}")) for key, _, it in fields if key.lower() == "from")


def _literal(value: str, where: str) -> str | ValueError:
    return ValueError(f"{where}: BuildKit takes no variable there") if "$" in value else value


def _expanded(text: str, scope: Mapping[str, Value], where: str) -> str:
    """A text with its variables replaced; one that nothing sets is empty.

    Raises:
        ValueError: a variable's value is not known, or it is tested or cut in a way that is not read here.
    """

    def value(found: re.Match[str]) -> str:
        name, test = found["plain"] or found["braced"], found["test"] or ""
        known = scope.get(name, "")
        if known is None:
            raise ValueError(f"{where}: the value of {name} is not known before the build")
        counts = bool(known) if test.startswith(":") else name in scope
        if test.endswith("+"):
            return str(found["word"]) if counts else ""
        return str(found["word"]) if test and not counts else known

    expanded = _VARIABLE.sub(value, text)
    if any(it in expanded for it in "$\\`"):
        raise ValueError(f"{where}: of variables only $NAME, ${{NAME}}, ${{NAME:-TEXT}} and ${{NAME:+TEXT}} are read")
    return expanded


def _unquoted(text: str) -> str:
    return re.sub(r"""(["'])(.*?)\1""", r"\2", text, flags=re.DOTALL)


def _lines(text: str) -> list[str]:
    return [line.removesuffix("\r") for line in text.removeprefix("\ufeff").split("\n")]


def _escape(lines: list[str]) -> str:
    """The character that makes a line go on: that of the directive, which stands among those that there are, on top."""
    for directive in map(_DIRECTIVE.match, lines):
        if directive is None or directive["mark"] != "#" or directive["name"].lower() not in _DIRECTIVES:
            break
        if directive["name"].lower() == "escape":
            return directive["value"]
    return "\\"


def _instructions(text: str) -> Words:
    """The instructions, each with its words; continued lines joined, comments and heredocs left out.

    Raises:
        ValueError: it holds control characters, or a heredoc whose end cannot be told.
    """
    if _CONTROL.search(text):
        raise ValueError("it holds control characters")
    lines = _lines(text)
    escape = re.escape(_escape(lines))
    continued = re.compile(rf"(?:(?<=[^{escape}])|^){escape}[ \t]*$")
    found, at = Words(), 0
    while at < len(lines):
        line = lines[at]
        at += 1
        if _says_nothing(line):
            continue
        while continued.search(line):
            line = continued.sub("", line)
            while at < len(lines) and _says_nothing(lines[at]):
                at += 1  # comments and empty lines do not end an instruction that goes on
            if at == len(lines):
                break
            line += lines[at]
            at += 1
        instruction = _INSTRUCTION.fullmatch(line)
        if instruction is None:
            continue
        word, words = instruction["word"].upper(), _WORD.findall(instruction["rest"] or "")
        found.append((word, words))
        if word in _WITH_HEREDOCS or (word == "ONBUILD" and words and words[0].upper() in _WITH_HEREDOCS):
            at = _after_heredocs(words, lines, at)
    return found


def _says_nothing(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("#")


def _after_heredocs(words: list[str], lines: list[str], at: int) -> int:
    """The number of the first line after the heredocs that an instruction opens.

    Raises:
        ValueError: one has no end, or a name that is not read here.
    """
    for word in words:
        heredoc = _HEREDOC.fullmatch(word)
        if heredoc is None:
            continue
        name, tabs = _unquoted(heredoc["name"]).replace("\\", ""), heredoc["tabs"]
        ends = (it for it in range(at, len(lines)) if (lines[it].lstrip("\t") if tabs else lines[it]) == name)
        end = next(ends, None)
        if end is None or not _HEREDOC_NAME.fullmatch(name):
            raise ValueError(f"{word}: the end of this text cannot be told")
        at = end + 1
    return at
