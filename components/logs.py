"""Where a container's output goes; a driver's slips are told here, and not once the old container is gone."""

import difflib
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from components.arguments import Arguments, refuse
from components.secret import refuse_secrets

_IN_FILES = ("json-file", "local")
"""The drivers that keep the output in files on the host."""
_BOUNDS = {"max-size": "maximum_size", "max-file": "maximum_files"}
"""What those drivers call the settings that bound the files."""
_OPTIONS = ("compress", "labels", "labels-regex", "env", "env-regex", "tag", "mode", "max-buffer-size")
"""What else those drivers take; `local` takes labels, env and tag since Docker 29 alone.

Source: moby/moby, daemon/logger, `ValidateLogOpt`."""
_MEBIBYTES = {"k": 1 / 1024, "m": 1.0, "g": 1024.0}


class Logs(Arguments):
    """Where the container's output goes, and how much of it is kept on the host."""

    driver: Literal["json-file", "local", "journald", "syslog", "fluentd", "gelf", "awslogs", "gcplogs"] = "json-file"
    """Log driver of the Docker Engine; not splunk, which takes its token as an option that `docker inspect` shows."""
    maximum_size: str = Field(default="10m", pattern=r"^[1-9][0-9]*[kmg]$")
    """Size of one log file, for json-file and local alone."""
    maximum_files: int = Field(default=3, ge=1, le=100)
    """How many log files are kept, for json-file and local alone; more than 1 GiB altogether needs a reason under
    `logs`."""
    options: dict[str, str] = {}
    """Further options of the driver; a secret among them is refused, as `docker inspect` shows them."""

    @field_validator(*_BOUNDS.values())
    @classmethod
    def _has_files(cls, value: Any, info: ValidationInfo) -> Any:
        driver = info.data.get("driver", "json-file")  # none where it is a mistake itself
        if driver not in _IN_FILES:
            raise ValueError(f"{driver} keeps no files that this could bound ({value}): remove it")
        return value

    @field_validator("options")
    @classmethod
    def _no_secrets(cls, value: dict[str, str]) -> dict[str, str]:
        refuse_secrets(value, ", and `docker inspect` shows it: let the driver log in by the host's own identity")
        return value

    @field_validator("options")
    @classmethod
    def _are_known(cls, value: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        if (driver := info.data.get("driver")) in _IN_FILES:
            refuse(f"{name!r} is no option of {driver} here: {_meant(name)}" for name in value if name not in _OPTIONS)
        return value

    def log_options(self) -> dict[str, str]:
        """The driver's options; files are always bounded."""
        bounds = {"max-size": self.maximum_size, "max-file": str(self.maximum_files)}
        return {**self.options, **(bounds if self._is_kept_in_files else {})}

    @property
    def kept(self) -> float:
        """MiB of log files that the host keeps at most."""
        size = int(self.maximum_size[:-1]) * _MEBIBYTES[self.maximum_size[-1]]
        return size * self.maximum_files if self._is_kept_in_files else 0

    @property
    def _is_kept_in_files(self) -> bool:
        return self.driver in _IN_FILES


def _meant(name: str) -> str:
    close = difflib.get_close_matches(name.lower().replace("_", "-"), [*_BOUNDS, *_OPTIONS], n=1)
    if not close:
        return f"write one of {', '.join(_OPTIONS)}"
    setting = _BOUNDS.get(close[0])
    return f"write logs.{setting} instead" if setting else f"did you mean {close[0]}?"
