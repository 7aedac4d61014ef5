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


def _is_no_reference(said: Meaning, value: str) -> bool:
    return said.bearing is Bearing.SECRET and is_literal_beside(value)


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
    if found := find_in_text(text.text):
        return found
    if _OPTION.search(text.text) and (found := find_in_options(text.text)):
        return found
    if opens_by_itself(name, text.text):
        return Finding("entropy", "an address that is a key itself")
    return by_entropy(said, without_identifiers(text.text))
