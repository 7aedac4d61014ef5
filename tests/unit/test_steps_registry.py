"""Publishing and claiming, with small programs in oras' place: what a person is told when a registry refuses."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from components.artifact import Digest, ImageReference, Repository
from steps.credentials import registry_credentials
from steps.predicates import PROVENANCE, SIGNATURE, VULNERABILITIES, provenance_mark
from steps.publish import Request, publish
from steps.registry import platforms_of, transport_flags
from steps.tool import StepError, ToolError
from tests.conftest import ToolMaker
from tests.evidence import all_verified, discovered
from tests.running import calls, fails, run_step_program

HERE = Digest("sha256:" + "1f" * 32)
OTHER = Digest("sha256:" + "2e" * 32)
SOURCE = ImageReference(Repository.parse("localhost:5380/driftwood/web"), HERE)
TARGET = Repository.parse("registry.driftwood.example/driftwood/web")
LOGINS = {TARGET.registry: ("publisher", "hunter2")}
SIGNED_BY = ("cosign.pub", {"version": "1.4.0"})
VERIFIED = all_verified(f"{TARGET}@{HERE}", [f"{TARGET}@{OTHER}"], SIGNED_BY[1])
REFERRERS = discovered(a="https://slsa.dev/provenance/v1")
INDEX = {"manifests": [{"digest": str(OTHER), "platform": {"os": "linux", "architecture": "amd64"}}]}

REFUSALS = {
    "refuses the credentials": [
        "Error response from registry: unauthorized: authentication required: [map[Type:repository]]",
        'Error: failed to resolve digest: GET "https://registry/v2/": response status code 401: Unauthorized',
        'Error: HEAD "https://registry/v2/x": response status code 403: Forbidden',
        "Error: denied: requested access to the resource is denied",
    ],
    "does not answer": [
        'Error: Head "https://registry/v2/": dial tcp 127.0.0.1:5443: connect: connection refused',
        'Error: Head "https://registry/v2/": dial tcp: lookup registry.driftwood.example: no such host',
        'Error: Head "https://registry/v2/": dial tcp 192.0.2.1:443: i/o timeout',
        'Error: Head "https://registry/v2/": context deadline exceeded (Client.Timeout exceeded)',
        'Error: Head "https://registry/v2/": dial tcp 192.0.2.1:443: connect: no route to host',
    ],
}


BUNDLE = {"config": {"mediaType": "application/vnd.oci.empty.v1+json"}, "layers": []}
MANIFESTS = f"case $* in *:{'0' * 60}*) echo '{json.dumps(BUNDLE)}';; *) echo '{json.dumps(INDEX)}';; esac"
READS = f"manifest) {MANIFESTS};; discover) echo '{REFERRERS}';;"
"""What an oras answers that is asked for the index, for what refers to a manifest, and for a referrer."""


def oras(tool: ToolMaker, resolved: str = 'echo "Error: not found" >&2; exit 1', copied: str = "exit 0") -> Path:
    """An oras whose `resolve` and `cp` do this; after `cp` succeeded, every tag names what was copied."""
    tool("cosign", f"echo '{VERIFIED}'")
    return tool(
        "oras",
        f"""case $1 in
        {READS}
        resolve) if [ -e "$0.copied" ]; then echo {HERE}; else {resolved}; fi;;
        cp) {copied} && touch "$0.copied";;
        esac""",
    )


def published(immutable: str | None = None, tags: tuple[str, ...] = ("1.4.0-dev.1f1f1f1f1f1f",)) -> dict[str, object]:
    """Publish the artifact."""
    return publish(Request(SOURCE, TARGET, tags, *SIGNED_BY, immutable_tag=immutable), LOGINS)


def test_an_artifact_is_copied_by_digest_with_its_referrers_then_tagged_then_compared(tool: ToolMaker) -> None:
    path = oras(tool, copied="true")
    result = published("1.4.0", ("1.4.0", "1.4", "1"))
    assert result == {"reference": f"{TARGET}@{HERE}", "tags": ["1.4.0", "1.4", "1"]}
    verbs = [call.split()[0] for call in calls(path)]
    looked = ["manifest", *["discover"] * 2, "manifest"]  # the index; what refers to it and to its platform
    # claimed, looked at, copied, listed on both sides, claimed once more, looked for a higher version, tagged, compared
    assert verbs == ["resolve", *looked, "cp", *["discover"] * 4, "resolve", "repo", "tag", *["resolve"] * 3]
    [copy] = [call.split() for call in calls(path) if call.startswith("cp ")]
    assert "--recursive" in copy
    assert copy[-2:] == [str(SOURCE), f"{TARGET}@{HERE}"]
    [tagged] = [call.split() for call in calls(path) if call.startswith("tag ")]
    assert tagged[-4:] == [f"{TARGET}@{HERE}", "1.4.0", "1.4", "1"]


def test_no_password_stands_on_a_command_line_or_in_the_environment(tool: ToolMaker) -> None:
    path = oras(tool, copied='env >>"$0.env"')
    published("1.4.0", ("1.4.0",))
    assert "hunter2" not in "\n".join(calls(path))
    assert "hunter2" not in Path(f"{path}.env").read_text()


def test_credentials_lie_in_a_folder_of_their_own_that_is_gone_afterwards(tool: ToolMaker) -> None:
    path = tool(
        "oras",
        f"""while [ $# -gt 0 ]; do
        case $1 in --registry-config|--to-registry-config) echo "$2" >>"$0.config"; stat -c %a "$2" >>"$0.modes";;
        {READS.replace(";;", "; exit;;")} esac
        shift; done; echo {HERE}""",
    )
    tool("cosign", f"echo '{VERIFIED}'")
    published("1.4.0", ("1.4.0",))
    assert set(Path(f"{path}.modes").read_text().split()) == {"600"}
    configurations = {Path(line) for line in Path(f"{path}.config").read_text().split()}
    assert configurations
    assert not [it for it in configurations if it.exists() or it.parent.exists()]
    assert not [it for it in configurations if it.is_relative_to(Path.home() / ".docker")]


def test_the_folder_of_the_credentials_is_gone_after_a_failure_too() -> None:
    with pytest.raises(StepError), registry_credentials(LOGINS) as folder:
        assert folder.stat().st_mode & 0o077 == 0
        assert json.loads((folder / "config.json").read_text())["auths"].keys() == {TARGET.registry}
        raise StepError("failed")
    assert not folder.exists()


@pytest.mark.parametrize("words", REFUSALS)
@pytest.mark.parametrize("at", ["resolve", "cp"])
def test_a_registry_that_refuses_or_is_down_is_told_with_the_setting_to_check(
    tool: ToolMaker, words: str, at: str
) -> None:
    for text in REFUSALS[words]:
        failing = f"cat <<'END' >&2\n{text}\nEND\nfalse"
        oras(tool, **{"resolved" if at == "resolve" else "copied": f"{{ {failing}\n}}; exit 1"})
        with pytest.raises(StepError) as caught:
            published("1.4.0", ("1.4.0",))
        message = str(caught.value)
        assert message.startswith(f"registry {TARGET.registry} {words}"), message
        assert "registry." in message
        assert text in message
        assert "hunter2" not in message


def test_a_digest_with_the_digits_of_an_error_code_is_no_refusal(tool: ToolMaker) -> None:
    digest = Digest("sha256:" + "401403" * 10 + "abcd")
    text = f"Error: copy {digest}: dial tcp 127.0.0.1:5443: connect: connection refused"
    oras(tool, copied=f"{{ cat <<'END' >&2\n{text}\nEND\nfalse; }}; exit 1")
    with pytest.raises(StepError, match="does not answer"):
        publish(Request(ImageReference(SOURCE.repository, digest), TARGET, ["1"], *SIGNED_BY), LOGINS)


def test_a_digest_with_the_digits_of_an_error_code_does_not_hide_another_failure(tool: ToolMaker) -> None:
    text = f"Error: blob sha256:{'401403' * 10}abcd: no space left on device"
    oras(tool, copied=f"{{ cat <<'END' >&2\n{text}\nEND\nfalse; }}; exit 1")
    with pytest.raises(StepError) as caught:
        published()
    assert "credentials" not in str(caught.value)
    assert "no space left on device" in str(caught.value)


@pytest.mark.parametrize(
    ("failure", "words"),
    [("connect: connection refused", "does not answer"), ("response status code 401: Unauthorized", "refuses")],
)
def test_the_registry_that_failed_is_the_one_that_is_named(tool: ToolMaker, failure: str, words: str) -> None:
    oras(tool, copied=f"{{ echo 'Error: Head \"http://localhost:5380/v2/driftwood/web\": {failure}' >&2; false; }}")
    with pytest.raises(StepError) as caught:
        published()
    first = str(caught.value).splitlines()[0]
    assert first.startswith(f"registry localhost:5380 {words}")
    assert "quarantine." in first


def test_a_release_whose_tag_names_another_digest_stops_before_the_copy(tool: ToolMaker) -> None:
    path = oras(tool, resolved=f"echo {OTHER}")
    with pytest.raises(StepError) as caught:
        published("1.4.0", ("1.4.0",))
    message = str(caught.value)
    assert message.startswith(f"{TARGET}:1.4.0 is taken: it names {OTHER}, this build is {HERE}.")
    assert "raise `version`" in message
    assert [call.split()[0] for call in calls(path)] == ["resolve"]


def test_a_release_that_was_published_already_is_no_mistake(tool: ToolMaker) -> None:
    oras(tool, resolved=f"echo {HERE}", copied="true")
    assert published("1.4.0", ("1.4.0",))["reference"] == f"{TARGET}@{HERE}"


def test_an_artifact_whose_signature_did_not_arrive_gets_no_tag(tool: ToolMaker) -> None:
    path = oras(tool)
    tool("cosign", fails("Error: no signatures found"))
    with pytest.raises(StepError, match="does not verify after the copy; it got no tag"):
        published()
    assert "tag" not in [call.split()[0] for call in calls(path)]


def test_an_artifact_whose_evidence_verifies_with_another_key_alone_gets_no_tag(tool: ToolMaker) -> None:
    path = oras(tool)
    tool("cosign", f"echo '{VERIFIED.replace(VULNERABILITIES, SIGNATURE)}'")
    with pytest.raises(StepError, match=f"{OTHER}: no vulnerability report of this key"):
        published()
    assert "tag" not in [call.split()[0] for call in calls(path)]


def test_a_referrer_that_was_not_copied_is_named_and_nothing_is_tagged(tool: ToolMaker) -> None:
    path = oras(tool)
    more = discovered(a="https://slsa.dev/provenance/v1", b="https://cyclonedx.org/bom")
    there = f"case $* in *{SOURCE.repository}*) echo '{more}';; *) echo '{REFERRERS}';; esac"
    tool("oras", f"case $1 in discover) {there};; {READS} esac")
    with pytest.raises(StepError) as caught:
        published()
    first, *lost = str(caught.value).splitlines()
    assert first == f"{TARGET}@{HERE}: not all that refers to it was copied; it got no tag:"
    assert lost == [f"  {TARGET}@{digest}: sha256:{'b':0>64}" for digest in (HERE, OTHER)]
    assert "tag" not in [call.split()[0] for call in calls(path)]


def test_a_credential_helper_that_is_missing_is_no_free_version(tool: ToolMaker) -> None:
    missing = 'exec: "docker-credential-nosuch": executable file not found in $PATH'
    path = oras(tool, resolved=fails(f"Error: failed to resolve digest: {missing}"))
    with pytest.raises(StepError, match="docker-credential-nosuch"):
        published("1.4.0", ("1.4.0",))
    assert "cp" not in [call.split()[0] for call in calls(path)]


def test_a_tag_that_names_something_else_after_the_copy_is_a_failure(tool: ToolMaker) -> None:
    tool("cosign", f"echo '{VERIFIED}'")
    tool("oras", f"case $1 in resolve) echo {OTHER};; {READS} esac")
    with pytest.raises(StepError, match=f"names {OTHER} after the copy, not {HERE}"):
        published()


def test_a_tag_that_is_not_there_after_the_copy_is_a_failure(tool: ToolMaker) -> None:
    tool("cosign", f"echo '{VERIFIED}'")
    missing = fails("Error: not found")
    tool("oras", f"case $1 in resolve) {missing};; {READS} esac")
    with pytest.raises(StepError, match="after the copy"):
        published()


@pytest.mark.parametrize(
    ("repository", "authority", "flags"),
    [
        ("localhost:5380/web", None, ["--plain-http"]),
        ("localhost:5443/web", "ca.crt", ["--ca-file", "ca.crt", "--plain-http=false"]),
        ("registry.example/web", "ca.crt", ["--ca-file", "ca.crt", "--plain-http=false"]),
        ("registry.example/web", None, []),
        ("127.evil.example/web", None, []),
    ],
)
def test_only_loopback_without_an_authority_is_spoken_to_in_plain(
    repository: str, authority: str | None, flags: list[str]
) -> None:
    assert transport_flags(Repository.parse(repository), authority) == flags
    sided = [flag.replace("--", "--to-") for flag in flags]
    assert transport_flags(Repository.parse(repository), authority, side="to") == sided


CLAIM = ["--source", str(SOURCE), "--repository", str(TARGET), "--version", "1.4.0", "--username", "publisher"]
PASSWORD = json.dumps({"password": "hunter2"})


def test_a_free_version_is_granted(tool: ToolMaker) -> None:
    oras(tool)
    ended = run_step_program("claim", CLAIM, PASSWORD)
    assert ended.returncode == 0
    assert json.loads(ended.stdout) == {"problem": "", "reference": str(SOURCE)}


def test_a_taken_version_is_answered_with_the_digest_that_has_it(tool: ToolMaker) -> None:
    oras(tool, resolved=f"echo {OTHER}")
    answer = json.loads(run_step_program("claim", CLAIM, PASSWORD).stdout)
    assert f"{TARGET}:1.4.0 is taken: it names {OTHER}" in answer["problem"]


@pytest.mark.parametrize("words", REFUSALS)
def test_a_registry_that_cannot_be_asked_grants_nothing(tool: ToolMaker, words: str) -> None:
    oras(tool, resolved=fails(REFUSALS[words][0]))
    answer = json.loads(run_step_program("claim", CLAIM, PASSWORD).stdout)
    assert words in answer["problem"]


@pytest.mark.parametrize(
    "step", ["claim", "publish", "scan", "sign", "attest", "verify", "preflight", "settle", "secret_file"]
)
def test_a_step_explains_itself_and_starts_without_any_tool(tool: ToolMaker, step: str) -> None:
    ended = run_step_program(step, ["--help"])
    assert ended.returncode == 0
    assert f"steps.{step}" in ended.stdout


def test_a_failed_step_ends_with_one_message_exit_code_1_and_nothing_to_hand_on(tool: ToolMaker) -> None:
    oras(tool, copied=fails("denied: requested access to the resource is denied"))
    given = ["--source", str(SOURCE), "--repository", str(TARGET), "--tag", "1", "--username", "publisher"]
    ended = run_step_program("publish", [*given, "--public-key", "cosign.pub"], PASSWORD)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.startswith("error: registry registry.driftwood.example refuses the credentials")
    assert "Traceback" not in ended.stderr
    assert "hunter2" not in ended.stderr


def test_a_tool_that_is_not_installed_is_told_with_the_way_to_it(
    tool: ToolMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tool("unrelated", "exit 0").parent
    monkeypatch.setenv("PATH", str(folder))
    assert shutil.which("oras") is None
    with pytest.raises(StepError, match=r"oras is not on PATH: .*make shell"):
        published()


def test_the_output_of_a_failed_tool_is_cut_to_its_last_lines() -> None:
    message = str(ToolError("oras", "\n".join(f"line {number}" for number in range(100))))
    assert "line 99" in message
    assert "line 10\n" not in message


ATTESTED = {
    "manifests": [
        {"digest": str(HERE), "platform": {"os": "linux", "architecture": "amd64"}},
        {"digest": str(OTHER), "platform": {"os": "linux", "architecture": "arm", "variant": "v7"}},
        {"digest": "sha256:" + "a" * 64, "platform": {"os": "unknown", "architecture": "unknown"}},
    ]
}


def test_the_platforms_of_an_index_are_those_that_run_without_attestations(tool: ToolMaker) -> None:
    tool("oras", f"echo '{json.dumps(ATTESTED)}'")
    platforms = platforms_of(SOURCE, dict(os.environ))
    assert {str(platform): digest for platform, digest in platforms.items()} == {
        "linux/amd64": HERE,
        "linux/arm/v7": OTHER,
    }


@pytest.mark.parametrize("answer", ["{}", '{"manifests": []}', '{"layers": []}', "<html></html>", ""])
def test_what_is_no_index_is_refused_in_words(tool: ToolMaker, answer: str) -> None:
    tool("oras", f"echo '{answer}'")
    with pytest.raises(StepError, match="is no index"):
        platforms_of(SOURCE, {})


def test_an_index_that_cannot_be_read_is_told_with_its_name(tool: ToolMaker) -> None:
    tool("oras", fails("Error: connection refused"))
    with pytest.raises(StepError, match=f"{SOURCE} cannot be read"):
        platforms_of(SOURCE, {})


# What is there already, as after a rollback or a copy that was interrupted.


def oras_that_holds_it(tool: ToolMaker) -> Path:
    """An oras whose registry holds the artifact and its tag."""
    return tool("oras", f"case $1 in {READS} resolve) echo {HERE};; esac")


def test_what_is_there_and_verifies_is_not_copied_again(tool: ToolMaker, capsys: pytest.CaptureFixture[str]) -> None:
    path = oras_that_holds_it(tool)
    tool("cosign", f"echo '{VERIFIED}'")
    result = publish(Request(SOURCE, TARGET, ["1.4.0"], *SIGNED_BY, immutable_tag="1.4.0", reuse=True), LOGINS)
    assert result == {"reference": f"{TARGET}@{HERE}", "tags": ["1.4.0"]}
    assert [call.split()[0] for call in calls(path)] == ["resolve", "manifest", "resolve", "tag", "resolve"]
    assert str(SOURCE.repository.registry) not in " ".join(calls(path)), "a rollback needs nobody else"
    assert "is there already, and verified: nothing was copied" in capsys.readouterr().err


@pytest.mark.parametrize("there", [True, False])
def test_what_is_there_with_another_provenance_is_copied_again(tool: ToolMaker, there: bool) -> None:
    path = oras_that_holds_it(tool)
    tool("cosign", f"echo '{VERIFIED}'")
    listed = [it["digest"] for it in json.loads(REFERRERS)["referrers"]] if there else [str(OTHER)]
    mark = provenance_mark(dict.fromkeys(listed, PROVENANCE))
    publish(Request(SOURCE, TARGET, ["1.4.0"], *SIGNED_BY, reuse=True, provenance=mark), LOGINS)
    assert ("cp" in [call.split()[0] for call in calls(path)]) is not there


def test_what_is_there_in_part_is_copied_to_its_end(tool: ToolMaker) -> None:
    path = oras(tool, copied="true")
    lacking = fails("Error: no signatures found")
    tool("cosign", f"[ -e $0.again ] || {{ touch $0.again; {lacking}; }}; echo '{VERIFIED}'")
    result = publish(Request(SOURCE, TARGET, ["1.4.0"], *SIGNED_BY, reuse=True), LOGINS)
    assert result["reference"] == f"{TARGET}@{HERE}"
    assert "cp" in [call.split()[0] for call in calls(path)]


@pytest.mark.parametrize(
    "text",
    [
        'POST "https://registry.driftwood.example/v2/x/blobs/uploads/": response status code 405: Method Not Allowed',
        "denied: the registry is in read-only mode",
    ],
)
def test_a_registry_that_is_read_only_is_told(tool: ToolMaker, text: str) -> None:
    oras(tool, copied=f"{{ {fails(text)}; }}")
    with pytest.raises(
        StepError, match=r"registry registry\.driftwood\.example is read-only: make it take driftwood/web"
    ):
        published()
