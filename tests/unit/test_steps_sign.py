"""Signing and verifying, with shell scripts in the places of cosign and oras."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.artifact import Digest, ImageReference, Repository
from steps.predicates import PROVENANCE, SBOM, SIGNATURE, VULNERABILITIES
from steps.sign import sign
from steps.tool import StepError
from steps.verify import verify_index
from tests.conftest import ToolMaker
from tests.evidence import PLATFORM, all_verified, discovered, verified
from tests.running import calls, fails, run_step_program

REPOSITORY = Repository.parse("localhost:5380/driftwood/web")
REFERENCE = ImageReference(REPOSITORY, Digest("sha256:" + "1f" * 32))
AMD64, ARM64 = (REPOSITORY.at(Digest("sha256:" + digit * 64)) for digit in "ab")
COVERED = [str(REFERENCE), str(AMD64), str(ARM64)]
ANNOTATIONS = {"version": "1.4.0", "repository": "registry.driftwood.example/driftwood/web"}
INDEX = {
    "manifests": [
        {"digest": str(AMD64.digest), "platform": {"os": "linux", "architecture": "amd64"}},
        {"digest": str(ARM64.digest), "platform": {"os": "linux", "architecture": "arm64"}},
    ]
}
BUNDLE = {"layers": [{"digest": "sha256:" + "d" * 64}]}
PASSWORD = "correct horse"
VERIFIED = f"echo '{all_verified(str(REFERENCE), [str(AMD64), str(ARM64)], ANNOTATIONS)}'"
"""A cosign that verifies everything."""


REFERRERS = {"referrers": [{"digest": "sha256:" + "e" * 64}]}


def tools(
    tool: ToolMaker,
    verify: str = fails("Error: no matching attestations: invalid signature"),
    sign_: str = 'cat >>"$0.stdin"; echo >>"$0.stdin"',
    discover: str = f"echo '{json.dumps(REFERRERS)}'",
) -> Path:
    """An oras that shows the index and that something refers to each manifest, and a cosign that does this."""
    tool("oras", f"case $1 in discover) {discover};; *) echo '{json.dumps(INDEX)}';; esac")
    return tool("cosign", f'env >>"$0.env"; case $1 in verify) {verify};; sign) {sign_};; esac')


def signed() -> dict[str, object]:
    """Sign the candidate."""
    return sign(REFERENCE, "cosign.key", "cosign.pub", ANNOTATIONS, PASSWORD, {})


def test_the_index_and_each_platform_are_signed_with_the_annotations(tool: ToolMaker) -> None:
    path = tools(tool)
    assert signed() == {"reference": str(REFERENCE), "signed": COVERED}
    runs = [call for call in calls(path) if call.startswith("sign ")]
    assert sorted(run.split()[-1] for run in runs) == sorted(COVERED)
    for run in runs:
        assert "--key cosign.key" in run
        assert "--tlog-upload=false" in run
        assert "--annotations version=1.4.0" in run
        assert f"--annotations repository={ANNOTATIONS['repository']}" in run


def test_the_password_comes_through_standard_input_alone(tool: ToolMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COSIGN_PASSWORD", "a password of the user's shell")
    path = tools(tool)
    signed()
    received = Path(f"{path}.stdin").read_text()  # of runs side by side: in no order, with or without a break between
    assert PASSWORD in received
    assert not received.replace(PASSWORD, "").strip()
    assert PASSWORD not in "\n".join(calls(path))
    environment = Path(f"{path}.env").read_text()
    assert PASSWORD not in environment
    assert "COSIGN_PASSWORD" not in environment


def test_a_digest_that_this_key_has_signed_is_left_alone(tool: ToolMaker) -> None:
    path = tools(tool, verify="exit 0")
    assert signed()["reference"] == str(REFERENCE)
    runs = calls(path)
    assert all(call.startswith("verify --key cosign.pub") for call in runs)
    assert sorted(call.split()[-1] for call in runs) == sorted(COVERED)
    assert all("--annotations version=1.4.0" in call for call in runs)


def test_only_the_manifest_that_lacks_a_signature_is_signed(tool: ToolMaker) -> None:
    path = tools(tool, verify=f"case $* in *{ARM64}) {fails('Error: no signatures found')};; esac")
    signed()
    assert [call.split()[-1] for call in calls(path) if call.startswith("sign ")] == [str(ARM64)]


def test_a_signature_that_says_something_else_does_not_count(tool: ToolMaker) -> None:
    path = tools(tool, verify=fails("Error: no matching attestations: missing or incorrect annotation"))
    signed()
    assert len([call for call in calls(path) if call.startswith("sign ")]) == len(COVERED)


@pytest.mark.parametrize("output", ["Error: GET: unexpected status code 503", "Error: open cosign.pub: no such file"])
def test_what_keeps_cosign_from_verifying_is_told_and_nothing_is_signed_twice(tool: ToolMaker, output: str) -> None:
    path = tools(tool, verify=fails(output))
    with pytest.raises(StepError, match=output):
        signed()
    assert not [call for call in calls(path) if call.startswith("sign ")]


def test_a_signature_that_the_registry_lists_and_does_not_hand_out_is_no_missing_one(tool: ToolMaker) -> None:
    path = tools(tool, verify=fails("Error: no signatures found"), discover=f"echo '{discovered(e=SIGNATURE)}'")
    refused = fails("Error response from registry: GET: response status code 503: Service Unavailable")
    tool(
        "oras",
        f"""case "$1 $*" in discover*) echo '{discovered(e=SIGNATURE)}';; blob*) {refused};;
        *@sha256:{"e":0>64}) echo '{json.dumps(BUNDLE)}';; *) echo '{json.dumps(INDEX)}';; esac""",
    )
    with pytest.raises(StepError) as caught:
        signed()
    assert f"oras could not read the signature {REPOSITORY}@sha256:{'e':0>64}, which the registry lists for" in str(
        caught.value
    )
    assert "503: Service Unavailable" in str(caught.value)
    assert not [call for call in calls(path) if call.startswith("sign ")]


def test_where_nothing_refers_to_a_manifest_there_is_nothing_to_verify(tool: ToolMaker) -> None:
    path = tools(tool, verify="exit 0", discover="""echo '{"referrers": null}'""")
    signed()
    runs = calls(path)
    assert all(call.startswith("sign ") for call in runs)
    assert sorted(call.split()[-1] for call in runs) == sorted(COVERED)


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("Error: signing: reading key: decrypt: encrypted: decryption failed", ["cosign.key", "sign.password"]),
        (
            "Error: reading key: open cosign.key: no such file or directory",
            ["cosign.key", "sign.key", "generate-key-pair"],
        ),
        ("Error: PUT: connection refused", ["cosign failed", "connection refused"]),
    ],
)
def test_a_key_that_cannot_be_used_is_told_with_the_setting_to_check(
    tool: ToolMaker, output: str, words: list[str]
) -> None:
    tools(tool, sign_=fails(output))
    with pytest.raises(StepError) as caught:
        signed()
    for word in words:
        assert word in str(caught.value)
    assert PASSWORD not in str(caught.value)


def test_what_does_not_verify_is_not_published_and_says_what_was_expected(tool: ToolMaker) -> None:
    tools(
        tool, verify=fails("Error: no matching signatures: invalid signature when validating ASN.1 encoded signature")
    )
    with pytest.raises(StepError) as caught:
        verify_index(REFERENCE, "cosign.pub", ANNOTATIONS, {})
    message = str(caught.value)
    assert str(REFERENCE) in message
    assert "cosign.pub" in message
    assert "no matching signatures" in message
    assert "'version': '1.4.0'" in message
    assert "Nothing was published" in message


def test_the_index_and_each_platform_are_verified(tool: ToolMaker) -> None:
    path = tools(tool, verify=VERIFIED)
    assert verify_index(REFERENCE, "cosign.pub", ANNOTATIONS, {}) == {
        "reference": str(REFERENCE),
        "verified": COVERED,
    }
    [call] = calls(path)
    assert call.startswith("verify --key cosign.pub ")
    assert call.split()[-3:] == COVERED
    # With them cosign would show signatures alone, and no attestation.
    assert "--annotations" not in call


@pytest.mark.parametrize(
    ("manifest", "predicates", "annotations", "problem"),
    [
        (AMD64, [SIGNATURE, SBOM], ANNOTATIONS, "no vulnerability report of this key"),
        (ARM64, [SIGNATURE, VULNERABILITIES], ANNOTATIONS, "no SBOM of this key"),
        (REFERENCE, [SIGNATURE], ANNOTATIONS, "no provenance of this key"),
        (REFERENCE, [PROVENANCE], ANNOTATIONS, "no signature of this key that says"),
        (AMD64, [*PLATFORM], ANNOTATIONS, "no signature of this key that says"),
        (ARM64, [SIGNATURE, *PLATFORM], ANNOTATIONS | {"version": "1.3.0"}, "but [{'version': '1.3.0'"),
    ],
)
def test_what_lacks_its_evidence_or_says_something_else_does_not_pass(
    tool: ToolMaker, manifest: ImageReference, predicates: list[str], annotations: dict[str, str], problem: str
) -> None:
    lines = {str(REFERENCE): verified(str(REFERENCE), [SIGNATURE, PROVENANCE], ANNOTATIONS)}
    lines |= {str(it): verified(str(it), [SIGNATURE, *PLATFORM], ANNOTATIONS) for it in (AMD64, ARM64)}
    lines[str(manifest)] = verified(str(manifest), predicates, annotations)
    text = "\n".join(lines.values())
    tools(tool, verify=f"cat <<'END'\n{text}\nEND\n")
    with pytest.raises(StepError) as caught:
        verify_index(REFERENCE, "cosign.pub", ANNOTATIONS, {})
    problems = [line for line in str(caught.value).splitlines() if line.startswith("  ")]
    assert len(problems) == 1
    assert problems[0].startswith(f"  {manifest}: ")
    assert problem in problems[0]
    assert "Nothing was published" in str(caught.value)


@pytest.mark.parametrize("printed", ["nothing but words", "{}", "[{}]", "[1]", '[{"critical": {}}]'])
def test_an_answer_of_cosign_that_cannot_be_read_lets_nothing_through(tool: ToolMaker, printed: str) -> None:
    tools(tool, verify=f"echo '{printed}'")
    with pytest.raises(StepError):
        verify_index(REFERENCE, "cosign.pub", ANNOTATIONS, {})


@pytest.mark.parametrize("step", ["sign", "verify"])
def test_as_a_program_it_names_the_reference_or_nothing(tool: ToolMaker, step: str) -> None:
    given = ["--reference", str(REFERENCE), "--public-key", "cosign.pub", "--annotation", "version=1.4.0"]
    given += ["--key", "cosign.key"] if step == "sign" else []
    secrets = json.dumps({"password": PASSWORD})
    tools(tool, verify=VERIFIED)
    ended = run_step_program(step, given, secrets)
    assert json.loads(ended.stdout)["reference"] == str(REFERENCE)
    tools(tool, verify="exit 1", sign_="exit 1")
    ended = run_step_program(step, given, secrets)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("error: ")
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("step", ["sign", "verify"])
def test_the_password_of_quarantine_is_in_the_configuration_of_cosign_alone(tool: ToolMaker, step: str) -> None:
    path = tools(tool, verify=f'cat "$DOCKER_CONFIG/config.json" >>"$0.auth"; {VERIFIED}')
    given = ["--reference", str(REFERENCE), "--public-key", "cosign.pub", "--username", "builder"]
    given += ["--key", "cosign.key"] if step == "sign" else []
    ended = run_step_program(step, given, json.dumps({"registry_password": "hunter2"}))
    assert ended.returncode == 0, ended.stderr
    assert "localhost:5380" in Path(f"{path}.auth").read_text()
    seen = "\n".join(calls(path)) + Path(f"{path}.env").read_text() + ended.stdout + ended.stderr
    assert "hunter2" not in seen
