"""Ask whether a release's version is free: during preview too, where the digest is known by then.

The answer is a sentence, not an exit code: a preview shows it as the program's own error.
"""

import argparse
from typing import Any

from components.artifact import ImageReference, Repository
from steps.credentials import registry_credentials
from steps.publish import explain, tag_taken
from steps.registry import digest_of_tag
from steps.tool import ToolError, read_secrets, run_step


def main() -> dict[str, Any]:
    """Answer with the reference, and with the problem where there is one."""
    parser = argparse.ArgumentParser(prog="python -m steps.claim", description=__doc__)
    parser.add_argument("--source", required=True, type=ImageReference.parse)
    parser.add_argument("--repository", required=True, type=Repository.parse)
    parser.add_argument("--version", required=True)
    parser.add_argument("--certificate-authority")
    parser.add_argument("--username")
    request = parser.parse_args()
    registry, secrets = request.repository.registry, read_secrets()
    logins = {registry: (request.username, secrets.get("password", ""))} if request.username else {}
    problem = ""
    with registry_credentials(logins, [registry]) as credentials:
        try:
            taken = digest_of_tag(request.repository, request.version, credentials, request.certificate_authority)
        except ToolError as error:
            problem, taken = explain(error, request.repository), None
    if taken and taken != request.source.digest:
        problem = tag_taken(request.repository, request.version, taken, request.source.digest)
    return {"reference": str(request.source), "problem": problem}


if __name__ == "__main__":
    run_step(main)
