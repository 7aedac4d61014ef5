"""The options of a tmpfs: what the Docker Engine and Linux take, so that a slip is told while the old container runs.

Source: moby/moby, `MergeTmpfsOptions`; torvalds/linux, Documentation/filesystems/tmpfs.rst.
"""

import difflib
import re
from collections.abc import Iterator, Sequence

_FLAGS = frozenset(
    {
        "defaults", "ro", "rw", "suid", "nosuid", "dev", "nodev", "exec", "noexec", "sync", "async", "dirsync",
        "mand", "nomand", "atime", "noatime", "diratime", "nodiratime", "relatime", "norelatime", "strictatime",
        "nostrictatime", "private", "rprivate", "shared", "rshared", "slave", "rslave", "unbindable", "runbindable",
    }
)  # fmt: skip
"""Without bind, rbind and remount, which are about a mount that is there already."""
_AMOUNT = r"[0-9]+[kKmMgGtTpPeE]?"
_VALUES: dict[str, tuple[str, str]] = {
    "size": (rf"{_AMOUNT}|[0-9]+%", "an amount such as 64m, or a share of the memory such as 10%"),
    "nr_inodes": (_AMOUNT, "a number such as 10k"),
    "nr_blocks": (_AMOUNT, "a number such as 10k"),
    "mode": (r"[0-7]{1,5}", "an octal number such as 1777"),
    "uid": (r"[0-9]+", "the number of a user"),
    "gid": (r"[0-9]+", "the number of a group"),
    "mpol": (
        r"(default|local|prefer|bind|interleave)(=(static|relative))?(:[0-9]+(-[0-9]+)?)?",
        "a policy such as interleave:0-3",
    ),
}
"""The options with a value: its form, and that in words."""


def tmpfs_problems(options: str) -> Iterator[str]:
    """What keeps the engine from mounting a tmpfs with these options, joined by commas as they are written."""
    for option in options.split(",") if options else ():
        name, is_given, value = option.partition("=")
        if (not is_given and option in _FLAGS) or (is_given and name in _VALUES and _is_taken(name, value)):
            continue
        if name in _VALUES:
            yield f"{name} does not take this ({value}): write {name}= and {_VALUES[name][1]}"
        else:
            yield f"{option!r} is no option of a tmpfs: {_meant(option)}"


def _is_taken(name: str, value: str) -> bool:
    return bool(re.fullmatch(_VALUES[name][0], value))


def _meant(option: str) -> str:
    name, is_given, value = option.strip().lower().partition("=")
    known = [*_VALUES, *_FLAGS] if not is_given else [*_VALUES]
    close = difflib.get_close_matches(name, sorted(known), n=1)
    if not close:
        return "write such as rw,noexec,nosuid,nodev,size=64m"
    return f"did you mean {close[0]}{f'={value}' if is_given else '=' if close[0] in _VALUES else ''}?"


def loose(options: Sequence[str]) -> str | None:
    """Which of noexec, nosuid and nodev does not hold for a tmpfs; Docker's own defaults are all three."""
    if "noexec" not in options or "exec" in options:
        return "noexec"
    return " and ".join(f"no{word}" for word in ("suid", "dev") if word in options) or None
