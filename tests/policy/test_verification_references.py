"""Image references: what every spelling means, and that nothing which is no reference passes for one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verification.references import Reference, is_digest, is_image_id, is_loopback, is_semver, registry_identity

DIGEST = "sha256:" + "1f" * 32
LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
HOST = st.one_of(
    st.just("localhost"),
    st.builds("{}.{}".format, LABEL, LABEL),
    st.builds("{}:{}".format, LABEL, st.integers(1, 65535)),
    st.builds("[::{}]:{}".format, st.integers(1, 9), st.integers(1, 65535)),
)
PART = st.from_regex(r"[a-z0-9]{1,6}((\.|_|__|-{1,3})[a-z0-9]{1,6}){0,2}", fullmatch=True)
PATH = st.lists(PART, min_size=1, max_size=4).map("/".join)
TAG = st.none() | st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,20}", fullmatch=True)
REFERENCES = st.builds(Reference, HOST, PATH, TAG, st.none() | st.just(DIGEST))


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("python", "docker.io/library/python"),
        ("python:3.12", "docker.io/library/python:3.12"),
        ("library/python", "docker.io/library/python"),
        ("someone/app", "docker.io/someone/app"),
        ("docker.io/python", "docker.io/library/python"),
        ("index.docker.io/someone/app:1", "docker.io/someone/app:1"),
        ("registry-1.docker.io/library/python", "docker.io/library/python"),
        ("host:5000", "docker.io/library/host:5000"),
        ("host:5000/app", "host:5000/app"),
        ("localhost/app", "localhost/app"),
        ("localhost:5000/a/b/c:1.4.0", "localhost:5000/a/b/c:1.4.0"),
        ("[::1]:5000/app", "[::1]:5000/app"),
        ("Registry.EXAMPLE/team/app", "registry.example/team/app"),
        ("TEAM/app", "team/app"),  # capitals can be no user of Docker Hub, so engines take it for a host
        (f"registry.example/app@{DIGEST}", f"registry.example/app@{DIGEST}"),
        (f"registry.example:443/app:1.4.0@{DIGEST}", f"registry.example:443/app:1.4.0@{DIGEST}"),
        (f"app@{DIGEST}", f"docker.io/library/app@{DIGEST}"),
    ],
)
def test_every_spelling_of_an_image_is_written_out(text: str, canonical: str) -> None:
    assert str(Reference.parse(text)) == canonical


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (DIGEST, "is a local image id, not an image in a registry: write REPOSITORY@sha256:…"),
        ("1f" * 32, "is a local image id, not an image in a registry: write REPOSITORY@sha256:…"),
        ("", "has no valid repository path: write lower-case names joined by /"),
        ("a b", "has no valid repository path: write lower-case names joined by /"),
        ("registry.example/App", "has no valid repository path: write lower-case names joined by /"),
        ("registry.example/a//b", "has no valid repository path: write lower-case names joined by /"),
        ("registry.example/../b", "has no valid repository path: write lower-case names joined by /"),
        ("registry.example/app\n", "has no valid repository path: write lower-case names joined by /"),
        ("https://registry.example/app", "names no valid registry ('https:'): write HOST[:PORT]/PATH"),
        ("registry.example:99999/app", "names no valid registry ('registry.example:99999'): write HOST[:PORT]/PATH"),
        ("user@registry.example/app", "has no usable digest: write sha256: and 64 hexadecimal digits"),
        ("app:", "has no valid tag: write at most 128 letters, digits, dots and dashes"),
        (f"app:1:2@{DIGEST}", "has no valid tag: write at most 128 letters, digits, dots and dashes"),
        ("app@sha256:1f", "has no usable digest: write sha256: and 64 hexadecimal digits"),
        (f"app@{DIGEST.upper()}", "has no usable digest: its hexadecimal digits must be in lower case"),
        ("app@sha512:" + "1f" * 64, "has no usable digest: sha512 is not supported: write sha256: and 64"),
        (f"app@{DIGEST}@{DIGEST}", "has no usable digest: write sha256: and 64 hexadecimal digits"),
        (f"app@{DIGEST}:1.4.0", "has no usable digest: write sha256: and 64 hexadecimal digits"),
    ],
)
def test_what_is_no_reference_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=r"^'") as refused:
        Reference.parse(text)
    assert reason in str(refused.value)


@given(REFERENCES)
def test_a_reference_survives_being_written_and_read(reference: Reference) -> None:
    canonical = Reference.parse(str(reference))
    assert Reference.parse(str(canonical)) == canonical
    assert (canonical.path, canonical.tag, canonical.digest) == (reference.path, reference.tag, reference.digest)


@given(st.text(max_size=200))
def test_any_text_is_parsed_or_refused_on_one_line(text: str) -> None:
    try:
        reference = Reference.parse(text)
    except ValueError as refused:
        assert "\n" not in str(refused)
    else:
        assert str(Reference.parse(str(reference))) == str(reference)
        assert not set(str(reference)) & set(" \t\r\n\0\"'`$\\")


@given(REFERENCES, PART)
def test_a_repository_lies_in_its_registry_and_its_prefixes_and_nowhere_else(reference: Reference, other: str) -> None:
    parts = reference.path.split("/")
    assert reference.lies_in(reference.registry)
    for length in range(1, len(parts) + 1):
        prefix = f"{reference.registry}/{'/'.join(parts[:length])}"
        assert reference.lies_in(prefix)
        assert reference.lies_in(f"https://{prefix}/")
        assert not reference.lies_in(f"{prefix}x")
    assert not reference.lies_in(f"{reference.repository}/{other}")
    assert not reference.lies_in(f"elsewhere.example/{reference.path}")
    assert not reference.lies_in("")


def test_a_place_is_compared_by_whole_names() -> None:
    reference = Reference.parse("registry.example/team-b/app")
    assert not reference.lies_in("registry.example/team")
    assert not reference.lies_in("registry.example.evil.example")
    assert not reference.lies_in("example")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("localhost:5000", "127.0.0.1:5000"),
        ("127.0.0.1:5000", "127.1.2.3:5000"),
        ("localhost:5000", "[::1]:5000"),
        ("registry.example", "REGISTRY.example:443"),
        ("docker.io", "registry-1.docker.io"),
        ("localhost:5000", "[0:0:0:0:0:0:0:1]:5000"),
        ("[2001:DB8::1]:5443", "[2001:0db8:0::1]:05443"),
    ],
)
def test_spellings_of_one_registry_are_equal(one: str, other: str) -> None:
    assert registry_identity(one) == registry_identity(other)


@pytest.mark.parametrize("other", ["localhost:5001", "registry.example", "localhost:5000@evil.example", "localhost:x"])
def test_another_registry_is_another(other: str) -> None:
    assert registry_identity("localhost:5000") != registry_identity(other)


@pytest.mark.parametrize("address", ["localhost", "localhost:5000", "127.0.0.1", "127.9.9.9:1", "[::1]", "[::1]:5000"])
def test_loopback_is_known(address: str) -> None:
    assert is_loopback(address)


@pytest.mark.parametrize(
    "address",
    ["registry.example", "localhost.example", "127.0.0.1.example:80", "10.0.0.1", "127.0.0.1:80@evil.example", "[::2]"],
)
def test_what_only_looks_like_loopback_is_not(address: str) -> None:
    assert not is_loopback(address)


@pytest.mark.parametrize("tag", ["1.4.0", "v1.4.0", "0.0.1", "1.4.0-dev.0123456789ab", "1.4.0-rc.1.dev.0123456789ab"])
def test_a_semantic_version_is_known_with_or_without_a_channel(tag: str) -> None:
    assert is_semver(tag)


@pytest.mark.parametrize("tag", ["", "1", "1.4", "latest", "01.4.0", "1.4.0.1", "1.4.0-", "1.4.0-01", "1.4.0+build"])
def test_what_is_no_semantic_version_is_not(tag: str) -> None:
    assert not is_semver(tag)


def test_digests_and_image_ids_are_told_from_names() -> None:
    assert is_digest(DIGEST)
    assert not is_digest(DIGEST.upper())
    assert is_image_id(DIGEST)
    assert is_image_id("1f" * 32)
    assert not is_image_id("1f" * 6)
