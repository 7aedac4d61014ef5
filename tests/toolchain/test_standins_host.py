"""The language host for Python, driven by the real command line, and what all stand-ins have in common."""

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import grpc  # type: ignore[import-untyped]
import pytest
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, provider_pb2, provider_pb2_grpc

from tests.toolchain.standins_project import (
    Project,
    command_plugin,
    interrupt_when,
    pids_in,
    timed_lines,
    wait_until_gone,
)
from tests.toolchain.standins_sdk import published_properties

START_SECONDS = 0.1
"""Processor time that a stand-in may take until it listens."""
DOCKER_PROPERTIES = Path(__file__).parents[2] / "toolchain/go/docker/testdata/properties.json"

PACK = """
import os, sys
from concurrent import futures
import grpc  # type: ignore[import-untyped]
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc, plugin_pb2

class Pack(analyzer_pb2_grpc.AnalyzerServicer):
    def GetAnalyzerInfo(self, request, context):
        return analyzer_pb2.AnalyzerInfo(name="pack", version="1.0.0")
    def GetPluginInfo(self, request, context):
        return plugin_pb2.PluginInfo(version="1.0.0")
    def Configure(self, request, context):
        return analyzer_pb2.google_dot_protobuf_dot_empty__pb2.Empty()
    def AnalyzeStack(self, request, context):
        return analyzer_pb2.AnalyzeResponse()
    def Remediate(self, request, context):
        return analyzer_pb2.RemediateResponse()
    def Analyze(self, request, context):
        refused = []
        if "create" in request.properties.fields and request.properties["create"] == "bad":
            refused.append(analyzer_pb2.AnalyzeDiagnostic(
                policyName="no-bad", policyPackName="pack", policyPackVersion="1.0.0",
                enforcementLevel=analyzer_pb2.MANDATORY,
                message=f"refused in {os.getcwd()} for {os.environ['PULUMI_STACK']}",
            ))
        return analyzer_pb2.AnalyzeResponse(diagnostics=refused)

server = grpc.server(futures.ThreadPoolExecutor())
analyzer_pb2_grpc.add_AnalyzerServicer_to_server(Pack(), server)
print(server.add_insecure_port("127.0.0.1:0"), flush=True)
server.start()
server.wait_for_termination()
"""
"""A policy pack on the bare protocol."""
COMPONENTS = """
import os, pathlib
from typing import TypedDict
import pulumi
from pulumi.provider.experimental import component_provider_host

pathlib.Path("pid").write_text(str(os.getpid()))

class GreetingArgs(TypedDict):
    word: pulumi.Input[str]

class Greeting(pulumi.ComponentResource):
    def __init__(self, name: str, args: GreetingArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("greetings:index:Greeting", name, {}, opts)

component_provider_host(name="greetings", components=[Greeting])
"""
"""A plugin in Python that serves one component."""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A fresh project with an empty stack."""
    return Project.create(tmp_path)


def language_host() -> Path:
    """Returns the language host that the engine finds: the one beside the ``pulumi`` on PATH."""
    pulumi = shutil.which("pulumi")
    assert pulumi is not None, "pulumi is not on PATH: run the tests in the prepared environment"
    beside = Path(pulumi).with_name("pulumi-language-python")
    return beside if beside.exists() else Path(shutil.which("pulumi-language-python") or "")


@pytest.mark.parametrize("find", [language_host, command_plugin], ids=["host", "command"])
def test_a_program_says_what_it_is(find: Callable[[], Path]) -> None:
    printed = subprocess.run([find(), "--version"], capture_output=True, text=True, check=True).stdout
    vendors_own = re.fullmatch(r"v?\d+\.\d+\.\d+\s*", printed)
    assert vendors_own or "Slipway's stand-in" in printed, printed


@pytest.mark.parametrize("find", [language_host, command_plugin], ids=["host", "command"])
def test_a_program_listens_at_once_and_ends_on_an_interrupt_without_a_word(find: Callable[[], Path]) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.Popen([find()], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert int(process.stdout.readline()) > 0
    process.send_signal(signal.SIGINT)
    printed = process.communicate(timeout=10)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (process.returncode, printed) == (0, ("", ""))
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < START_SECONDS


def test_what_a_program_prints_is_shown_when_it_prints_it(project: Project) -> None:
    project.write("""
        import sys, time
        print("first")
        time.sleep(2)
        print("second", file=sys.stderr)
    """)
    process = project.start("preview")
    seen: dict[str, float] = {}
    for moment, line in timed_lines(process):
        for word in ("first", "second"):
            if line.rstrip().endswith(word):
                seen.setdefault(word, moment)
    assert process.wait() == 0
    assert seen["second"] - seen["first"] > 1


def test_an_exception_is_shown_from_the_programs_own_first_line_on(project: Project) -> None:
    project.write("""
        import json
        def broken() -> None:
            json.loads("{")
        broken()
    """)
    printed = project.run("preview", fails=True)
    assert "Program failed with an unhandled exception" in printed
    assert re.search(
        r'Traceback \(most recent call last\):\s+File "\S*/project/__main__.py", line 5, in <module>', printed
    )
    assert "JSONDecodeError" in printed
    assert "runpy" not in printed
    assert "exit code" not in printed


def test_a_run_error_is_its_message_only(project: Project) -> None:
    project.write("""
        import pulumi
        raise pulumi.RunError("the setting `x` is wrong")
    """)
    printed = project.run("preview", fails=True)
    assert "error: the setting `x` is wrong" in printed
    assert "Traceback" not in printed


def test_exit_code_32_says_that_the_program_has_shown_its_message(project: Project) -> None:
    project.write("""
        import sys
        import pulumi
        pulumi.log.error("shown by the program")
        sys.exit(32)
    """)
    printed = project.run("preview", fails=True)
    assert "error: shown by the program" in printed
    assert "exit code" not in printed


def test_another_exit_code_of_a_program_is_named(project: Project) -> None:
    project.write("import sys; sys.exit(3)")
    assert "program exited with non-zero exit code: 3" in project.run("preview", fails=True)


def test_a_missing_program_is_named(project: Project) -> None:
    (project.folder / "__main__.py").unlink()
    printed = project.run("preview", fails=True)
    assert f"unable to find main python program `__main__.py` in `{project.folder}`" in printed


@pytest.mark.parametrize(
    "waits",
    ["subprocess.run(['sleep', '600'])", "pulumi.export('x', pulumi.Output.from_input(600).apply(time.sleep))"],
    ids=["its own code", "an apply"],
)
def test_an_interrupt_ends_the_program_quietly(project: Project, waits: str) -> None:
    pids = project.folder / "pids"
    project.write(f"""
        import os, pathlib, subprocess, time
        import pulumi
        pathlib.Path({str(pids)!r}).write_text(f"{{os.getpid()}}\\n")
        {waits}
    """)
    process = project.start("preview")
    printed, seconds = interrupt_when(process, lambda: pids_in(pids, 1) is not None)
    assert "Traceback" not in printed
    assert seconds < 20
    wait_until_gone(pids_in(pids, 1))


def test_configuration_reaches_the_program_and_a_secret_stays_one(project: Project) -> None:
    project.run("config", "set", "word", "plain")
    project.run("config", "set", "--secret", "hidden", "s3cr3t-setting")
    project.write("""
        import pulumi
        config = pulumi.Config()
        pulumi.export("word", config.require("word"))
        pulumi.export("hidden", config.require_secret("hidden"))
        pulumi.export("where", [pulumi.get_project(), pulumi.get_stack(), pulumi.get_organization()])
    """)
    project.up()
    assert project.outputs() == {
        "word": "plain",
        "hidden": "s3cr3t-setting",
        "where": ["standins", "dev", "organization"],
    }
    assert "s3cr3t-setting" not in project.state()


def test_installed_packages_decide_the_plugins_versions(project: Project) -> None:
    needed = json.loads(project.run("plugin", "ls", "--project", "--json"))
    versions = {plugin["name"]: plugin["version"] for plugin in needed if plugin["kind"] == "resource"}
    assert versions == {"command": "1.2.1", "docker": "5.2.0", "docker-build": "0.0.22"}


def test_a_policy_pack_runs_in_its_folder_knows_the_stack_and_stops_a_preview(project: Project) -> None:
    pack = project.folder.with_name("pack")
    pack.mkdir()
    settings = {"name": "python", "options": {"toolchain": "pip", "virtualenv": sys.prefix}}
    (pack / "PulumiPolicy.yaml").write_text(json.dumps({"runtime": settings}))
    (pack / "__main__.py").write_text(PACK)
    program = "from pulumi_command import local\nlocal.Command('command', create='{}')"
    project.write(program.format("bad"))
    printed = project.run("preview", "--policy-pack", str(pack), fails=True)
    assert f"refused in {pack} for dev" in printed
    project.write(program.format("good"))
    project.run("preview", "--policy-pack", str(pack))


def test_a_component_provider_in_python_is_served_and_ends_with_its_call(tmp_path: Path) -> None:
    # By the protocol, for the command line would install the plugin's dependencies into this very environment first.
    (tmp_path / "__main__.py").write_text(COMPONENTS)
    with subprocess.Popen([language_host()], stdout=subprocess.PIPE, text=True) as host:
        assert host.stdout is not None
        with grpc.insecure_channel(f"127.0.0.1:{host.stdout.readline().strip()}") as channel:
            stub = language_pb2_grpc.LanguageRuntimeStub(channel)
            stub.Handshake(language_pb2.LanguageHandshakeRequest(engine_address="127.0.0.1:1"))
            call = stub.RunPlugin(_plugin_request(tmp_path))
            port = next(call).stdout.decode().strip()
            with grpc.insecure_channel(f"127.0.0.1:{port}") as plugin:
                request = provider_pb2.GetSchemaRequest()
                schema = json.loads(provider_pb2_grpc.ResourceProviderStub(plugin).GetSchema(request).schema)
            assert list(schema["resources"]) == ["greetings:index:Greeting"]
            call.cancel()
            wait_until_gone([int((tmp_path / "pid").read_text())])
        host.send_signal(signal.SIGINT)
    assert host.returncode == 0


def _plugin_request(folder: Path) -> language_pb2.RunPluginRequest:
    info = language_pb2.ProgramInfo(root_directory=str(folder), program_directory=str(folder), entry_point=".")
    info.options.update({"toolchain": "pip", "virtualenv": sys.prefix})
    return language_pb2.RunPluginRequest(
        pwd=str(folder), args=["127.0.0.1:1"], env=list(map("=".join, os.environ.items())), info=info, kind="resource"
    )


def test_the_docker_plugins_properties_are_compared_with_those_of_the_published_sdk() -> None:
    assert json.loads(DOCKER_PROPERTIES.read_text()) == published_properties()
