"""What a command does with a container engine by its command line or its API, where no resource describes it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from judging.shell_text import COMMENT, here_documents, in_one_piece, with_values, without_asides

ENGINES = (
    "docker", "podman", "podman-remote", "nerdctl", "finch", "ctr", "crictl", "docker-compose", "podman-compose",
    "runc", "crun", "apptainer", "singularity", "lxc", "incus",
)  # fmt: skip
STARTS = frozenset(
    {
        "run", "create", "up", "runp", "container run", "container create", "containers create", "tasks start",
        "task start", "t start", "watch", "scale", "launch", "container clone", "c create", "service create",
        "service update", "stack deploy", "stack up", "compose up", "compose run", "compose create", "compose watch",
        "compose scale", "pod create", "pod clone", "play kube", "kube play", "kube apply", "instance start",
        "instance run", "service rollback", "container runlabel", "container restore", "quadlet install",
    }
)  # fmt: skip
"""What starts a container, or changes what one is started with."""
_WITHOUT_DAEMON = ("apptainer", "singularity")
"""With them there is no container before a program runs in it."""
MAKES_A_VOLUME = "volume create"
HOST_PATH = re.compile(r"(?:^|[=,])device=/")
"""The option of a volume that makes it a path of the host."""
UPDATES = ("update", "container update")
LOOSENS = re.compile(
    r"(?<!\S)(?:--restart[= ](?:always|on-failure)|(?:--(?:memory|memory-swap|pids-limit|cpu-quota)|-m)[= ]-1|"
    r"--pids-limit[= ]0)(?!\S)"
)
"""What an update of a container takes away: a limit, or the end of its restarts."""
GROUPS = frozenset(start.partition(" ")[0] for start in (*STARTS, MAKES_A_VOLUME) if " " in start)
VALUED = frozenset(
    {
        "-H", "--host", "-c", "--context", "--config", "-l", "--log-level", "--tlscacert", "--tlscert", "--tlskey",
        "-n", "--namespace", "-a", "--address", "-f", "--file", "-p", "--project-name", "--profile", "--env-file",
        "--project-directory", "--connection", "--url", "--identity", "--root", "--runroot", "--storage-driver",
        "--runtime-endpoint", "-i", "--image-endpoint", "--cgroup-manager", "--ansi", "--parallel", "--progress",
        "--runtime", "--storage-opt", "--events-backend", "--tmpdir", "--hooks-dir", "--network-config-dir",
        "--imagestore", "--conmon", "--ssh", "--out", "--module", "--snapshotter", "--data-root", "--cni-path",
        "--cni-netconfpath", "--hosts-dir", "--timeout", "--connect-timeout", "--log", "--log-format", "--project",
    }
)  # fmt: skip
"""Options of an engine, or of a group of its commands, that a value follows."""
VALUED_BY = {"crictl": frozenset({"-r", "-t"})}
"""Those of one engine alone: podman's -r is a switch."""
EXEC_VALUED = frozenset(
    {"-e", "--env", "--env-file", "-w", "--workdir", "--detach-keys", "--preserve-fds", "--index", "--cidfile"}
)
ENGINE = rf"(?:{'|'.join(sorted(ENGINES, key=len, reverse=True))})(?:\.exe|\.io)?"
CALL = re.compile(rf"(?<![\w.=/-])(?:[\w./-]*/)?(?P<engine>{ENGINE})(?=\s)(?P<arguments>[^|;&\n`]*)")
API = re.compile(r"/(?:containers|services)/create\b")
NAMED = re.compile(rf"(?<![\w.-]){ENGINE}(?![\w-])|{API.pattern}")
"""What makes a quoted text more than a value."""
LISTED = re.compile(r"""["'\[\](),{}]+""")
"""What stands between the words of a list, in a shell's quotes or another language."""
_QUOTE = re.compile(r"""["'`]""")


@dataclass(frozen=True)
class Call:
    """A call of an engine: its name, the command with its group, and all words after the engine's name."""

    engine: str
    verb: str
    words: tuple[str, ...] = ()

    @property
    def starts(self) -> bool:
        """Whether it starts a container, or changes what one is started with: a volume of the host's path does."""
        if self._asks_for_help:
            return False
        if self.engine in _WITHOUT_DAEMON and self.verb in ("exec", "shell", "test"):
            return True
        return self.verb in STARTS or (self.verb == MAKES_A_VOLUME and any(map(HOST_PATH.search, self.words)))

    @property
    def _asks_for_help(self) -> bool:
        """Right after its verb: behind the image it would be the program's own option."""
        verb = self.verb.rpartition(" ")[2]
        return verb in self.words and "--help" in self.words[self.words.index(verb) + 1 :][:1]

    @property
    def said(self) -> tuple[str | None, ...]:
        """All that rules ask for, by which two readings of one call are the same."""
        asked = (self.option("--user", "u"), self.option("--privileged")) if self.executes else ()
        return (self.engine, self.verb, str(self.starts), self.loosens, *asked)

    @property
    def loosens(self) -> str:
        """The option by which it takes a limit from a container that is there; empty where it takes none."""
        found = LOOSENS.search(" ".join(self.words)) if self.verb in UPDATES else None
        return found[0] if found else ""

    @property
    def executes(self) -> bool:
        """Whether it runs a program in a container that is there."""
        return self.engine not in _WITHOUT_DAEMON and self.verb.rpartition(" ")[2] == "exec"

    def option(self, long: str, short: str = "") -> str | None:
        """What an option of exec says: its value, empty for a switch, None where it is left out.

        Args:
            long: `--user`.
            short: `u`, for an option with a value.
        """
        words = iter(self.words[self.words.index("exec") + 1 :])
        for word in words:
            if not word.startswith("-"):
                break  # the container; what comes after it runs inside
            if word == long:
                return next(words, "") if short else ""
            if word.startswith(f"{long}="):
                return word.partition("=")[2]
            if short and (cluster := re.fullmatch(rf"-[a-zA-Z]*?{short}(.*)", word)):
                return cluster[1].removeprefix("=") or next(words, "")
            if word in EXEC_VALUED:
                next(words, "")
        return None

    def __str__(self) -> str:
        return f"{self.engine} {self.verb}"


@lru_cache(maxsize=64)
def calls(text: str) -> tuple[Call, ...]:
    """The calls of container engines in a text, however its words are quoted; several rules ask about each text."""
    return tuple(_found(text))


def _found(text: str) -> Iterator[Call]:
    without_comments = COMMENT.sub("", text)  # before lines are joined: a comment has no next line
    documents, command = here_documents(without_comments)
    known: set[tuple[str | None, ...]] = set()
    for part in (command, *(document.body for document in documents)):
        read = with_values(without_asides(part, NAMED.search), rf"(?:[\w./-]*/)?{ENGINE}")
        for call in _calls(in_one_piece(read.replace("\\\n", " "), NAMED.search)):
            known.add(call.said)
            yield call
    if _QUOTE.search(without_comments):
        # Quotes that do not pair, as in another language, turn a reading of them inside out: so all is read without.
        yield from (call for call in _calls(without_comments.replace("\\\n", " ")) if call.said not in known)


def _calls(command: str) -> Iterator[Call]:
    plain = LISTED.sub(" ", command)
    for found in CALL.finditer(plain):
        words = tuple(found["arguments"].split())
        yield Call(found["engine"], " ".join(verbs_of(words, found["engine"])), words)
    for _ in API.finditer(plain):
        yield Call("a request to the engine's API to", "create")


def verbs_of(words: Sequence[str], engine: str = "") -> list[str]:
    """The command, with the group that it belongs to."""
    verbs: list[str] = []
    valued = VALUED | VALUED_BY.get(engine, frozenset())
    rest = iter(words)
    for word in rest:
        if word.startswith("-"):
            if word in valued:
                next(rest, "")
            continue
        verbs.append(word)
        if len(verbs) == 2 or word not in GROUPS:
            break
    return verbs
