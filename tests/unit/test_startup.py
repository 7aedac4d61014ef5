"""How the program begins: the engine is asked for providers before anything is declared."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """\
import json, sys, time
from concurrent.futures import ThreadPoolExecutor

import grpc
from pulumi.runtime import set_all_config
from pulumi.runtime.proto import resource_pb2_grpc
from pulumi.runtime.settings import Settings, configure

asked = []


class Monitor(resource_pb2_grpc.ResourceMonitorServicer):
    def Invoke(self, request, context):
        asked.append(request.tok)
        context.abort(grpc.StatusCode.UNKNOWN, "no such function")


server = grpc.server(ThreadPoolExecutor(2))
resource_pb2_grpc.add_ResourceMonitorServicer_to_server(Monitor(), server)
port = server.add_insecure_port("127.0.0.1:0")
server.start()
configure(Settings(project="slipway", stack="dev", monitor=f"127.0.0.1:{port}"))
set_all_config(json.loads(sys.argv[1]))

import startup

deadline = time.monotonic() + 10
while len(asked) < int(sys.argv[2]) and time.monotonic() < deadline:
    time.sleep(0.01)
time.sleep(0.2)  # for one too many
print(json.dumps(sorted(asked)))
server.stop(None)
"""


def asked_for(configuration: dict[str, str], expected: int) -> Sequence[str]:
    """What a program with this configuration asks the engine for as it begins, in a process of its own."""
    command = [sys.executable, "-c", PROGRAM, json.dumps(configuration), str(expected)]
    # The engine of this test ends before the program does, which gRPC would mention.
    environment = {**os.environ, "GRPC_VERBOSITY": "ERROR"}
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=60)
    assert not ended.stderr
    packages: Sequence[str] = [tok.partition(":")[0] for tok in json.loads(ended.stdout)]
    return packages


@pytest.mark.parametrize(
    ("configuration", "packages"),
    [
        pytest.param({"slipway:channel": "dev"}, ["command", "docker-build"], id="one that builds"),
        pytest.param({"slipway:promote": '{"from": ["staging"]}'}, ["command"], id="one that promotes"),
    ],
)
def test_a_stack_asks_for_the_providers_that_it_will_need(configuration: dict[str, str], packages: list[str]) -> None:
    assert asked_for(configuration, len(packages)) == packages
