"""What the pack says of Slipway's own command lines: a flag of a step must not look like a secret."""

from __future__ import annotations

from detection.commands import find_in_command
from tests.programs import SECRETS, everything
from tests.recording import STAGING, Engine


def test_no_command_of_a_component_shows_what_the_pack_takes_for_a_secret() -> None:
    steps = Engine(exported=STAGING).good(everything, secrets=SECRETS).steps()
    lines = [line for it in steps for key in ("create", "delete", "update") if (line := it.inputs.get(key))]
    assert len(lines) > 8
    assert [(line, found) for line in lines if (found := find_in_command(line))] == []
