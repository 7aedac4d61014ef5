"""The value objects: what is accepted comes back as it was, everything else is refused with the offending text."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from components.artifact import Digest, ImageReference, Platform, Repository, Version

HEX = "0123456789abcdef"
hexadecimal = st.text(HEX, min_size=64, max_size=64)
digests = hexadecimal.map(lambda digits: f"sha256:{digits}")
labels = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
ports = st.integers(1, 65535)
addresses = st.one_of(
    st.just("localhost"),
    st.builds(lambda first, rest: ".".join([first, *rest]), labels, st.lists(labels, min_size=1, max_size=3)),
    st.just("[::1]"),
).flatmap(lambda host: st.one_of(st.just(host), ports.map(lambda port: f"{host}:{port}")))
parts = st.from_regex(r"[a-z0-9]{1,8}((\.|_|__|-{1,3})[a-z0-9]{1,8}){0,2}", fullmatch=True)
paths = st.lists(parts, min_size=1, max_size=4).map("/".join)
numbers = st.integers(0, 10**6)
releases = st.builds(lambda *of: ".".join(map(str, of)), numbers, numbers, numbers)
prereleases = st.lists(st.from_regex(r"[a-z][0-9a-z]{0,5}|0|[1-9][0-9]{0,3}", fullmatch=True), min_size=1, max_size=3)
versions = st.one_of(releases, st.builds(lambda release, pre: f"{release}-{'.'.join(pre)}", releases, prereleases))


@given(digests)
def test_a_digest_comes_back_as_it_was(text: str) -> None:
    digest = Digest(text)
    assert str(digest) == text
    assert f"sha256:{digest.hexadecimal}" == text
    assert len(digest.short) == 12
    assert digest.hexadecimal.startswith(digest.short)


@given(digests, st.integers(0, 70), st.sampled_from(["", "G", "A", " ", "\n", ":", "é", "٣"]))
def test_a_digest_with_one_character_lost_or_changed_is_refused(text: str, at: int, instead: str) -> None:
    with pytest.raises(ValueError, match=re.escape(repr(text[:at] + instead + text[at + 1 :]))):
        Digest(text[:at] + instead + text[at + 1 :])


@pytest.mark.parametrize("algorithm", ["sha512:", "SHA256:", "md5:", "sha256-", ""])
@given(hexadecimal)
def test_a_digest_of_another_algorithm_is_refused(algorithm: str, digits: str) -> None:
    with pytest.raises(ValueError, match="is not a digest"):
        Digest(algorithm + digits)


@given(st.text())
def test_any_text_is_a_digest_or_refused_with_that_text(text: str) -> None:
    assume(not re.fullmatch(r"sha256:[0-9a-f]{64}", text))
    with pytest.raises(ValueError, match=re.escape(repr(text))):
        Digest(text)


@given(addresses, paths)
def test_a_repository_comes_back_as_it_was(registry: str, path: str) -> None:
    repository = Repository.parse(f"{registry}/{path}")
    assert (repository.registry, repository.path) == (registry, path)
    assert str(repository) == f"{registry}/{path}"
    assert Repository.parse(str(repository)) == repository


@given(addresses, paths, st.sampled_from([":latest", ":1.4.0", "@sha256:" + "a" * 64, ":1@sha256:" + "b" * 64]))
def test_a_repository_with_a_tag_or_digest_is_refused(registry: str, path: str, suffix: str) -> None:
    with pytest.raises(ValueError, match="tag or digest"):
        Repository.parse(f"{registry}/{path}{suffix}")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "web",
        "library/python",  # the registry is implied
        "team/web/app",
        "registry.example/",
        "/web",
        "registry.example//web",
        "registry.example/Web",
        "registry.example/web/",
        "registry.example/web app",
        "registry.example/web\n",
        "registry.example/../web",
        "registry.example/.web",
        "registry.example/web-",
        "registry.example:0/web",
        "registry.example:65536/web",
        "registry.example:port/web",
        "registry..example/web",
        "a" * 64 + ".example/web",  # a label of a host name has 63 characters at most
        "-registry.example/web",
        "https://registry.example/web",
        "user:password@registry.example/web",
        "registry.example/" + "a" * 256,
    ],
)
def test_what_is_no_repository_in_a_named_registry_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"write"):
        Repository.parse(text)


@pytest.mark.parametrize(
    ("registry", "loopback"),
    [
        ("localhost", True),
        ("localhost:5380", True),
        ("127.0.0.1:5380", True),
        ("127.1.2.3:80", True),
        ("[::1]:5380", True),
        ("[::1]", True),
        ("registry.example", False),
        ("localhost.example:5380", False),
        ("10.0.0.1:5380", False),
        ("[::2]:5380", False),
        ("127.evil.example", False),
        ("127.0.0.1.evil.example", False),
    ],
)
def test_only_this_machine_is_loopback(registry: str, loopback: bool) -> None:
    assert Repository(registry, "web").is_loopback is loopback


@given(addresses, paths, digests)
def test_a_reference_comes_back_as_it_was(registry: str, path: str, digest: str) -> None:
    text = f"{registry}/{path}@{digest}"
    reference = ImageReference.parse(text)
    assert str(reference) == text
    assert reference == Repository(registry, path).at(Digest(digest))


@given(addresses, paths, st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,20}", fullmatch=True), digests)
def test_a_tag_beside_the_digest_is_dropped(registry: str, path: str, tag: str, digest: str) -> None:
    assert str(ImageReference.parse(f"{registry}/{path}:{tag}@{digest}")) == f"{registry}/{path}@{digest}"


@given(addresses, paths, st.sampled_from(["", ":latest", ":1.4.0", "@", "@latest", "@sha256:abc"]))
def test_a_reference_without_a_digest_is_refused(registry: str, path: str, suffix: str) -> None:
    with pytest.raises(ValueError, match="digest"):
        ImageReference.parse(f"{registry}/{path}{suffix}")


@given(paths, digests)
def test_a_reference_without_a_registry_is_refused(path: str, digest: str) -> None:
    assume("." not in path.split("/", maxsplit=1)[0] or "/" not in path)
    with pytest.raises(ValueError, match="write"):
        ImageReference.parse(f"{path}@{digest}")


@given(st.text(string.printable))
def test_any_text_parses_to_itself_or_is_refused_in_words(text: str) -> None:
    for parse in (Repository.parse, ImageReference.parse, Digest, Platform, Version):
        try:
            assert str(parse(text)) == text
        except ValueError as error:
            assert "write" in str(error)


@pytest.mark.parametrize("text", ["linux/amd64", "linux/arm64", "linux/arm/v7", "linux/386", "windows/amd64"])
def test_a_platform_comes_back_as_it_was(text: str) -> None:
    platform = Platform(text)
    assert str(platform) == text
    assert platform.architecture == text.split("/")[1]
    assert "/" not in platform.slug


@pytest.mark.parametrize(
    "text", ["", "linux", "amd64", "linux/", "/amd64", "Linux/AMD64", "linux/amd64/v3/x", "linux amd64"]
)
def test_what_is_no_platform_is_refused_with_the_offending_text(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(repr(text))):
        Platform(text)


@given(versions)
def test_a_version_comes_back_as_it_was(text: str) -> None:
    version = Version(text)
    assert str(version) == text
    assert version.is_prerelease is ("-" in text)
    major, minor, _ = text.split("-", maxsplit=1)[0].split(".")
    assert version.series == (f"{major}.{minor}", major)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "1.4",
        "latest",
        "v1.4.0",
        "1.4.0.0",
        "01.4.0",
        "1.04.0",
        "1.4.0-",
        "1.4.0-01",
        "1.4.0-a..b",
        "1.4.0+build",
        "1.4.x",
        "1.4.0 ",
        "1.4.0\n",
        "\u0661.\u0664.\u0660",
        "stable",
        "-1.4.0",
    ],
)
def test_what_is_no_semantic_version_is_refused_with_the_offending_text(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(repr(text))):
        Version(text)


@given(versions, st.from_regex(r"[a-z][a-z0-9]{0,15}", fullmatch=True), digests)
def test_a_candidates_tag_is_a_tag_that_names_version_channel_and_digest(
    version: str, channel: str, digest: str
) -> None:
    tag = Version(version).candidate_tag(channel, Digest(digest))
    assert Repository("registry.example", "web").tagged(tag) == f"registry.example/web:{tag}"
    assert tag.startswith(f"{version}-" if "-" not in version else f"{version}.")
    assert tag.endswith(f"{channel}.{Digest(digest).identifier}")
    assert tag != version


def test_the_tag_of_a_candidate_is_the_one_that_the_guide_shows() -> None:
    digest = Digest("sha256:0123456789ab" + "c" * 52)
    assert Version("1.4.0").candidate_tag("dev", digest) == "1.4.0-dev.0123456789ab"


@pytest.mark.parametrize(
    ("digits", "shown"),
    [("012345678901a", "012345678901a"), ("0123456789012345b", "0123456789012345b"), ("123456789012", "123456789012")],
)
def test_the_tag_of_a_candidate_is_a_semantic_version_whatever_the_digits(digits: str, shown: str) -> None:
    digest = Digest("sha256:" + digits.ljust(64, "c"))
    tag = Version("1.4.0").candidate_tag("dev", digest)
    assert tag == f"1.4.0-dev.{shown}"
    assert Version(tag).is_prerelease
    assert digest.is_in_tag(tag) and digest.is_in_tag(f"1.4.0-dev.{digits[:12]}")
    assert not digest.is_in_tag("1.4.0-dev.cccccccccccc")


@pytest.mark.parametrize("length", [100, 122, 123, 300])
def test_a_version_too_long_for_a_tag_is_refused_and_a_shorter_one_fits(length: int) -> None:
    text = "1.0.0-" + "a" * length
    try:
        version = Version(text)
    except ValueError as error:
        assert "tag" in str(error)
        return
    tag = version.candidate_tag("c" * 16, Digest("sha256:" + "a" * 64))
    assert Repository("registry.example", "web").tagged(tag).endswith(tag)


@given(st.one_of(st.just(""), st.from_regex(r"[-.][a-z]{0,5}", fullmatch=True), st.just("a" * 129), st.just("a b")))
def test_what_is_no_tag_is_refused(tag: str) -> None:
    with pytest.raises(ValueError, match="is not a tag"):
        Repository("registry.example", "web").tagged(tag)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("localhost:5443", "127.0.0.1:5443"),
        ("localhost:5443", "[::1]:5443"),
        ("Registry.Example", "registry.example"),
        ("registry.example", "registry.example:443"),
        ("registry.example", "registry.example:00443"),
        ("localhost:5443", "localhost:05443"),
        ("LOCALHOST:5443", "127.0.0.1:5443"),
        ("localhost:5443", "[0:0:0:0:0:0:0:1]:5443"),
        ("[2001:DB8::1]:5443", "[2001:0db8:0::1]:5443"),
        ("docker.io", "index.docker.io"),
        ("docker.io", "registry-1.docker.io:443"),
    ],
)
def test_two_spellings_of_one_registry_are_one(one: str, other: str) -> None:
    assert Repository(one, "web").is_in_the_registry_of(Repository(other, "web"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("localhost:5380", "localhost:5443"),
        ("registry.example", "quarantine.example"),
        ("docker.io:5000", "index.docker.io:5000"),
        ("[2001:db8::1]:5443", "[2001:db8::2]:5443"),
        ("[:::]", "[::]"),
    ],
)
def test_two_registries_are_two(one: str, other: str) -> None:
    assert not Repository(one, "web").is_in_the_registry_of(Repository(other, "web"))
