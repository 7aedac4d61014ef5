"""Bad settings: every mistake is said at once, one line each, before anything is made."""

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Checkout
from tests.e2e.small import attempt, container_of, containers, mistakes, refused, resources, small_stack

KEY = "slipway:services.web"


@pytest.fixture(scope="module")
def misspelt(checkout: Checkout) -> tuple[str, str]:
    """The output of a preview with many mistakes of form, and of an `up` with the same."""

    def change(settings: dict[str, Any]) -> None:
        settings["chanel"] = "dev"
        settings["scan"]["database_age"] = 400
        web = settings["services"]["web"]
        web["version"] = "latest"
        web["build"]["platform"] = ["linux/amd64"]
        web["run"]["read_onyl"] = False
        web["run"]["memory"] = "plenty"
        web["run"]["environment"] = {"DB_PASSWORD": "hunter2hunter2"}
        del web["repository"]

    stack = small_stack(checkout, "misspelt", change)
    ended = attempt(checkout, stack)
    assert ended.returncode == 1
    return stack, refused(ended)


@pytest.mark.parametrize(
    "line",
    [
        "slipway:chanel: unknown setting: did you mean channel?",
        f"{KEY}.build.platform: unknown setting: did you mean platforms?",
        f"{KEY}.run.read_onyl: unknown setting: did you mean read_only?",
        f"{KEY}.repository: missing: write ",
        f"{KEY}.version: a tag that moves names no release (latest): write a semantic version, such as 1.4.0",
        f"{KEY}.run.memory: input should be a valid integer",
        f"{KEY}.run.environment: DB_PASSWORD looks like a secret: move it to run.secrets",
        "slipway:scan.database_age: input should be less than or equal to 90 (400)",
    ],
)
def test_each_mistake_has_a_line_of_its_own(misspelt: tuple[str, str], line: str) -> None:
    assert len([told for told in mistakes(misspelt[1]) if told.startswith(line)]) == 1, misspelt[1]


def test_all_mistakes_are_said_at_once_and_once(misspelt: tuple[str, str]) -> None:
    assert "8 mistake(s) in this stack's configuration:" in misspelt[1]
    assert len(mistakes(misspelt[1])) == len(set(mistakes(misspelt[1]))) == 8


def test_a_password_in_the_wrong_place_is_not_repeated(misspelt: tuple[str, str]) -> None:
    assert "hunter2" not in misspelt[1]


def test_bad_settings_make_nothing(checkout: Checkout, misspelt: tuple[str, str]) -> None:
    assert resources(checkout, misspelt[0]) == set()
    assert containers(checkout, container_of(misspelt[0])) == []


@pytest.fixture(scope="module")
def unreadable(checkout: Checkout, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """The output of an `up` whose settings are well formed but name unusable files, and the folder of secret files."""
    folder = tmp_path_factory.mktemp("secrets")
    open_to_all = folder / "open"
    open_to_all.write_text("readable by everybody\n")
    open_to_all.chmod(0o644)
    in_project = checkout.root / "examples" / "in-project.secret"
    in_project.write_text("in the folder that git and builds see\n")
    in_project.chmod(0o600)

    def change(settings: dict[str, Any]) -> None:
        settings["sign"] |= {"key": "keys/none.key", "public_key": "keys/none.pub"}
        settings["registry"]["certificate_authority"] = "none.crt"
        web = settings["services"]["web"]
        web["build"] |= {"dockerfile": "Dockerfile.none", "base_images": "none.lock.json"}
        web["build"]["secrets"] = {"folder": {"file": str(folder)}, "unset": {"config": "never_set"}}
        web["run"]["secrets"] = {
            "missing": {"file": str(folder / "missing")},
            "open": {"file": str(open_to_all)},
            "inside": {"file": "examples/in-project.secret"},
            "plain": {"config": "plain_text"},
        }
        settings["plain_text"] = "in plain text"
        settings["services"]["other"] = {"repository": "other", "version": "1.0.0", "build": {"context": "no/folder"}}

    stack = small_stack(checkout, "unreadable", change)
    output = refused(attempt(checkout, stack))
    in_project.unlink()
    assert resources(checkout, stack) == set()
    return output, folder


def test_a_missing_dockerfile_or_context_is_named(unreadable: tuple[str, Path]) -> None:
    told = mistakes(unreadable[0])
    missing = "there is no such file (small/unreadable/Dockerfile.none): write its path in the context"
    assert f"{KEY}.build.dockerfile: {missing}" in told
    assert (
        "slipway:services.other.build.context: there is no such folder (no/folder): "
        "write the folder that holds the Dockerfile"
    ) in told


def test_missing_keys_and_locks_are_named_with_what_makes_them(unreadable: tuple[str, Path]) -> None:
    told = mistakes(unreadable[0])
    make = "make a pair with `cosign generate-key-pair`"
    assert f"slipway:sign.key: there is no such file (keys/none.key): {make}" in told
    assert f"slipway:sign.public_key: there is no such file (keys/none.pub): {make}" in told
    assert (
        f"{KEY}.build.base_images: there is no such file (none.lock.json): run `make lock-bases ARGS=none.lock.json`"
    ) in told
    assert any(
        line.startswith("slipway:registry.certificate_authority: there is no such file (none.crt)") for line in told
    )


def test_a_secret_file_that_is_missing_open_or_in_the_project_is_refused(unreadable: tuple[str, Path]) -> None:
    output, folder = unreadable
    told = mistakes(output)
    secrets = f"{KEY}.run.secrets"
    assert f"{secrets}.missing: the file cannot be read (No such file or directory): create it with mode 0600" in told
    assert f"{secrets}.open: others can read the file (mode 0644): run `chmod 600 {folder / 'open'}`" in told
    assert any(line.startswith(f"{secrets}.inside: the file lies in the project") for line in told)
    assert f"{KEY}.build.secrets.folder: it is no regular file: name a file that holds the secret alone" in told
    assert "readable by everybody" not in output


def test_a_pulumi_secret_that_is_not_set_or_not_secret_is_refused(unreadable: tuple[str, Path]) -> None:
    told = mistakes(unreadable[0])
    unset = "the Pulumi secret is not set: run `pulumi config set --secret never_set`"
    assert f"{KEY}.build.secrets.unset: {unset}" in told
    assert any(line.startswith(f"{KEY}.run.secrets.plain:") and "plain text" in line for line in told)
