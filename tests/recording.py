"""One recording engine for all component tests: what a program registers, with parents, options and secrets.

Absence is only assertable once every registration has landed, so `Engine.run` returns when nothing is under way any
more, whether the program succeeded or not.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from inspect import isawaitable
from itertools import pairwise
from typing import Any, cast

import grpc  # type: ignore[import-untyped]
import pulumi
from pulumi.runtime import mocks, rpc, set_all_config
from pulumi.runtime.settings import SETTINGS, get_root_resource
from pulumi.runtime.stack import run_pulumi_func, wait_for_rpcs
from pulumi.runtime.sync_await import _sync_await

DIGEST = "sha256:" + "0123456789ab" + "c" * 52
CANDIDATE = f"localhost:5380/driftwood/web@{DIGEST}"
RELEASED = f"localhost:5443/driftwood/web@{DIGEST}"
RECORD: dict[str, Any] = {
    "schema_version": 2,
    "project": "slipway",
    "stack": "staging",
    "digest": DIGEST,
    "reference": RELEASED,
    "tag": "1.4.0-staging.0123456789ab",
    "version": "1.4.0",
    "revision": "5" * 40,
    "platforms": ["linux/amd64", "linux/arm64"],
    "scan": {
        "counts": {"CRITICAL": 0, "HIGH": 0},
        "scanner": "trivy 0.70.0",
        "database": "2026-11-23T00:00:00Z",
        "scanned": "2026-11-23T08:00:00Z",
        "reports": ".slipway/reports/staging/web",
    },
    "signature": {"public_key": "cosign.pub", "repository": RELEASED.partition("@")[0], "version": "1.4.0"},
}
"""What staging says about its release."""
STAGING = {"driftwood/slipway/staging": {"web": {"release": RECORD}}}
"""What staging exports."""
SUMMARY: dict[str, Any] = RECORD["scan"]
COMMAND = "command:local:Command"


@dataclass(frozen=True)
class Registration:
    """One resource as the program handed it to the engine."""

    urn: str
    type: str
    name: str
    parent: str
    inputs: dict[str, Any]
    """What the resource was given, secrets as plain values."""
    secrets: frozenset[str]
    """The top-level inputs that are, or hold, a Pulumi secret."""
    options: dict[str, Any]
    """The other fields of the request, by their name in the engine's protocol (retainOnDelete, provider, …)."""

    @property
    def open(self) -> str:
        """Everything that the resource was given and anybody may read: all but standard input."""
        return json.dumps({name: value for name, value in self.inputs.items() if name != "stdin"}, default=str)

    @property
    def command(self) -> list[str]:
        """The words of a step's command line, without the interpreter, as the shell makes them."""
        return _words(self.inputs["create"], self.inputs.get("environment") or {})

    def values(self, flag: str) -> list[str]:
        """The values of a flag on a step's command line."""
        words = self.command
        return [words[at + 1] for at, word in enumerate(words[:-1]) if word == flag]


class _Unreadable(grpc.RpcError):  # type: ignore[misc]
    """What the SDK gets where the engine cannot read a state that is just written."""

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNKNOWN

    def details(self) -> str:
        return "failed to load checkpoint: EOF"


@dataclass
class Engine(mocks.Mocks):
    """Answers as the real providers would, and records."""

    preview: bool = False
    broken: Mapping[str, str] = field(default_factory=dict)
    """Standard output by step, in place of a good one: `{"scan": "{}"}`."""
    refused: frozenset[str] = frozenset()
    """Steps whose command fails, as one that ends with another exit code than 0 does."""
    stack: str = "dev"
    exported: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The outputs of the stacks that a program may refer to, by their full names."""
    unreadable: int = 0
    """How often this stack's own state cannot be read, as while it is written."""
    resources: list[Registration] = field(default_factory=list)
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What each component registered as its outputs, by URN."""
    exports: dict[str, Any] = field(default_factory=dict)
    """What the program exported as outputs of the stack."""
    calls: list[mocks.MockCallArgs] = field(default_factory=list)
    errors: list[BaseException] = field(default_factory=list)

    def run(
        self,
        program: Callable[[], object],
        config: Mapping[str, str] | None = None,
        secrets: Mapping[str, str] | None = None,
    ) -> Engine:
        """Run a program to its end and return this engine; what went wrong is in `errors`."""
        set_all_config({**(config or {}), **(secrets or {})}, list(secrets or ()))
        mocks.set_mocks(
            self,
            project="slipway",
            stack=self.stack,
            organization="driftwood",
            preview=self.preview,
            monitor=_Monitor(self),
        )
        SETTINGS.rpc_manager.clear()
        SETTINGS.outputs.clear()
        stack = cast(Any, get_root_resource())
        stack.outputs = {}

        async def start() -> None:
            if isawaitable(rest := program()):
                await rest

        try:
            _sync_await(run_pulumi_func(start))
        except BaseException as error:
            self.errors.append(error)
        while SETTINGS.rpc_manager.rpcs or SETTINGS.outputs:
            SETTINGS.rpc_manager.unhandled_exception = None  # which would be raised anew, before the rest is awaited
            try:
                _sync_await(wait_for_rpcs())
            except Exception as error:
                self.errors.append(error)
        if not self.errors:
            self.exports = resolved(pulumi.Output.from_input(stack.outputs))
        return self

    def good(self, program: Callable[[], object], **options: Any) -> Engine:
        """Run a program that must succeed."""
        self.run(program, **options)
        if self.errors:
            raise self.errors[0]
        return self

    def one(self, type_: str, name: str | None = None) -> Registration:
        """The only resource of this type, or the one with this name among them."""
        found = [it for it in self.resources if it.type == type_ and name in (None, it.name)]
        assert len(found) == 1, f"{type_} {name or ''}: {[it.name for it in self.resources]}"
        return found[0]

    def step(self, module: str) -> Registration:
        """The only resource that runs this step."""
        found = [it for it in self.steps() if it.command[0] == f"steps.{module}"]
        assert len(found) == 1, f"{module}: {[it.command[0] for it in self.steps()]}"
        return found[0]

    def steps(self) -> list[Registration]:
        """All resources that run a step, in the order of their registration."""
        return [it for it in self.resources if it.type == COMMAND]

    def ran(self) -> list[str]:
        """The modules of all steps, in the order of their registration."""
        return [it.command[0].removeprefix("steps.") for it in self.steps()]

    def of(self, type_: str) -> list[Registration]:
        """All resources of one type."""
        return [it for it in self.resources if it.type == type_]

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        """The engine's side of a function call; `local.run` runs the step that asks for a tag."""
        self.calls.append(args)
        if args.token == "command:local:run":
            return {**args.args, "stdout": self._stdout(args.args["command"]), "stderr": ""}, []
        if args.token == "pulumi:pulumi:readStackOutputs":
            if self.unreadable:
                self.unreadable -= 1
                raise _Unreadable
            return self._outputs_of(args.args["name"]), []
        return {}, []

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        """The engine's side of a registration."""
        state = dict(args.inputs)
        if args.typ == "pulumi:pulumi:StackReference":  # an engine reads it during preview, too
            return state["name"], self._outputs_of(state["name"])
        if self.preview:
            return "", state
        if args.typ == COMMAND:
            state["stdout"] = self._stdout(args.inputs["create"], args.inputs.get("environment"))
        if args.typ == "docker-build:index:Image":
            state |= {"digest": DIGEST, "ref": CANDIDATE}
        if args.typ == "docker:index/network:Network":
            state.setdefault("name", f"{args.name}-0123456")  # the provider's own
        return f"{args.name}-id", state

    def _outputs_of(self, stack: str) -> dict[str, Any]:
        return {"name": stack, "outputs": self.exported.get(stack, {}), "secretOutputNames": []}

    def _stdout(self, line: str, variables: Mapping[str, str] | None = None) -> str:
        words = _words(line, variables or {})
        module = words[0].removeprefix("steps.")
        if module in self.refused:
            raise RuntimeError(f"exit status 1: running {module}")
        if module in self.broken:
            return self.broken[module]
        given = dict(pairwise(words))
        reference = given.get("--reference") or given.get("--source", "")
        if module == "publish":
            reference = f"{given['--repository']}@{reference.partition('@')[2]}"
        answer: dict[str, Any] = {"reference": reference}
        if module == "claim":
            answer["problem"] = ""
        if module == "scan":
            answer |= SUMMARY
        if module == "preflight":
            answer["health"] = {"tests": ["CMD", "python", "healthcheck.py"], "interval": "30s"}
        if module == "settle":
            answer["container"] = given["--container"]
        if module == "promote":
            answer = _promoted(given)
        if module == "attest":
            answer["provenance"] = "0f0f0f0f0f0f"
        if module == "prove":
            answer["time"] = "2026-11-25T10:00:00Z"
        return json.dumps(answer)


def _words(line: str, variables: Mapping[str, str]) -> list[str]:
    """The words of a step's command line, with the values of its variables."""
    words = shlex.split(line)
    words = [variables.get(word[2:-2], word) if re.fullmatch(r"\$\{\w+\?\}", word) else word for word in words]
    return words[words.index("-m") + 1 :]


def _promoted(given: Mapping[str, str]) -> dict[str, Any]:
    """What a stack may take: the first stack's release, or why there is none."""
    first = json.loads(given["--upstreams"])[0]
    if "problem" in first:
        return {"problem": first["problem"]}
    return {
        "problem": "",
        "warnings": [],
        "told": [],
        "reference": first["reference"],
        "version": given.get("--version", first["version"]),
        "repository": first["reference"].partition("@")[0],
        "platforms": first["platforms"],
        "here": bool(given["--running"]),
        "provenance": "0f0f0f0f0f0f",
        "revision": first["revision"],
    }


class _Monitor(mocks.MockMonitor):
    """The SDK's own mock of the engine, with an ear on each request."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.engine = engine

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802
        """Record the request, then answer it."""
        given = rpc.deserialize_properties(request.object)
        registration = Registration(
            urn=self.make_urn(request.parent, request.type, request.name),
            type=request.type,
            name=request.name,
            parent=request.parent,
            inputs={key: _unwrapped(value) for key, value in given.items()},
            secrets=frozenset(key for key, value in given.items() if _holds_secret(value)),
            options={descriptor.json_name: value for descriptor, value in request.ListFields()},
        )
        if request.type != "pulumi:pulumi:Stack":
            self.engine.resources.append(registration)
        return super().RegisterResource(request)  # type: ignore[no-untyped-call]

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802
        """Record what a component says it has."""
        self.engine.outputs[request.urn] = rpc.deserialize_properties(request.outputs, keep_unknowns=True)
        return super().RegisterResourceOutputs(request)  # type: ignore[no-untyped-call]


def _unwrapped(value: Any) -> Any:
    if rpc.is_rpc_secret(value):
        return _unwrapped(rpc.unwrap_rpc_secret(value))
    if isinstance(value, dict):
        return {key: _unwrapped(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_unwrapped(item) for item in value]
    return value


def _holds_secret(value: Any) -> bool:
    if rpc.is_rpc_secret(value):
        return True
    return any(
        map(_holds_secret, value.values() if isinstance(value, dict) else value if isinstance(value, list) else ())
    )


def component(engine: Engine, type_: str, name: str) -> Registration:
    """The component with this type and name."""
    return engine.one(f"slipway:index:{type_}", name)


def children(engine: Engine, parent: Registration) -> list[Registration]:
    """The resources whose parent is this one."""
    return [it for it in engine.resources if it.parent == parent.urn]


def resolved(output: pulumi.Output[Any]) -> Any:
    """The value of an output once the program has run."""
    return _sync_await(output.future())
