"""Whether a setting is a secret by its name: DB_PASSWORD is one, and TOKEN_TTL=3600 only says something about one.

The policy pack reads names with a larger vocabulary, and is at least as strict wherever the value may be a secret.
"""

import re

_NOUN = re.compile(
    r"(?P<noun>(?<!\bby)(?<!_by)(?<!-by)(?<!com)(?<!sur)(?<!tres)(?<!over)(?<!under)pass"
    r"|pass(?:word|wd|phrase)|secret|token|api[_-]?key|access[_-]?key"
    r"|(?:private|jwt|ssh|encryption|signing|master|session)[_-]?key|credential|(?<!\bno)(?<!_no)(?<!-no)auth"
    r"|(?<![^_-])(?:pwd|pw|pat))s?[0-9]*(?=$|[_-])",
    re.IGNORECASE,
)
"""Words such as BYPASS and COMPASS only end like one; PGPASS and DBPASSWORD are two, written as one."""
_PIN = re.compile(r"(?<![^_-])pin$", re.IGNORECASE)
"""A pin of a board has a shorter number."""
_PIN_NUMBER = re.compile(r"[0-9]{4,}")
_NAMES_A_FILE = re.compile(r"[_-](file|path|dir)$", re.IGNORECASE)
_COUNTS = re.compile(
    r"(?<![^_-])(max|min|num|input|output|context|batch|completion|prompt)([_-].*)?[_-]tokens$", re.IGNORECASE
)
"""A language model's tokens, which a name counts."""
_STILL_THE_SECRET = frozenset(
    {
        "prod", "production", "dev", "development", "stg", "staging", "test", "testing", "qa", "live", "local",
        "preview", "default", "value", "val", "old", "new", "current", "previous", "next", "primary", "secondary",
        "backup", "main", "base", "encoded", "hex", "plain", "plaintext", "raw", "string", "str", "v", "b", "key",
        "keys", "id", "code", "phrase", "word", "pin", "hash", "data", "seed", "salt", "root", "admin", "user", "app",
        "db", "read", "write",
    }
)  # fmt: skip
"""Words after the noun with which the value is the secret itself: DB_PASSWORD_PROD, SECRET_KEY."""
_MEASURES = frozenset(
    {
        "ttl", "length", "min", "max", "minimum", "maximum", "size", "limit", "count", "expiry", "expires", "expire",
        "expiration", "lifetime", "duration", "timeout", "age", "days", "hours", "minutes", "seconds", "ms", "interval",
        "period", "window", "leeway", "grace", "skew", "rotation", "retries", "attempts", "history", "iterations",
        "rounds", "cost", "digits", "validity", "threshold", "delay", "budget", "quota", "words",
        "uppercase", "lowercase", "numbers", "symbols",
    }
)  # fmt: skip
"""Last words of a name that measures something: then a longer number is harmless, and one about a password."""
_WAYS = frozenset(
    {
        "mode", "type", "types", "kind", "method", "methods", "mechanism", "mechanisms", "scheme", "schemes",
        "provider", "providers", "backend", "backends", "strategy", "driver", "plugin", "flow", "format", "algorithm",
        "alg", "hasher",
    }
)  # fmt: skip
"""Last words of a name that says how somebody is let in."""
_SWITCHES = frozenset({"", "true", "false", "yes", "no", "on", "off", "0", "1", "none", "null", "enabled", "disabled"})
_PROTOCOLS = frozenset(
    {
        "basic", "digest", "ntlm", "oauth", "oauth2", "oidc", "openid", "ldap", "ldaps", "saml", "saml2", "jwt",
        "kerberos", "gssapi", "spnego", "negotiate", "md5", "cram-md5", "scram-sha-256", "scram-sha-512", "sasl",
        "sasl_ssl", "anonymous", "mtls", "x509", "pam", "webauthn", "passkey", "sso", "trust", "ident", "peer",
        "approle", "userpass", "kubernetes", "htpasswd", "iam", "bearer", "none",
    }
)  # fmt: skip
_MODES = _PROTOCOLS | {
    "password", "token", "tokens", "key", "api_key", "apikey", "cookie", "session", "header", "internal", "external",
    "local", "default", "plain", "login", "simple", "ssh", "tls", "ssl", "cert", "certificate", "file", "env", "user",
    "database", "db", "github", "gitlab", "google", "azure", "azuread", "okta", "keycloak", "auth0", "cognito",
    "optional", "required", "strict", "opaque", "bcrypt", "argon2", "argon2id", "scrypt", "pbkdf2", "sha256", "hs256",
    "rs256", "es256", "vault", "implicit", "authorization_code", "client_credentials",
}  # fmt: skip
"""What a setting about the way in may say; `password` alone would be somebody's password."""
_LIST = re.compile(r"[\s,;|]+")
_NUMBER = re.compile(r"-?[0-9]{1,4}(\.[0-9]{1,3})?|([0-9]{1,4}\s?(ns|us|ms|s|m|h|d|w|y|sec|min|hours?|days?))+")
_LONG_NUMBER = re.compile(r"[0-9]{1,8}")
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]{0,31}://[^\s@?#]+", re.IGNORECASE)
_LOOKS_DRAWN = re.compile(r"://[^/]*/.*[a-z0-9]{20}")
"""A path whose part is itself the key, as that of a web hook."""


def is_secret_by_name(name: str, value: str) -> bool:
    """Whether the name says that the value is a secret, and the value can be one.

    A name such as DB_PASSWORD_FILE is none when an absolute path stands there.
    """
    if _PIN.search(name) and _PIN_NUMBER.fullmatch(value):
        return True
    *_, last = [None, *_NOUN.finditer(name)]
    if last is None or (_NAMES_A_FILE.search(name) and value.startswith("/")):
        return False
    return not _is_harmless(name, last["noun"].lower(), _words_about(name[last.end() :]), value.strip().lower())


def _words_about(rest: str) -> list[str]:
    """The words after the noun, from the first one that says something else than which secret it is."""
    words = [word for word in re.split(r"[_.-]+", rest.lower()) if word]
    return [] if all(word in _STILL_THE_SECRET or word.strip("v").isdigit() for word in words) else words


def _is_harmless(name: str, noun: str, about: list[str], value: str) -> bool:
    """Whether nothing is given away: a switch, a number, an address or a mode, where the name is only about a secret.

    A name that ends in the secret's own word, such as DB_PASSWORD, has a secret in any other value than a switch.
    """
    if value in _SWITCHES:
        return True
    if _COUNTS.search(name):
        return bool(_LONG_NUMBER.fullmatch(value))
    if not about:
        return noun == "auth" and _are(value, _PROTOCOLS)
    measures = about[-1] in _MEASURES
    if _NUMBER.fullmatch(value):  # people choose four digits for a password, too
        return measures or not (value.isdigit() and noun.startswith(("pass", "pw")))
    if measures and _LONG_NUMBER.fullmatch(value):
        return True
    if _ADDRESS.fullmatch(value):
        return not _LOOKS_DRAWN.search(value)
    return about[-1] in _WAYS and _are(value, _MODES)


def _are(value: str, words: frozenset[str]) -> bool:
    return all(word in words for word in _LIST.split(value))
