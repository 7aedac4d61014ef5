"""Repairing a resource's properties in flight, without making a secret of it plain.

The SDK hands a remediation other proxies than a validation: they unwrap secrets and do not notice unknown values. So a
remedy reads through the proxies that a validation has, and what it sets is laid over the original properties.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pulumi_policy.proxy import unknown_checking_proxy
from pulumi_policy.secret import Secret


def readable(properties: Mapping[str, Any]) -> Mapping[str, Any]:
    """The properties with their secrets' values and with the signal for unknown ones, as a validation reads them."""
    return unknown_checking_proxy(_revealed(_original(properties)))


def merged(properties: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The original properties with these set; one that held a secret at any depth is a secret as a whole."""
    original: dict[str, Any] = _original(properties)
    for name, value in changes.items():
        original[name] = Secret(value) if _holds_secret(original.get(name)) else value
    return original


def _original(value: Any) -> Any:
    """A copy without proxies, in which secrets are still marked."""
    if isinstance(value, dict):
        return {key: _original(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_original(item) for item in value]
    if isinstance(value, Secret):
        return Secret(_original(value.value))
    if isinstance(value, Mapping) or (isinstance(value, Sequence) and not isinstance(value, str | bytes)):
        # A proxy, which gives what it wraps under this key.
        return _original(value["__target"])  # type: ignore[call-overload]
    return value


def _revealed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _revealed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_revealed(item) for item in value]
    return _revealed(value.value) if isinstance(value, Secret) else value


def _holds_secret(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_secret, value.values()))
    return any(map(_holds_secret, value)) if isinstance(value, list) else isinstance(value, Secret)
