"""The command within a command: what `docker exec db …` or `kubectl exec pod -- …` runs in a container."""

import re
from collections.abc import Sequence

from detection.programs import CLUSTER_CLIENTS, ENGINES, RUNNERS

_VERBS = frozenset(("exec", "run"))
_WITHOUT_VALUE = re.compile(
    r"-[ditTPq]{1,6}|--(?:detach|interactive|tty|rm|privileged|init|read-only|publish-all|quiet"
    r"|quiet-pull|build|no-deps"
    r"|no-TTY|no-tty|use-aliases|service-ports|remove-orphans|replace|sig-proxy|no-healthcheck|oom-kill-disable)"
)
_FURTHEST_VERB = 8
"""Options of the engine itself stand before its verb: `docker compose -p shop exec …`."""

_SET = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL)
_WITH_VALUE = frozenset(("-u", "-g", "--user", "--group", "-n", "-C"))
"""Options of those that run a program: `sudo -u oracle`."""


def inner_command(words: Sequence[str]) -> tuple[str, ...]:
    """The words of the command that an engine or a cluster runs in a container; none when it runs none."""
    place = next((place for place, word in enumerate(words[:_FURTHEST_VERB]) if word in _VERBS), 0)
    outer = {word.replace("\\", "/").rpartition("/")[2].removesuffix(".exe") for word in words[:place]}
    if not outer.isdisjoint(CLUSTER_CLIENTS):
        return tuple(words[words.index("--") + 1 :]) if "--" in words else ()
    return _after_options(words[place + 1 :])[1:] if not outer.isdisjoint(ENGINES) else ()


def _after_options(words: Sequence[str]) -> tuple[str, ...]:
    """From the first word that is neither an option nor the value of one: the container, the image or the service."""
    place = 0
    while place < len(words) and words[place].startswith("-"):
        place += 1 if "=" in words[place] or _WITHOUT_VALUE.fullmatch(words[place]) else 2
    return tuple(words[place:])


def program_place(words: Sequence[str]) -> int:
    """Where the program stands that is run: the first word, or behind `exec`, `sudo -u me`, `env NAME=value`."""
    place = 0
    while place < len(words):
        word = words[place]
        if word.startswith("-") and place:
            place += 2 if word in _WITH_VALUE else 1
        elif (own := RUNNERS.get(word.rpartition("/")[2])) is not None:
            place += 1 + own
        elif _SET.fullmatch(word):
            place += 1
        else:
            break
    return place
