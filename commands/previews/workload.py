"""The settings of a workload, before and after: flat, as text, without a secret's value, each change weighed."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from commands.previews.change import SECRET, UNKNOWN
from commands.previews.report import WEIGHTS, SettingChange
from commands.previews.weights import weigh
from components.secret import holds_secret, looks_secret

Facts = Mapping[tuple[str, ...], str]
"""A workload's settings by their path; what is not set is not there."""

_PRIVATE = ("environment", "secrets")
_SECRET_FILES = "/run/secrets/"


def facts_of(
    run: Mapping[str, Any], container: Mapping[str, Any] | None = None, gates: Mapping[str, Any] | None = None
) -> Facts:
    """The settings of a workload, and of what its release has to pass.

    Args:
        run: what the stack's file says under `run`, with the defaults.
        container: the inputs of the Docker container made of it, for what `run` cannot say.
        gates: the settings of the gates, by their name in the stack's file: `scan`, `promote`.
    """
    found = {path: _shown(path, value) for path, value in _flat(run) if value is not None}
    own = {("container", *path): text for path, text in _container(container or {})}
    asked = {path: _shown(path, value) for path, value in _gates(gates or {}) if value is not None}
    return {**found, **own, **asked}


def _gates(gates: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for path, value in _flat_mapping("", gates):
        if path[-1] in ("ignore", "fail_on", "stacks") and isinstance(value, Sequence):
            for entry in value:
                named = isinstance(entry, Mapping)
                yield (*path, str(entry.get("id") if named else entry)), _excused(entry) if named else "named"
        elif path[-1] != "registries":  # how to reach them is no gate
            yield path, value


def _excused(entry: Mapping[str, Any]) -> str:
    return f"until {entry.get('expires')}: {entry.get('reason')}"


def _flat(run: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in run.items():
        if key == "capabilities":
            yield from (((key, str(name)), "added") for name in value or ())
        elif key == "ports":
            yield from ((("ports", port), listens) for port, listens in _ports(value or ()).items())
        elif isinstance(value, Mapping) and not (key in _PRIVATE and set(value) <= {"config", "file"} and value):
            yield from (((key, *path), inner) for path, inner in _flat_mapping(key, value))
        else:
            yield (key,), value


def _flat_mapping(key: str, value: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, inner in value.items():
        if key == "secrets" and isinstance(inner, Mapping):  # where the secret comes from, which is no secret
            yield (str(name),), ", ".join(f"{kind} {where}" for kind, where in inner.items() if where)
        elif isinstance(inner, Mapping):
            yield from (((str(name), *path), deep) for path, deep in _flat_mapping("", inner))
        else:
            yield (str(name),), inner


def _ports(ports: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Where each port of the container is open; by the container's port, so that another address is one change."""
    found: dict[str, list[str]] = {}
    for port in ports:
        address = str(port.get("address", ""))
        host = f"[{address}]" if ":" in address else address
        found.setdefault(_text(port.get("container")), []).append(f"{host}:{_text(port.get('host'))}")
    return {port: ", ".join(sorted(listens)) for port, listens in found.items()}


def _container(inputs: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    """What the Docker container has that a stack's file has no setting for; it changes with Slipway itself."""
    for name, key in (("privileged", "privileged"), ("user", "user"), ("restart", "restart")):
        if inputs.get(key) not in (None, ""):
            yield (name,), _text(inputs[key])
    for name, key in (("network", "networkMode"), ("pid", "pidMode"), ("ipc", "ipcMode"), ("userns", "usernsMode")):
        mode = inputs.get(key)
        if mode == "host" or str(mode).startswith("container:"):  # a network of its own has a name that is made up
            yield (name,), str(mode)
    yield from ((("dropped", str(name)), "dropped") for name in (inputs.get("capabilities") or {}).get("drops") or ())
    yield from ((("security", str(option)), "set") for option in inputs.get("securityOpts") or ())
    for device in inputs.get("devices") or ():
        yield ("devices", str(device.get("hostPath"))), str(device.get("permissions") or "rwm")
    for mount in inputs.get("mounts") or ():
        target = str(mount.get("target"))
        if mount.get("type") == "bind" and not target.startswith(_SECRET_FILES):
            yield ("mounts", target), f"{mount.get('source')} {'read-only' if mount.get('readOnly') else 'writable'}"
    for volume in inputs.get("volumes") or ():
        if volume.get("hostPath"):
            mode = "read-only" if volume.get("readOnly") else "writable"
            yield ("mounts", str(volume.get("containerPath"))), f"{volume['hostPath']} {mode}"


def _shown(path: tuple[str, ...], value: Any) -> str:
    text = _text(value)
    if text in (SECRET, UNKNOWN):
        return text
    if path[0] == "environment" and looks_secret(path[-1], text):
        return SECRET
    return SECRET if holds_secret(text) else text


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence):
        return " ".join(map(_text, value))
    return str(value)


def settings_between(before: Facts, after: Facts, reasons: Mapping[str, str]) -> tuple[SettingChange, ...]:
    """The settings that change, those that weaken first.

    Args:
        before: settings of today.
        after: settings that would be.
        reasons: why a setting is weaker than its default, as the stack's file says it.
    """
    changed = [path for path in {**before, **after} if before.get(path) != after.get(path)]
    touched = {path[0] for path in changed if path[0] != "reasons"}
    changes = []
    for path in changed:
        if path[0] == "reasons" and path[-1] in touched:
            continue  # it is told with the setting that it explains
        weight, why = weigh(path, before.get(path), after.get(path))
        reason = _shown(path, reasons[path[0]]) if weight == "weakens" and reasons.get(path[0]) else ""
        old, new = before.get(path), after.get(path)
        changes.append(
            SettingChange(setting=".".join(path), before=old, after=new, weight=weight, why=why, reason=reason)
        )
    return tuple(sorted(changes, key=lambda it: (WEIGHTS.index(it.weight), it.setting)))


def weaknesses(default: Facts, facts: Facts, reasons: Mapping[str, str]) -> tuple[SettingChange, ...]:
    """Where a workload that does not run yet is weaker than the defaults are."""
    return tuple(it for it in settings_between(default, facts, reasons) if it.weight == "weakens")
