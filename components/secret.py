"""Where a secret comes from: the name of a Pulumi secret or of a file, never the value.

`config.require_object` hands out plain text, so a secret inside a settings object would lose its secretness. A model
therefore holds a `SecretSource`, and the value is read where it is used, as a Pulumi secret.
"""

import os
import re
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import pulumi
from pydantic import BaseModel, ConfigDict, Field, model_validator

STATE_FOLDER = ".slipway"
"""The one folder in a project that may hold secret files: git and every build context leave it out."""


_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_REFERENCE = (
    r"(?:\$\{[^{}@]{0,200}\}|\$\([^()@]{0,200}\)|\{\{[^{}@]{0,200}\}\}|<[^<>@]{0,100}>|%s"
    r"|\$[A-Z_][A-Z0-9_]{0,100}|\"\$\w{1,100}\"|%\w?\{[^{}]{0,100}\}|\*{3,20}|[xX]{3,20})"
)
_CALL = r"[A-Za-z_]\w{0,60}(?:\.\w{1,60}){0,5}\("
"""Of a program: `token=os.getenv("TOKEN")`."""
_SECRET_LOOK = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
    r"|\b((AKIA|ASIA)[0-9A-Z]{16}|gh[pousr]_[0-9A-Za-z]{36,}|github_pat_[0-9A-Za-z_]{22,}|glpat-[0-9A-Za-z_-]{20,}"
    r"|xox[abprs]-[0-9A-Za-z-]{10,}|sk[-_](live|test|ant|proj)[-_][0-9A-Za-z_-]{16,}"
    r"|eyJ[0-9A-Za-z_-]{8,2048}\.eyJ[0-9A-Za-z_-]{8,}\.)"
    rf"|(?i:\b[a-z][a-z0-9+.-]{{0,31}}://[^/\s:@]*(?:@[\w.-]{{1,253}})?:)(?!{_REFERENCE}@)[^/\s@]+@"
    r"|(?i:(^|[?&;,\s])(-D[\w.]{0,80}(pass|password|passphrase)|password|passwd|pwd|secret|token|api_?key)=)"
    rf"(?!{_REFERENCE}(?:[&;,\s]|$)|{_CALL})[^&;,\s]+"
)
_PLAIN = re.compile(r"[a-z]{0,15}(?:[^0-9A-Za-z_~-][a-z]{0,15})*|[0-9a-f]{1,64}(?:-dirty)?|[0-9.:TZ+-]{1,64}")
"""Short small words, a commit, a time, a version: no vendor's token looks like that; the address of a hook may."""
_USER_IN_ADDRESS = re.compile(r"\bhttps?://[^/\s?#@]*@", re.IGNORECASE)
_PARAMETER = re.compile(r"[?&#]([^=?&#\s'\"]{1,64})=([^&#\s'\"]+)")
_CREDENTIALS = re.compile(r"(?<![^\s'\"/@])[^\s'\"/:@]*:[^\s'\"/@]+@")
"""Begins where a word does, and nowhere within: a long word is read once, not once for each of its characters."""


def looks_secret(name: str, value: str) -> bool:
    """Whether a setting is a secret by its name or by its look."""
    from components.secret_name import is_secret_by_name  # only here: a stack without variables waits for no patterns

    return holds_secret(value) or is_secret_by_name(name, value)


def refuse_secrets(values: Mapping[str, str], advice: str) -> None:
    """Refuse settings that look like secrets, all of them in one message that names none of their values.

    Raises:
        ValueError: with the names and the advice.
    """
    if found := [name for name, value in values.items() if looks_secret(name, value)]:
        verb = "looks like a secret" if len(found) == 1 else "look like secrets"
        raise ValueError(f"{', '.join(found)} {verb}{advice}")


def holds_secret(text: str) -> bool:
    """Whether a text holds what looks like a credential: a key, a well-known token, a URL with a password."""
    return bool(_SECRET_LOOK.search(text)) or _holds_token(text)


def _holds_token(text: str) -> bool:
    if _PLAIN.fullmatch(text) and "hook" not in text:
        return False
    from components.secret_tokens import TOKEN  # only here: its many patterns take as long to compile as all others

    return bool(TOKEN.search(text))


def holds_credential(text: str) -> bool:
    """Whether a text that has an address in it holds a secret: by its look, as the user, or among the parameters."""
    parameters = _PARAMETER.findall(text)
    return (
        holds_secret(text)
        or bool(_USER_IN_ADDRESS.search(text))
        or any(looks_secret(name, value) for name, value in parameters)
    )


def command_shows_credential(command: Sequence[str]) -> bool:
    """Whether a command shows a credential, by the look of a word or by the option that it stands behind.

    Args:
        command: the words of a program and its arguments, or the line of a shell as one word.
    """
    from components.secret_command import shows_credential

    return shows_credential(command)


def redacted(text: str) -> str:
    """The text without what looks like a credential in it."""
    from components.secret_tokens import TOKEN

    return TOKEN.sub("…", _SECRET_LOOK.sub("…", _CREDENTIALS.sub("…@", text)))


class SecretSource(BaseModel):
    """A secret by reference: exactly one of `config` and `file`."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    config: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z][A-Za-z0-9_.-]*$",
        description="Key of a Pulumi secret of this stack: `pulumi config set --secret KEY`.",
    )
    file: str | None = Field(
        default=None,
        min_length=1,
        description="Path of a file of mode 0600, outside the project folder or under .slipway/.",
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.config is None) == (self.file is None):
            raise ValueError("write either config: KEY (a Pulumi secret) or file: PATH")
        return self

    def problem(self, project: Path) -> str | None:
        """What keeps this secret from being read, in words for its owner; None when nothing does."""
        if self.file is None:
            return _config_problem(self.config or "")
        return _file_problem(self.file, project)

    def read(self) -> pulumi.Output[str]:
        """The value as a Pulumi secret.

        Raises:
            pulumi.RunError: when the file cannot be read or the Pulumi secret is not set.
        """
        if self.file is None:
            return pulumi.Config().require_secret(self.config or "")
        try:
            return pulumi.Output.secret(read_secret_file(self.file))
        except ValueError as error:
            raise pulumi.RunError(str(error)) from None


def read_secret_file(path: str | Path) -> str:
    """The secret in a file that its owner alone can read, as it is; the newline at its end is dropped: editors add it.

    Args:
        path: the file; `~` is the user's home.

    Raises:
        ValueError: it cannot be read, it is neither a file nor a pipe, or others can read it; with what to do.
    """
    try:
        with Path(path).expanduser().open(encoding="utf-8", newline="") as file:
            mode = os.fstat(file.fileno()).st_mode
            # A shell hands over a pipe for `<(pass show key)`; nothing of it is ever on a disk.
            problem = None if stat.S_ISFIFO(mode) and not mode & _OTHERS else _mode_problem(mode, str(path))
            text = "" if problem else file.read()
    except (OSError, ValueError, RuntimeError) as error:
        raise ValueError(f"secret file {path} cannot be read: {error}") from None
    if problem:
        raise ValueError(f"secret file {path}: {problem}")
    return text.removesuffix("\r\n") if text.endswith("\r\n") else text.removesuffix("\n")


def _config_problem(key: str) -> str | None:
    config = pulumi.Config()
    if config.get(key) is None:
        return f"the Pulumi secret is not set: run `pulumi config set --secret {key}`"
    if not pulumi.runtime.is_config_secret(f"{config.name}:{key}"):
        return f"the value stands in plain text in the stack file: run `pulumi config set --secret {key}`"
    return None


def _mode_problem(mode: int, path: str) -> str | None:
    if not stat.S_ISREG(mode):
        return "it is no regular file: name a file that holds the secret alone"
    if mode & _OTHERS:
        return f"others can read the file (mode {stat.S_IMODE(mode):04o}): run `chmod 600 {path}`"
    return None


def _file_problem(text: str, project: Path) -> str | None:
    try:
        path = Path(text).expanduser()
        mode = path.stat().st_mode
    except OSError as error:
        return f"the file cannot be read ({error.strerror}): create it with mode 0600"
    except (ValueError, RuntimeError) as error:  # no path at all, no such user
        return f"the file cannot be found ({error}): write its path"
    if problem := _mode_problem(mode, str(path)):
        return problem
    resolved, root = path.resolve(), project.resolve()
    if resolved.is_relative_to(root) and not resolved.is_relative_to(root / STATE_FOLDER):
        return f"the file lies in the project, where git and builds find it: move it out or under {STATE_FOLDER}/"
    return None
