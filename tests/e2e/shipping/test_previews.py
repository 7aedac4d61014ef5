"""What a preview shows of a stack that is up: nothing, or the chain of the one service whose source changed."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.conftest import commit
from tests.e2e.shipped import PLATFORMS, REPOSITORY, STACK, Shipped

CHAIN = [
    "web-image-build",
    "web-scan-trivy",
    "web-signature-cosign",
    "web-evidence-cosign",
    "web-verification-cosign",
    "web-publication-oras",
    "web-pull",
    "web-preflight",
    "web-container",
    "web-settle",
]
"""What a service's source runs through, in its order."""


@contextmanager
def changed(path: Path, old: str, new: str) -> Iterator[None]:
    """A file with one text replaced by another, for a while."""
    text = path.read_text()
    assert old in text
    try:
        path.write_text(text.replace(old, new, 1))
        yield
    finally:
        path.write_text(text)


def previewed(shipped: Shipped) -> dict[str, str]:
    """What a preview would do, by the resource's name, in its order; without what stays the same."""
    shown = shipped.checkout.preview(STACK, "--json").stdout
    steps = json.loads(shown[shown.index("{") :])["steps"]
    return {step["urn"].rpartition("::")[2]: step["op"] for step in steps if step["op"] != "same"}


def signatures(shipped: Shipped) -> dict[str, list[str]]:
    """The digests of what refers to the index and to each platform, in both registries."""
    found = {}
    for registry in (shipped.checkout.quarantine, shipped.checkout.private):
        for digest in (shipped.record.digest, *registry.platforms(REPOSITORY, shipped.record.digest).values()):
            referrers = registry.referrers(REPOSITORY, digest)
            found[f"{registry.address}/{REPOSITORY}@{digest}"] = [it["digest"] for it in referrers]
    return found


def test_a_preview_right_after_shows_no_change(shipped: Shipped) -> None:
    shipped.checkout.preview(STACK, "--expect-no-changes")


def test_a_preview_that_asks_the_engine_and_the_registries_shows_no_change(shipped: Shipped) -> None:
    shipped.checkout.preview(STACK, "--refresh", "--expect-no-changes")


def test_a_changed_source_line_previews_as_the_chain_of_its_service_and_nothing_else(shipped: Shipped) -> None:
    page = shipped.checkout.root / shipped.context / "driftwood" / "page.html"
    with changed(page, "</body>", "<p>Low water, too.</p></body>"):
        shown = previewed(shipped)
    assert [name for name in shown if name in CHAIN] == CHAIN
    others = [name for name in shown if name != "web" and not name.startswith("web-")]
    assert others in ([], [f"slipway-{STACK}"])  # the stack itself, whose outputs are not known yet
    assert shown["web-container"] in ("replace", "delete-replaced", "create-replacement", "update")


def test_a_commit_of_an_unrelated_file_previews_no_change(shipped: Shipped) -> None:
    root = shipped.checkout.root
    (root / "docs" / "tides.md").write_text("# Tides\n")
    commit(root, "write about tides", "docs/tides.md")
    shipped.checkout.preview(STACK, "--expect-no-changes")


@pytest.mark.parametrize("flags", [[], ["--replace"]], ids=["a second up", "an up that signs anew"])
def test_there_is_one_signature_after_beside_the_evidence(shipped: Shipped, flags: list[str]) -> None:
    before = signatures(shipped)
    assert len(before) == 2 * (1 + len(PLATFORMS))
    # The signature and the provenance of the index; of each platform the signature, the report and the SBOM.
    assert sorted(map(len, before.values())) == [2] * 2 + [3] * 2 * len(PLATFORMS)
    shown = shipped.checkout.up(STACK, *(part for flag in flags for part in (flag, _signing(shipped)))).stdout
    assert "unchanged" in shown
    assert signatures(shipped) == before


def _signing(shipped: Shipped) -> str:
    """The URN of the step that signs."""
    urns: list[str] = [it["urn"] for it in shipped.checkout.state(STACK)["resources"]]
    return next(urn for urn in urns if urn.endswith("::web-signature-cosign"))
