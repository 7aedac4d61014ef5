"""comment.py REPORT NUMBER: post a report on a pull or merge request, or put it in the place of an earlier one.

There is one comment a stack: it is found by the first line of the report, among those that this very account wrote.
On GitHub it needs GITHUB_TOKEN (pull-requests: write), GITHUB_REPOSITORY and GITHUB_API_URL; on GitLab GITLAB_TOKEN (a
project access token with the scope `api`), CI_PROJECT_ID and CI_API_V4_URL. Nothing but Python is needed.
"""

import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PAGE = 100
PATIENCE = 30
MARKER = "<!-- slipway preview: "


@dataclass(frozen=True)
class Forge:
    """Where the comments of one request are."""

    comments: str
    """URL of the list of comments."""
    comment: str
    """URL of one comment, up to its number."""
    headers: Mapping[str, str]
    author: str
    """Who writes; only his comments are replaced."""
    method: str
    """How a comment is replaced."""

    def find(self, marker: str) -> int | None:
        """The number of the comment that begins with this line."""
        for entry in self._listed():
            user = entry.get("user") or entry.get("author") or {}
            if str(user.get("login") or user.get("username")) == self.author and entry["body"].startswith(marker):
                return int(entry["id"])
        return None

    def write(self, body: str, number: int | None) -> str:
        """Write a comment, or replace the one with this number; returns what was done."""
        if number is None:
            self._ask("POST", self.comments, {"body": body})
            return "posted"
        self._ask(self.method, f"{self.comment}/{number}", {"body": body})
        return "replaced"

    def _listed(self) -> Iterator[dict[str, Any]]:
        page = 1
        while True:
            found = self._ask("GET", f"{self.comments}?per_page={PAGE}&page={page}")
            yield from found
            if len(found) < PAGE:
                return
            page += 1

    def _ask(self, method: str, url: str, content: object = None) -> Any:
        return ask(method, url, self.headers, content)


def ask(method: str, url: str, headers: Mapping[str, str], content: object = None) -> Any:
    """One request; the answer's JSON."""
    data = None if content is None else json.dumps(content).encode()
    request = urllib.request.Request(url, data, {**headers, "Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        return json.load(answer)


def forge(number: int, environ: Mapping[str, str]) -> Forge:
    """GitHub or GitLab, as the environment says."""
    if "GITHUB_TOKEN" in environ:
        base = f"{environ['GITHUB_API_URL']}/repos/{environ['GITHUB_REPOSITORY']}/issues"
        headers = {"Authorization": f"Bearer {environ['GITHUB_TOKEN']}", "Accept": "application/vnd.github+json"}
        author = environ.get("COMMENT_AUTHOR", "github-actions[bot]")
        return Forge(f"{base}/{number}/comments", f"{base}/comments", headers, author, "PATCH")
    api, headers = environ["CI_API_V4_URL"], {"PRIVATE-TOKEN": environ["GITLAB_TOKEN"]}
    base = f"{api}/projects/{environ['CI_PROJECT_ID']}/merge_requests/{number}/notes"
    return Forge(base, base, headers, str(ask("GET", f"{api}/user", headers)["username"]), "PUT")


def main(report: str, number: str) -> int:
    """Post, and say so."""
    body = Path(report).read_text(encoding="utf-8")
    marker = body.partition("\n")[0]
    if not marker.startswith(MARKER):
        print(f"error: {report} is no report of `slipway preview`", file=sys.stderr)
        return 2
    try:
        where = forge(int(number), os.environ)
        done = where.write(body, where.find(marker))
    except KeyError as missing:
        print(f"error: the variable {missing} is not set", file=sys.stderr)
        return 2
    except urllib.error.HTTPError as error:
        print(f"error: {error.url} answers {error.code} {error.reason}: may the token write comments?", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: the comment could not be written: {error}", file=sys.stderr)
        return 1
    print(f"{done} the report on request {number}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
