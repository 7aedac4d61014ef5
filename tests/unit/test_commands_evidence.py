"""`slipway evidence`: what it shows of an artifact, and as whose word."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from commands.__main__ import application
from components.artifact import Digest, ImageReference, Repository
from steps.predicates import PROVENANCE, SBOM, SIGNATURE, VULNERABILITIES
from tests.conftest import ToolMaker
from tests.running import ROOT
from tests.toolbox import Toolbox

REPOSITORY = Repository.parse("registry.driftwood.example/driftwood/web")
REFERENCE = str(ImageReference(REPOSITORY, Digest("sha256:" + "1f" * 32)))
AMD64 = str(REPOSITORY.at(Digest("sha256:" + "a" * 64)))
INDEX = {"manifests": [{"digest": "sha256:" + "a" * 64, "platform": {"os": "linux", "architecture": "amd64"}}]}
SAYS = {"version": "1.4.0", "repository": str(REPOSITORY)}
BUILD: dict[str, Any] = {
    "buildDefinition": {
        "externalParameters": {
            "context": "examples/web",
            "arguments": {"VERSION": "1.4.0"},
            "platforms": ["linux/amd64"],
        },
        "resolvedDependencies": [
            {
                "name": "source",
                "uri": "git+https://git.example/driftwood",
                "digest": {"gitCommit": "0f" * 20},
                "annotations": {"dirty": True},
            }
        ],
    },
    "runDetails": {
        "builder": {"id": "urn:slipway:builder:buildkit", "version": {"buildkit": "v0.34.2"}},
        "metadata": {"startedOn": "2026-11-18T11:06:40Z", "finishedOn": "2026-11-18T11:06:49Z"},
    },
}


def report(finished: str, *vulnerabilities: str) -> dict[str, Any]:
    """The predicate of a vulnerability report."""
    entries = [
        {"VulnerabilityID": it, "PkgName": "Jinja2", "InstalledVersion": "2.10", "Severity": "HIGH"}
        for it in vulnerabilities
    ]
    return {
        "scanner": {
            "uri": "pkg:github/aquasecurity/trivy@0.70.0",
            "db": {"lastUpdate": "2026-11-23T00:00:00Z"},
            "result": {"Results": [{"Vulnerabilities": entries}]},
        },
        "metadata": {"scanStartedOn": finished, "scanFinishedOn": finished},
    }


@pytest.fixture(name="box")
def an_artifact_with_its_evidence(tool: ToolMaker, tmp_path: Path) -> Toolbox:
    """A registry with an artifact of one platform, signed and attested by the key `cosign`."""
    box = Toolbox(tmp_path / "box")
    box.install(tool, INDEX)
    box.write(REFERENCE, SIGNATURE, annotations=SAYS)
    box.write(REFERENCE, PROVENANCE, predicate=BUILD)
    box.write(AMD64, SIGNATURE, annotations=SAYS)
    box.write(AMD64, VULNERABILITIES, predicate=report("2026-11-24T08:00:00Z"))
    box.write(AMD64, SBOM, predicate={"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{}, {}]})
    return box


def slipway(*arguments: str) -> Result:
    """Run the command line."""
    return CliRunner().invoke(application(), ["evidence", REFERENCE, "--key", "cosign.pub", *arguments])


def data(*arguments: str) -> dict[str, Any]:
    """What it says as data."""
    found: dict[str, Any] = json.loads(slipway("--json", *arguments).stdout)
    assert found.pop("schema_version") == 1
    return found


def test_it_says_who_signed_what_was_found_and_from_what_it_was_built(box: Toolbox) -> None:
    ended = slipway()
    assert ended.exit_code == 0, ended.output
    text = " ".join(ended.output.split())
    assert f"version {SAYS['version']}" in text
    assert "2026-11-24 08:00" in text
    assert "trivy@0.70.0" in text
    assert "CycloneDX 1.6" in text
    assert "git+https://git.example/driftwood" in text
    assert "with changes that are not committed" in text
    assert "VERSION=1.4.0" in text
    assert "v0.34.2" in text
    assert "missing" not in text


def test_in_a_file_what_it_says_is_neither_cut_nor_folded(box: Toolbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    lines = slipway().output.splitlines()
    assert [line for line in lines if f"git+https://git.example/driftwood gitCommit:{'0f' * 20} (with changes" in line]
    assert [line for line in lines if f"repository {SAYS['repository']}, version 1.4.0" in line]


def test_what_others_wrote_is_shown_as_it_is_and_commands_nothing(box: Toolbox) -> None:
    definition = BUILD["buildDefinition"] | {
        "externalParameters": {"[/x]": {"ROUTE": "[/api/v1]", "B": "\x1b[2J[red]"}}
    }
    box.write(REFERENCE, PROVENANCE, predicate=BUILD | {"buildDefinition": definition})
    box.write(AMD64, VULNERABILITIES, predicate=report("2026-11-25T08:00:00Z", "CVE-[/bold]"))
    ended = slipway()
    assert ended.exit_code == 0, ended.output
    assert "ROUTE=[/api/v1]" in ended.output
    assert "[red]" in ended.output
    assert "CVE-[/bold]" in ended.output
    assert "\x1b[2J" not in ended.output


def test_as_data_it_says_the_same(box: Toolbox) -> None:
    found = data()
    assert found["reference"] == REFERENCE
    assert found["signatures"] == {"index": [SAYS], "linux/amd64": [SAYS]}
    assert found["provenance"] == [BUILD]
    platform = found["platforms"]["linux/amd64"]
    assert platform["digest"] == AMD64.partition("@")[2]
    assert platform["sboms"] == [{"format": "CycloneDX 1.6", "components": 2, "made": ""}]
    assert platform["reports"][0]["counts"] == {"CRITICAL": 0, "HIGH": 0, "MEDIUM": 0, "LOW": 0, "UNKNOWN": 0}
    assert found["lacking"] == []
    assert found["unverified"] == {"index": 0, "linux/amd64": 0}


def test_the_latest_report_comes_first_and_its_findings_are_shown(box: Toolbox) -> None:
    box.write(AMD64, VULNERABILITIES, predicate=report("2026-11-25T08:00:00Z", "CVE-2019-10906"))
    reports = data()["platforms"]["linux/amd64"]["reports"]
    assert [it["finished"] for it in reports] == ["2026-11-25T08:00:00Z", "2026-11-24T08:00:00Z"]
    assert reports[0]["findings"][0]["vulnerability"] == "CVE-2019-10906"
    text = slipway().output
    assert "CVE-2019-10906" in text
    assert "1 HIGH" in text


@pytest.mark.parametrize(
    "result",
    [{"matches": []}, {"Results": ["text"]}, {"Results": [{"Vulnerabilities": [{"id": "CVE-1"}]}]}, ["text"], "text"],
)
def test_a_report_of_another_scanner_is_not_one_without_findings(box: Toolbox, result: object) -> None:
    other = report("2026-11-25T08:00:00Z")
    box.write(AMD64, VULNERABILITIES, predicate=other | {"scanner": {"uri": "pkg:grype@0.99", "result": result}})
    newest = data()["platforms"]["linux/amd64"]["reports"][0]
    assert (newest["counts"], newest["findings"]) == ({}, [])
    assert re.search(r"in a form of its own +pkg:grype@0\.99", slipway().output)


def test_a_severity_that_the_scanner_alone_knows_counts_as_unknown(box: Toolbox) -> None:
    own = report("2026-11-25T08:00:00Z", "CVE-2019-10906")
    own["scanner"]["result"]["Results"][0]["Vulnerabilities"][0]["Severity"] = "NEGLIGIBLE"
    box.write(AMD64, VULNERABILITIES, predicate=own)
    assert data()["platforms"]["linux/amd64"]["reports"][0]["counts"]["UNKNOWN"] == 1


@pytest.mark.parametrize(
    ("type_", "name"), [(PROVENANCE, "provenance"), (VULNERABILITIES, "vulnerability report"), (SBOM, "SBOM")]
)
def test_what_is_missing_is_named_and_the_exit_code_says_so(box: Toolbox, type_: str, name: str) -> None:
    box.entries.write_text("".join(json.dumps(it) + "\n" for it in box.written() if it["type"] != type_))
    ended = slipway()
    assert ended.exit_code == 1
    assert f"no {name} of this key" in ended.output
    assert slipway("--json").exit_code == 1


def test_the_word_of_another_key_counts_for_nothing_and_is_counted(box: Toolbox) -> None:
    forged = report("2026-11-26T08:00:00Z", "CVE-2020-0000")
    box.write(AMD64, VULNERABILITIES, key="other", predicate=forged)
    found = data()
    assert len(found["platforms"]["linux/amd64"]["reports"]) == 1
    assert found["unverified"] == {"index": 0, "linux/amd64": 1}
    assert "not by this key, and not shown: 1 of linux/amd64" in slipway().output


def test_an_artifact_that_this_key_has_never_seen_lacks_everything(box: Toolbox) -> None:
    ended = CliRunner().invoke(application(), ["evidence", REFERENCE, "--key", "stranger.pub"])
    assert ended.exit_code == 1
    assert ended.output.count("no signature of this key") == 2
    assert "2 of index, 3 of linux/amd64" in ended.output


TLS = 'Error: Head "https://registry.driftwood.example/v2/driftwood/web/manifests/x": {}'
AUTHORITY = "tls: failed to verify certificate: x509: certificate signed by unknown authority"
WANTS_TLS = 'Error: Get "http://localhost:5443/v2/": Client sent an HTTP request to an HTTPS server.'
BAD_REQUEST = 'Error response from registry: GET "http://localhost:5443/v2/x": response status code 400: Bad Request'
PLAIN = "http: server gave HTTP response to HTTPS client"


@pytest.mark.parametrize(
    ("said", "helps"),
    [(AUTHORITY, True), (WANTS_TLS, True), (BAD_REQUEST, True), (PLAIN, False), ("connection refused", False)],
)
@pytest.mark.parametrize("reference", [REFERENCE, f"{REPOSITORY}:1.4.0"], ids=["digest", "tag"])
def test_a_registry_with_an_authority_of_its_own_is_told_the_option_that_names_it(
    box: Toolbox, tool: ToolMaker, said: str, helps: bool, reference: str
) -> None:
    tool("oras", f"echo '{TLS.format(said)}' >&2; exit 1")
    ended = CliRunner().invoke(application(), ["evidence", reference, "--key", "cosign.pub"])
    assert ended.exit_code == 2
    assert said in ended.output
    hint = f"registry {REPOSITORY.registry} has no certificate by an authority that is trusted here: write the PEM file"
    assert (hint in ended.output) == ("--certificate-authority FILE" in ended.output) == helps


@pytest.mark.parametrize(
    ("reference", "words"),
    [("web", "registry"), ("registry.example/web", "names no artifact"), ("registry.example/web@sha256:12", "digest")],
)
def test_what_names_no_artifact_is_said_in_words(box: Toolbox, reference: str, words: str) -> None:
    ended = CliRunner().invoke(application(), ["evidence", reference, "--key", "cosign.pub"])
    assert ended.exit_code == 2
    assert ended.output.startswith("error: ")
    assert words in ended.output
    assert "Traceback" not in ended.output


def test_a_registry_that_does_not_answer_is_another_exit_code(tool: ToolMaker, box: Toolbox) -> None:
    tool("oras", "echo 'Error: connection refused' >&2; exit 1")
    ended = slipway()
    assert ended.exit_code == 2
    assert "connection refused" in ended.output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_command_that_a_signal_ends_leaves_no_logins_and_no_tool_behind(
    tool: ToolMaker, number: signal.Signals
) -> None:
    path = tool("oras", 'echo "$$ $DOCKER_CONFIG" >"$0.told"; exec sleep 60')
    told = Path(f"{path}.told")
    command = [sys.executable, "-m", "commands", "evidence", REFERENCE, "--key", "cosign.pub"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as running:
        deadline = time.monotonic() + 20
        while not (told.exists() and told.read_text().strip()) and time.monotonic() < deadline:
            time.sleep(0.02)
        process, folder = told.read_text().split()
        assert (Path(folder) / "config.json").exists()
        running.send_signal(number)
        assert running.wait(timeout=20) == 130
        assert running.stderr
        assert running.stderr.read() == "interrupted\n"
    assert not Path(folder).exists()
    assert not Path("/proc", process).exists()
