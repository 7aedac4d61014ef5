"""The lock that Pulumi's uv toolchain works with, beside the one that is checked in."""

import re
import tomllib
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;\\]+)(?P<marker>\s*;[^\\]*)?", re.MULTILINE)


def pins() -> dict[str, str]:
    """The versions of requirements.lock by normalized name."""
    text = (PROJECT / "requirements.lock").read_text()
    return {re.sub(r"[-_.]+", "-", pin["name"]).lower(): pin["version"] for pin in _PIN.finditer(text)}


def test_uv_resolves_to_the_versions_that_requirements_lock_holds() -> None:
    packages = tomllib.loads((PROJECT / "uv.lock").read_text())["package"]
    resolved = {package["name"]: package["version"] for package in packages if "virtual" not in package["source"]}
    locked = pins()
    assert locked
    # uv.lock also names what only other systems need; what both name is the same.
    assert {name: resolved[name] for name in locked} == locked


def test_every_requirement_has_a_hash_and_none_an_address() -> None:
    text = (PROJECT / "requirements.lock").read_text()
    for block in re.split(r"\n(?=\S)", text.strip()):
        assert "--hash=sha256:" in block, block
    assert "://" not in text
