"""Proof: what runs is checked and signed once it is healthy, in this stack's own name."""

from __future__ import annotations

import json

from components.proof import Proof
from tests.programs import PASSWORDS, SECRETS, proof_args
from tests.recording import RELEASED, Engine, component


def engine_of(**changes: object) -> Engine:
    """The engine after staging's proof."""
    return Engine(stack="staging").good(lambda: Proof("web", proof_args(**changes)), secrets=SECRETS)


def test_the_stack_says_in_its_own_name_what_it_checked() -> None:
    prove = engine_of().step("prove")
    assert prove.values("--reference") == [RELEASED]
    assert (prove.values("--project"), prove.values("--stack")) == (["slipway"], ["staging"])
    assert prove.values("--commit") == ["5" * 40]
    assert prove.values("--container") == ["web-container-id"]
    assert prove.values("--url") == ["http://127.0.0.1:8080"]
    assert json.loads(prove.values("--checks")[0]) == [{"name": "page", "url": "/", "contains": "Driftwood"}]
    assert prove.values("--key") == ["cosign.key"]
    assert prove.values("--public-key") == ["cosign.pub"]


def test_its_outputs_are_what_is_proved_and_since_when() -> None:
    engine = engine_of()
    outputs = engine.outputs[component(engine, "Proof", "web").urn]
    assert outputs == {"reference": RELEASED, "time": "2026-11-25T10:00:00Z"}


def test_the_passwords_reach_the_step_through_standard_input_alone() -> None:
    prove = engine_of().step("prove")
    assert json.loads(prove.inputs["stdin"]) == {
        "password": PASSWORDS["cosign"],
        "registry_password": PASSWORDS["registry"],
    }
    assert prove.secrets == {"stdin"}
    assert not [name for name, password in PASSWORDS.items() if password in prove.open]


def test_without_credentials_there_is_no_standard_input() -> None:
    key = {"key": "awskms:///alias/x", "public_key": "awskms:///alias/x"}
    prove = engine_of(access=None, certificate_authority=None, key=key).step("prove")
    assert prove.inputs.get("stdin") is None
    assert prove.values("--username") == prove.values("--certificate-authority") == []


def test_another_container_or_digest_is_proved_anew_and_nothing_else() -> None:
    command = engine_of().step("prove").open
    assert engine_of().step("prove").open == command
    assert engine_of(container="another").step("prove").open != command
    other = RELEASED.replace("0123", "3210")
    assert engine_of(reference=other).step("prove").open != command
