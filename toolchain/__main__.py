"""``python3 -m toolchain VERB``: installs and runs what Slipway stands on. ``make help`` tells the verbs."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from toolchain import verbs
from toolchain.errors import ToolchainError


def main(arguments: list[str]) -> int:
    """Runs one verb and returns the exit code: that of the tool that was run, 1 for an error of the toolchain's own."""
    parser = argparse.ArgumentParser(
        prog="python3 -m toolchain", description=__doc__, usage="%(prog)s VERB [options] [-- what the verb hands on]"
    )
    parser.add_argument("verb", choices=sorted(verbs.VERBS), metavar="VERB", help=", ".join(sorted(verbs.VERBS)))
    parser.add_argument("--stack", default="dev", help="name of the stack (default: dev)")
    parser.add_argument("--consent", action="store_true", help="agree to changes of the system, such as apt packages")
    parser.add_argument("--cache", action="store_true", help="clean: also remove the tools that all checkouts share")
    place = arguments.index("--") if "--" in arguments else len(arguments)
    options = parser.parse_args(arguments[:place])
    options.arguments = arguments[place + 1 :]
    try:
        return verbs.VERBS[options.verb](Path.cwd(), options)
    except ToolchainError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except (OSError, json.JSONDecodeError, subprocess.TimeoutExpired) as error:
        print(f"error: {_told(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _told(error: OSError | json.JSONDecodeError | subprocess.TimeoutExpired) -> str:
    """Returns what happened and what to do, where the machine failed in a way that no step has words of its own for."""
    if isinstance(error, subprocess.TimeoutExpired):
        command = [error.cmd] if isinstance(error.cmd, str) else map(str, error.cmd[:3])
        return f"`{' '.join(command)}` did not end within {error.timeout:.0f} s: run the same command again"
    if isinstance(error, json.JSONDecodeError):
        return f"what a tool wrote is no JSON ({error}): run the same command again"
    return f"{error}: mend that, then run the same command again"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
