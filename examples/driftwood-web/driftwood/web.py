"""The service's process: ``python -m driftwood.web``.

Made to be process 1 of a container: SIGTERM and SIGINT stop it at any time, even while it starts. Requests that are
under way are finished, new connections are refused, and after `GRACE` plus a moment the process is gone.

Environment: DRIFTWOOD_HOST (default 0.0.0.0), DRIFTWOOD_PORT (default 8080), DRIFTWOOD_VERSION (shown to people),
DRIFTWOOD_SECRETS (folder of the secret files, default /run/secrets).
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp

GRACE = 1.2
"""Seconds that requests under way get to finish after SIGTERM."""
DEADLINE = 1.6
"""Seconds after SIGTERM when the process ends whatever still holds it, such as a read that hangs in a thread."""
CUT_OFF = 1
"""Exit code where requests were cut off; 0 where all were finished."""

_log = logging.getLogger("driftwood")


def main(environment: Mapping[str, str] = os.environ) -> None:
    """Serves Driftwood until SIGTERM or SIGINT."""
    # Process 1 has no default action for SIGTERM, so a stop during the slow imports below would be lost without this.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _exit_now)
    from driftwood import logs
    from driftwood.application import Settings, create_application

    logs.configure()
    settings = Settings(
        version=environment.get("DRIFTWOOD_VERSION") or Settings.version,
        secrets_directory=Path(environment.get("DRIFTWOOD_SECRETS") or Settings.secrets_directory),
    )
    port = environment.get("DRIFTWOOD_PORT") or "8080"
    if not port.isdecimal() or int(port) > 65535:
        sys.exit(f"driftwood: DRIFTWOOD_PORT is not a port ({port}): write a number from 0 to 65535")
    serve(create_application(settings), environment.get("DRIFTWOOD_HOST") or "0.0.0.0", int(port))


def serve(application: ASGIApp, host: str, port: int) -> None:
    """Serves an ASGI application until SIGTERM or SIGINT, then exits the process: 0, or 1 where requests were cut off.

    `port` 0 takes any free one; the log names it.
    """
    import uvicorn

    class Server(uvicorn.Server):
        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            if not self.should_exit:
                threading.Thread(target=_end_at_deadline, daemon=True).start()
            super().handle_exit(sig, frame)

    config = uvicorn.Config(
        application,
        host=host,
        port=port,
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,  # AccessLog does it, with fields
        server_header=False,
        timeout_graceful_shutdown=GRACE,  # type: ignore[arg-type]  # declared int, handed to asyncio.wait_for as it is
    )
    Server(config).run()


def _exit_now(_number: int, _frame: FrameType | None) -> None:
    """Ends the process where no server runs: before its start, and after its end, when it raises the signal again."""
    sys.exit(0)


def _end_at_deadline() -> None:
    threading.Event().wait(DEADLINE)
    _log.error("requests still under way after %.1f s are cut off", DEADLINE)
    logging.shutdown()
    os._exit(CUT_OFF)


if __name__ == "__main__":
    main()
