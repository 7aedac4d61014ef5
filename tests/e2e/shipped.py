"""The stack that the main story is told about: two services, brought up once under the eyes of a watcher."""

import base64
import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from components.record import ReleaseRecord, ScanSummary
from tests.e2e.conftest import Checkout, free_port
from tests.e2e.names import PREFIX
from tests.e2e.watch import ProcessWatcher

STACK = "pipeline"
CONTAINER = f"{PREFIX}-{STACK}"
REPOSITORY = f"{STACK}/web"
PLATFORMS = ("linux/amd64", "linux/arm64")


@dataclass
class Shipped:
    """A stack that was brought up once, and what was seen meanwhile; whoever changes it puts it back."""

    checkout: Checkout
    context: str
    """Folder of the service `web`, relative to the checkout; `tide` has another."""
    log: str
    """What `pulumi up` printed."""
    watcher: ProcessWatcher
    outputs: dict[str, Any]
    record: ReleaseRecord
    """The release of `web`."""
    url: str
    """Where `web` answers."""


def ship(checkout: Checkout) -> Shipped:
    """Write the stack, bring it up for the first time, and remember what happened."""
    web, tide = checkout.copy_sample("pipeline-web"), checkout.copy_sample("pipeline-tide")
    checkout.stack(STACK, lambda settings: _two_services(settings, web, tide))
    with ProcessWatcher() as watcher:
        log = checkout.up(STACK).stdout
    outputs = checkout.outputs(STACK)
    record = ReleaseRecord.model_validate(outputs["web"]["release"])
    return Shipped(checkout, web, log, watcher, outputs, record, outputs["web"]["url"])


def scan_of(record: ReleaseRecord) -> ScanSummary:
    """What a release says of its scan."""
    assert record.scan
    return record.scan


def _two_services(settings: dict[str, Any], web: str, tide: str) -> None:
    """The sample, and a second service from a folder of its own."""
    services = settings["services"]
    services["web"]["build"]["context"] = web
    second = json.loads(json.dumps(services["web"]))
    second["repository"] = f"{STACK}/tide"
    second["build"]["context"] = tide
    second["run"]["name"] = f"{CONTAINER}-tide"
    second["run"]["ports"][0]["host"] = free_port()
    services["tide"] = second


def get(url: str, password: str | None = None) -> tuple[int, str]:
    """Status and body of one answer, for the sample's user where a password is given."""
    request = urllib.request.Request(url)
    if password is not None:
        request.add_header("Authorization", "Basic " + base64.b64encode(f"driftwood:{password}".encode()).decode())
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
