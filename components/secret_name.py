"""Whether a setting is a secret by its name: DB_PASSWORD is one, and TOKEN_TTL=3600 only says something about one.

A setting that this check takes for a secret is refused, so it reads names with a small vocabulary and lets pass what is
clearly none. Where a name ends in a secret's own word, the policy pack is at least as strict, and it also knows what
looks random; a test compares the two (tests/policy/test_detection_component.py).
"""

import re

_NOUN = re.compile(
    r"(?P<noun>(?<!\bby)(?<!_by)(?<!-by)(?<!com)(?<!sur)(?<!tres)(?<!over)(?<!under)(?<!ask)pass"
    r"|pass(?:word|wd|phrase|wort)|kennwort|contrasena|mot[_-]de[_-]passe|secret|token|api[_-]?key|access[_-]?key"
    r"|(?:private|priv|jwt|ssh|encryption|signing|master|session|secret|hmac|fernet|unseal|admin|deploy)[_-]{0,2}key"
    r"|(?:seed|recovery)[_-]?phrase|credential|(?<!\bno)(?<!_no)(?<!-no)auth"
    r"|(?<![^_-])(?:pwd|pw|pat|psk|mnemonic|cred|pepper|pswd))s?[0-9]*(?=$|[_.-])",
    re.IGNORECASE,
)
"""Words such as BYPASS and COMPASS only end like one; PGPASS and DBPASSWORD are two, written as one."""
_PIN = re.compile(r"(?<![^_-])pin$", re.IGNORECASE)
"""A pin of a board has a shorter number."""
_PIN_NUMBER = re.compile(r"[0-9]{4,}")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z][a-z])")
"""In adminPasswordKey."""
_OWN_NAME = re.compile(r"(?:\$\$?|%|\{|env:)(?P<name>[\w.-]+)[%}]?")
"""DB_PASSWORD=$DB_PASSWORD: whoever wrote that meant a reference, and it gives nothing away."""


def is_secret_by_name(name: str, value: str) -> bool:
    """Whether the name says that the value is a secret, and the value can be one.

    A name such as DB_PASSWORD_FILE is none when an absolute path stands there.
    """
    value = value.strip().strip("\"'")
    if (own := _OWN_NAME.fullmatch(value)) and own["name"] == name:
        return False
    name = _HUMP.sub("_", name)
    if _PIN.search(name) and _PIN_NUMBER.fullmatch(value):
        return True
    *_, last = [None, *_NOUN.finditer(name)]
    if last is None:
        return False
    from components.secret_harmless import is_harmless  # only here: most names say nothing, and wait for no patterns

    return not is_harmless(name, last, value)
