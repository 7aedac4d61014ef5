"""Finds a secret in a setting: a variable, a label, a build argument."""

import re

from detection.commands import find_in_options
from detection.finding import Finding
from detection.harmless import is_checksum
from detection.judgement import by_entropy, by_name, by_shape
from detection.names import Bearing, Meaning, meaning
from detection.references import held, is_literal_beside, strip
from detection.text import find_in_text, without_identifiers
from detection.urls import opens_by_itself

_OPTION = re.compile(r"(?:^|\s)--?[A-Za-z]")
_PUT_IN = re.compile(r"(?:^|(?<=[,;&\s]))(?P<name>[A-Za-z_][\w.-]{0,100})[=:]\$\$?[A-Z_][A-Z0-9_]*(?=[,;&\s]|$)")
"""A pair whose value is a variable: `user=app,password=$DB_PASSWORD`."""
_API_TOKEN = re.compile(r"api-[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
"""Of LaunchDarkly; a deployment of an API may be called so, too."""
_OF_DEPLOYMENT = re.compile(r"(?i:stage|gateway|deploy|release)")


def _is_api_token(name: str, said: Meaning, value: str) -> bool:
    """Whether it is a token of LaunchDarkly; in a command, only an option or a header tells it from other names."""
    if not _API_TOKEN.fullmatch(value) or said.bearing is Bearing.IDENTIFIER:
        return False
    return bool(name) and not _OF_DEPLOYMENT.search(name)


def _is_no_reference(said: Meaning, value: str) -> bool:
    if said.bearing is not Bearing.SECRET or not is_literal_beside(value):
        return False
    return all(meaning(pair["name"]).bearing is not Bearing.SECRET for pair in _PUT_IN.finditer(value))


def find_in_value(name: str, value: str) -> Finding | None:
    """What secret a setting holds, if any, in the order of certainty: by its shape, its name, what is in it, its look.

    Args:
        name: the setting's name; empty when it has none.
        value: its value.
    """
    if is_checksum(name, value):
        return None
    said = meaning(name)
    text = strip(value)
    for default_name, default in held(text):
        if found := find_in_value(default_name or name, default):
            return found
    if found := by_shape(text.text):
        return found
    if (not text.refers or _is_no_reference(said, value)) and (found := by_name(said, value)):
        return found
    if _is_api_token(name, said, value):
        return Finding("shape", "a LaunchDarkly token")
    if found := find_in_text(text.text):
        return found
    if _OPTION.search(text.text) and (found := find_in_options(text.text)):
        return found
    if opens_by_itself(name, text.text):
        return Finding("entropy", "an address that is a key itself")
    return by_entropy(said, without_identifiers(text.text))
