"""Source repositories and base images: one spelling each, and lists that mean what they look like."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verification.origins import base_image, is_allowed_base, is_allowed_source, source_repository

NAME = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,6}[a-z0-9])?", fullmatch=True)


@pytest.mark.parametrize(
    "uri",
    [
        "git+https://git.example/shop/web",
        "git+https://git.example/shop/web.git",
        "https://git.example/shop/web.git#refs/heads/main",
        "git+https://git.example/shop/web@refs/tags/v1.4.0",
        "https://user:token@git.example/shop/web",
        "ssh://git@git.example/shop/web.git",
        "git+ssh://git@git.example/shop/web.git",
        "git@git.example:shop/web.git",
        "git://GIT.example/shop/web/",
        "git.example/shop/web",
        "https://git.example/shop/web?ref=main",
        "https://git.example:443/shop/web",
        "git+ssh://git@GIT.example:22/shop/web.git",
        "http://git.example:80/shop/web",
        "git://git.example:9418/shop/web",
    ],
)
def test_every_spelling_of_a_source_repository_is_one(uri: str) -> None:
    assert source_repository(uri) == "git.example/shop/web"


def test_another_port_than_the_usual_one_of_the_scheme_is_another_place() -> None:
    assert source_repository("https://git.example:22/shop/web") == "git.example:22/shop/web"
    assert is_allowed_source("https://git.example:443/shop/web", ("https://git.example/*",))
    assert not is_allowed_source("https://git.example:8443/shop/web", ("https://git.example/*",))


def test_a_folder_of_the_machine_is_no_host() -> None:
    assert source_repository("git+file:///srv/git.example/shop/web") == "file:/srv/git.example/shop/web"
    assert not is_allowed_source("git+file:///git.example/shop/web", ("git.example/**", "**/shop/web"[3:]))


@pytest.mark.parametrize(
    ("uri", "image"),
    [
        ("docker-image://registry.example/base/python", "registry.example/base/python"),
        ("docker-image://python:3.12-slim@sha256:" + "1f" * 32, "docker.io/library/python"),
        ("pkg:docker/python@3.12-slim?platform=linux%2Famd64", "docker.io/library/python"),
        ("pkg:docker/library/python@sha256%3A1f", "docker.io/library/python"),
        ("pkg:docker/ghcr.io/shop/base@1.0.0", "ghcr.io/shop/base"),
        ("pkg:docker/shop/base@1?repository_url=registry.example:5000", "registry.example:5000/shop/base"),
        ("pkg:oci/base@sha256%3A1f?repository_url=registry.example/shop/base", "registry.example/shop/base"),
        ("docker-image://UPPER//case", ""),
        ("pkg:docker/", ""),
    ],
)
def test_every_spelling_of_a_base_image_is_one(uri: str, image: str) -> None:
    assert base_image(uri) == image


@pytest.mark.parametrize(
    ("allowed", "uri"),
    [
        ("https://git.example/shop/web", "git+https://git.example/shop/web.git"),
        ("git.example/shop", "https://git.example/shop/web"),
        ("https://git.example/shop/*", "https://git.example/shop/web"),
        ("git.example/**", "https://git.example/a/b/c"),
        ("*.example/shop/web", "https://git.example/shop/web"),
        ("git@git.example:shop/web.git", "https://git.example/shop/web"),
    ],
)
def test_a_listed_source_is_allowed_in_every_spelling(allowed: str, uri: str) -> None:
    assert is_allowed_source(uri, ("elsewhere.example", allowed))


@pytest.mark.parametrize(
    ("allowed", "uri"),
    [
        ("git.example/shop", "https://git.example/shopping/web"),
        ("git.example/shop/*", "https://git.example/other/web"),
        ("git.example/shop", "https://git.example.evil.example/shop"),
        ("*.example/shop/web", "https://evil.test/git.example/shop/web"),
        ("git.example/shop", "https://git.example@evil.test/shop"),
        ("git.example/shop", "https://evil.test/#git.example/shop"),
        ("git.example/shop", ""),
    ],
)
def test_another_source_is_not(allowed: str, uri: str) -> None:
    assert not is_allowed_source(uri, (allowed,))


@pytest.mark.parametrize(
    "uri",
    [
        "git+https://git.example/shop/../evil/web.git",
        "https://git.example/shop/%2e%2E/evil/web.git",
        "https://git.example/shop/..%2Fevil/web",
        "https://git.example/shop/..\\evil/web",
        "https://git.example/shop/.\t./evil/web",
        "https://git.example/shop/./web",
        "https://git.example/shop/web/..",
        "https://git.example/shop/web@v1/../../../evil/web",
        "ssh://git@git.example/shop/web?x/../../../evil/web",
        "git@git.example:../evil/web.git",
    ],
)
def test_a_path_that_git_resolves_to_another_place_is_on_no_list(uri: str) -> None:
    assert not is_allowed_source(uri, ("https://git.example/shop/*", "git.example/shop/web", "git.example/**", uri))


def test_the_whole_of_a_path_that_goes_around_is_told() -> None:
    told = source_repository("https://git.example/shop/web@v1/../../evil/web.git")
    assert told == "git.example/shop/web@v1/../../evil/web"


@pytest.mark.parametrize(
    "uri", ["https://git.example/shop/.github", "https://git.example/shop/web..", "https://git.example/shop/web#main:."]
)
def test_a_dot_in_a_name_and_a_folder_of_the_repository_change_nothing(uri: str) -> None:
    assert is_allowed_source(uri, ("git.example/shop",))


@pytest.mark.parametrize(
    "allowed", ["python", "docker.io/library", "docker.io/library/*", "docker.io", "library/python"]
)
def test_a_listed_base_is_allowed_in_every_spelling(allowed: str) -> None:
    assert is_allowed_base("pkg:docker/python@3.12-slim?platform=linux%2Famd64", (allowed,))


@pytest.mark.parametrize("allowed", ["pythons", "docker.io/lib", "quay.io/*", "registry.example/python", "py*"])
def test_another_base_is_not(allowed: str) -> None:
    assert not is_allowed_base("pkg:docker/python@3.12-slim", (allowed,))
    assert not is_allowed_base("pkg:docker/", (allowed,))


@given(st.lists(NAME, min_size=2, max_size=5), NAME)
def test_a_list_without_stars_allows_what_is_below_and_nothing_beside(names: list[str], other: str) -> None:
    place = "/".join(names)
    assert is_allowed_source(f"https://{place}", (place,))
    assert is_allowed_source(f"https://{place}/{other}", (place,))
    assert not is_allowed_source(f"https://{place}x", (place,))
    assert not is_allowed_source(f"https://{other}x/{place}", (place,))
