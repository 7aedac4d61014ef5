"""Runs one Pulumi program for the language host: connects the SDK to the engine, runs the program, reports its end.

The host hands this text to Python through a pipe and passes the settings of the run as arguments; the configuration
comes in the environment (PULUMI_CONFIG and PULUMI_CONFIG_SECRET_KEYS, both JSON). Exit codes: 0 for success; 1 when
the program raised `pulumi.RunError`; 32 when it failed and the user has been shown why, so that the host adds nothing;
130 when it was interrupted; and whatever else a program gives to `sys.exit`.
"""

import argparse
import asyncio
import logging
import os
import runpy
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

try:
    import pulumi
    import pulumi.runtime
except ImportError:
    traceback.print_exc()
    print(
        f"\nThe Pulumi SDK is not installed for {sys.executable}. "
        "Install the program's dependencies, with `pulumi install` for example, then try again.",
        file=sys.stderr,
    )
    sys.exit(1)

RUN_ERROR = 1
FAILURE_WAS_SHOWN = 32
INTERRUPTED = 130
THREADS_PER_OPERATION = 4
"""Each operation that may run at once can hold several threads: one that waits for the engine, others of the user's."""


def parse_arguments() -> argparse.Namespace:
    """Read the settings of the run from the command line."""
    parser = argparse.ArgumentParser(description="Run a Pulumi program")
    for name in ("project", "root_directory", "stack", "organization", "monitor", "engine", "pwd"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--parallel", type=int, default=1)
    parser.add_argument("--dry_run", type=lambda text: text == "true", default=False)
    parser.add_argument("program")
    parser.add_argument("args", nargs=argparse.REMAINDER)
    return parser.parse_args()


def connect(arguments: argparse.Namespace) -> None:
    """Give the SDK the stack's configuration and the addresses of the engine."""
    pulumi.runtime.set_all_config(pulumi.runtime.get_config_env(), pulumi.runtime.get_config_secret_keys_env())
    names = ("project", "root_directory", "stack", "organization", "monitor", "engine", "parallel", "dry_run")
    pulumi.runtime.configure(pulumi.runtime.Settings(**{name: getattr(arguments, name) for name in names}))


def user_traceback(error: BaseException, entry: Path) -> str:
    """The traceback of the error from the program's own first frame on; all of it where there is no such frame."""
    frame = error.__traceback__
    while frame is not None and Path(frame.tb_frame.f_code.co_filename).absolute() != entry:
        frame = frame.tb_next
    return "".join(traceback.format_exception(error.with_traceback(frame or error.__traceback__)))


def execute(program: str) -> None:
    """Execute the program's own code, as if Python had been started with it."""
    try:
        runpy.run_path(program, run_name="__main__")
    except KeyboardInterrupt:
        # The SDK would first wait for every operation that is under way.
        leave_at_once()


def leave_at_once() -> NoReturn:
    """End without a word, and without waiting for threads, which may wait for an engine that is gone."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(INTERRUPTED)


def run(program: str, loop: asyncio.AbstractEventLoop) -> int:
    """Run the program inside a stack resource, show what went wrong, and return the exit code."""
    path = Path(program).absolute()
    entry = path / "__main__.py" if path.is_dir() else path
    if not entry.exists():
        pulumi.log.error(f"unable to find main python program `__main__.py` in `{path}`")
        return FAILURE_WAS_SHOWN
    try:
        loop.run_until_complete(pulumi.runtime.run_in_stack(lambda: execute(program)))
    except pulumi.RunError as error:
        pulumi.log.error(str(error))
        return RUN_ERROR
    except Exception as error:
        pulumi.log.error(f"Program failed with an unhandled exception:\n{user_traceback(error, entry)}")
        return FAILURE_WAS_SHOWN
    return 0


def main() -> int:
    """Run the program that the command line names, and return the exit code."""
    arguments = parse_arguments()
    # A pipe is no terminal, yet what the program prints is to be seen when it prints it.
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    connect(arguments)
    sys.argv = [arguments.program, *arguments.args]
    if arguments.pwd is not None:
        os.chdir(arguments.pwd)
    # A failed program leaves futures behind that nobody awaits; asyncio would tell the user about each.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    executor = ThreadPoolExecutor(max_workers=max(arguments.parallel, 1) * THREADS_PER_OPERATION)
    loop.set_default_executor(executor)
    try:
        return run(arguments.program, loop)
    except KeyboardInterrupt:
        leave_at_once()
    finally:
        executor.shutdown(wait=True)
        loop.close()
        sys.stdout.flush()
        sys.stderr.flush()


sys.exit(main())
