"""An installation: what is there, what is missing, what must change the system, and the order in which it is done."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from toolchain import debian, virtualenv
from toolchain.acquire import Acquirer, place_plugin, plugin_folder, plugin_program, users_plugin
from toolchain.debian import Need
from toolchain.errors import ToolchainError
from toolchain.pins import Pin, Pins
from toolchain.progress import Progress
from toolchain.services.emulation import RULES, missing_platforms
from toolchain.stamp import Stamp, Tools
from toolchain.store import is_program
from toolchain.survey import Found, Survey, succeeds
from toolchain.vendor import Sites
from toolchain.wheels import has_pip

_BUILD_NOTE = 3
"""From so many builds on, the time that they take is told first."""


class Installation:
    """Installs what a checkout lacks.

    Args:
        stamp: the checkout's stamp, with project and cache.
        pins: all pins.
        report: where progress goes.
        environ: the environment, with PATH and PULUMI_HOME.
        sites: the vendors' sites.
    """

    def __init__(
        self, stamp: Stamp, pins: Pins, report: Progress, environ: Mapping[str, str], sites: Sites | None = None
    ) -> None:
        self.stamp, self.pins, self.report, self._environ = stamp, pins, report, environ
        self.project, self.store = stamp.project, stamp.store
        self._survey = Survey(environ.get("PATH", os.defpath), stamp.ours, self.store.root / "versions.json")
        self._found: Mapping[str, Found] = self._survey.look(pins.tools.values())
        self._acquirer = Acquirer(self.store, pins, self._found, report, sites or Sites(), environ)
        self._plugins = plugin_folder(self.store, pins)

    def everything(self, *, consent: bool) -> Tools:
        """Installs all that is missing, and stamps the checkout."""
        missing = self._missing_pins()
        self._change_system(self._needs(missing), consent=consent)
        self._acquirer.sites.probe(
            release.url for pin in missing if (release := pin.release(self.store.target)) is not None
        )
        missing = self._with_conditional(missing)
        self._announce(missing)
        self._acquire(missing)
        for pin in self.pins.plugins.values():
            self._place(pin)
        tools = self._tools()
        self.stamp.write(tools, self._programs(), self._environ)
        return tools

    def administrators_part(self) -> str:
        """Returns the list of what must change the system, with the commands for it; empty for nothing."""
        needs = self._needs(self._missing_pins())
        return debian.describe(needs, debian.commands_for(needs)) if needs else ""

    def one(self, pin: Pin, *, consent: bool) -> Path:
        """Installs ``pin`` alone where it is missing, and returns its first program."""
        if self._is_missing(pin):
            self._change_system(self._needs([pin]), consent=consent)
            if not pin.is_system:
                self._acquirer.acquire(pin)
        found = self._found.get(pin.name)
        return found.program if found and found.accepted else self.store.bin(pin) / pin.commands[0]

    def _is_missing(self, pin: Pin) -> bool:
        found = self._found.get(pin.name)
        return not (found is not None and found.accepted) and (pin.is_system or not self.store.has(pin))

    def _missing_pins(self) -> list[Pin]:
        """Returns what is missing of the tools that are always needed, and of the plugins."""
        tools = [pin for pin in self.pins.tools.values() if not pin.when and self._is_missing(pin)]
        plugins = [
            pin
            for pin in self.pins.plugins.values()
            if not (
                is_program(plugin_program(self._plugins, pin))
                or self.store.has(pin)
                or users_plugin(pin, self.store.root, self._environ)
            )
        ]
        return [*tools, *plugins]

    def _with_conditional(self, missing: list[Pin]) -> list[Pin]:
        """Adds what is only needed along with a build, and leaves out what the system brings."""
        wanted = [pin for pin in missing if not pin.is_system]
        built = {pin.name for pin in wanted if self._acquirer.will_build(pin)}
        built |= {pin.name for pin in self.pins.tools.values() if self._acquirer.was_built(pin)}
        with_build = [
            pin
            for pin in self.pins.tools.values()
            if pin.when.removesuffix(" is built") in built and self._is_missing(pin)
        ]
        wanted = [*wanted, *with_build]
        go = self.pins.tools["go"]
        if any(self._acquirer.will_build(pin) for pin in wanted) and self._is_missing(go):
            wanted.insert(0, go)
        return wanted

    def _needs(self, missing: Iterable[Pin]) -> list[Need]:
        """Returns what must change the system."""
        missing = list(missing)
        needs = [
            Need(pin.name, self._why(pin), pin.debian)
            for pin in missing
            if pin.is_system and not (pin.unless and succeeds(pin.unless, self._survey.path))
        ]
        if any(pin.wheel for pin in missing) and not has_pip():
            needs.append(Need("pip", "this Python has none, and wheels are fetched with it", ("python3-pip",)))
        return [*needs, *self._emulation_needs()]

    def _emulation_needs(self) -> list[Need]:
        platforms = missing_platforms(self.pins.platforms)
        if not platforms:
            return []
        why = "this kernel cannot run it, and no emulator is registered"
        if not list(RULES.glob("qemu-*.conf")):
            return [Need(", ".join(platforms), why, self.pins.emulation_packages)]
        # Root registers it when the services start; anybody else asks for it now, before anything is built.
        if os.geteuid() == 0:
            return []
        return [Need(", ".join(platforms), why, command="systemctl restart systemd-binfmt")]

    def _why(self, pin: Pin) -> str:
        found = self._found.get(pin.name)
        if found is None:
            return f"{pin.commands[0]} is not on PATH"
        if found.lacks:
            return f"{found.program} is there, {found.lacks} is not"
        return f"{found.program} is {found.version or 'of an unknown version'}, {pin.accepts} is needed"

    def _change_system(self, needs: list[Need], *, consent: bool) -> None:
        debian.require_permission(needs, consent=consent)
        if not needs:
            return
        commands = debian.commands_for(needs)
        self.report.note("These changes of the system are needed, and made now:\n" + debian.describe(needs, commands))
        debian.meet(needs, self.report, self.store.root / "logs" / "system-packages.log")
        self._found = self._survey.look(self.pins.tools.values())
        self._acquirer.found = self._found
        for need in needs:
            pin = self.pins.tools.get(need.what)
            if pin is not None and self._is_missing(pin):
                raise ToolchainError(
                    f"{pin.name}: {self._why(pin)}, even with {', '.join(need.packages)} installed: put an accepted "
                    f"{pin.commands[0]} ahead on PATH, then run the command again."
                )

    def _announce(self, missing: list[Pin]) -> None:
        current = virtualenv.is_current(self.project)
        self.report.plan(len(missing) + (not current))
        for reason in self._acquirer.sites.silent():
            self.report.note(f"{reason}: what would come from there is built from pinned Go modules instead")
        for pin in missing:
            found = self._found.get(pin.name)
            if found is not None:
                self.report.note(f"{pin.title}: {self._why(pin)}, so it is installed for Slipway alone")
        builds = [pin for pin in missing if self._acquirer.will_build(pin)]
        if len(builds) >= _BUILD_NOTE:
            self.report.note(
                f"{len(builds)} tools are built, one after the other: the first time this takes about half an hour "
                "on two cores, and 20 GB of Go's caches; an interrupted run goes on where it stopped"
            )

    def _acquire(self, missing: list[Pin]) -> None:
        # The Python packages come right after uv: quick to fail where the network is at fault.
        uv = self.pins.tools["uv"]
        for pin in sorted(missing, key=lambda pin: pin.name != uv.name):
            if pin.name != uv.name:
                self._virtualenvs(uv)
            self._acquirer.acquire(pin)
        self._virtualenvs(uv)

    def _virtualenvs(self, uv: Pin) -> None:
        log = self.store.root / "logs" / "python-packages.log"
        virtualenv.ensure_virtualenvs(self.project, self._program(uv), self.report, log)

    def _place(self, pin: Pin) -> None:
        if is_program(plugin_program(self._plugins, pin)):
            return
        with self.store.locked("plugins"):
            place_plugin(self._plugins, pin, users_plugin(pin, self.store.root, self._environ) or self.store.bin(pin))

    def _program(self, pin: Pin) -> Path:
        found = self._found.get(pin.name)
        return found.program if found and found.accepted else self.store.bin(pin) / pin.commands[0]

    def _used(self) -> list[Pin]:
        """Returns the tools that are in place, wherever they come from."""
        # Go serves builds alone: a prepared shell is not to have another Go than its user's.
        tools = [pin for pin in self.pins.tools.values() if pin.when != "build"]
        return [pin for pin in tools if is_program(self._program(pin))]

    def _tools(self) -> Tools:
        folders = [self._program(pin).parent for pin in self._used()]
        own = dict.fromkeys(folder for folder in folders if folder.is_relative_to(self.store.root))
        return Tools(tuple(own), self._plugins, virtualenv.python_of(self.project))

    def _programs(self) -> list[Path]:
        tools = [self._program(pin) for pin in self._used()]
        plugins = [plugin_program(self._plugins, pin) for pin in self.pins.plugins.values()]
        return [*tools, *plugins, *map(virtualenv.python_of, virtualenv.folders(self.project))]
