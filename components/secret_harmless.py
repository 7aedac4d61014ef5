"""What gives nothing away under the name of a secret: a path, a reference, a duration, a way to log in.

Imported where a name has a secret's noun in it only (components/secret_name.py): so many patterns take a moment.
"""

import re

_WORD = re.compile(r"[_.-]+")
_COUNTS = re.compile(
    r"(?<![^_-])(max|min|num|input|output|context|batch|completion|prompt|rate|limit|total"
    r"|count)([_-].{0,100})?[_-]tokens$"
    r"|(?<![^_-])tokens[_-]per[_-]",
    re.IGNORECASE,
)
"""A language model's tokens, which a name counts."""
_TOKENS = re.compile(
    r"(?<!api)(?<!auth)(?<!access)(?<!bearer)(?<!refresh)(?<!secret)(?<!session)(?<!login)(?<!static)"
    r"(?<!admin)(?<!root)(?<!user)(?<!bot)(?<!service)[_-]tokens$|^tokens$",
    re.IGNORECASE,
)
"""Several tokens that are not said to be those of a way in: a number counts them."""
_FILTER = re.compile(r"(?<![^_-])(low|high|band|all)[_-]?pass$", re.IGNORECASE)
_FREQUENCY = re.compile(r"[0-9]{1,6}(\.[0-9]{1,3})?\s?(k?hz)?", re.IGNORECASE)
"""Of a filter for sounds; LOWPASS=200 is no password."""
_OF_AN_OBJECT = re.compile(
    r"(?<![^_.-])((existing([_-][a-z]{1,20})?|pull|tls|credentials|creds|license[_-]key)[_-]?secrets?|cluster[_-]tokens?"
    r"|(pad|eos|bos|unk|sep|cls|mask)[_-]token)$",
    re.I,
)
"""Names of Secrets of Kubernetes and of clusters, and marks in what a language model reads."""
_MARK = re.compile(r"[<\[|]{1,2}[^<>\[\]|]{1,30}[>\]|]{1,2}")
_FOLDER = re.compile(r"(old)?pwd", re.IGNORECASE)
"""The folder that a shell is in, by its own name for it."""
_FORWARDED = re.compile(r"(?<![^_-])((?P<other>fastcgi|uwsgi|scgi|grpc)|proxy)[_-]pass$", re.IGNORECASE)
"""Where nginx passes a request on to."""
_LOG_LEVEL = re.compile(r"(?<![^_-])(log|logging|level)[_-]", re.IGNORECASE)
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
_OF_A_WAY_IN = frozenset({"root", "admin", "user", "app", "db", "read", "write"})
"""Words with which AUTH_USER is no credential."""
_MEASURES = frozenset(
    {
        "ttl", "length", "min", "max", "minimum", "maximum", "size", "limit", "count", "expiry", "expires", "expire",
        "expiration", "lifetime", "lifespan", "duration", "timeout", "age", "days", "hours", "minutes", "seconds", "ms",
        "second", "minute", "hour", "day", "interval", "period", "window", "leeway", "grace", "skew", "rotation",
        "retries", "attempts", "history", "iterations", "rounds", "cost", "digits", "validity", "threshold", "delay",
        "budget", "quota", "words", "uppercase", "lowercase", "numbers", "symbols", "rate",
    }
)  # fmt: skip
"""Last words of a name that measures something: then a longer number is harmless, and one about a password."""
_WAYS = frozenset(
    {
        "mode", "type", "types", "kind", "method", "methods", "mechanism", "mechanisms", "scheme", "schemes",
        "provider", "providers", "backend", "backends", "strategy", "driver", "plugin", "flow", "format", "algorithm",
        "alg", "hasher", "hashers", "validator", "validators", "verification", "encryption", "encoder", "decoder",
        "location", "store", "engine", "helper", "manager", "source", "loader", "sources",
    }
)  # fmt: skip
"""Last words of a name that says how somebody is let in, or what keeps the secret."""
_ABOUT = frozenset(
    {
        "name", "names", "header", "headers", "domain", "domains", "policy", "policies", "scope", "scopes", "sock",
        "socket", "realm", "issuer", "audience", "audiences", "claim", "claims", "prefix", "suffix", "field", "label",
        "labels", "column", "table", "param", "parameter", "query", "cookie", "selector", "property", "variable", "env",
        "environment", "ref", "reference", "arn", "alias", "region", "namespace", "host", "hostname", "server", "url",
        "uri", "urls", "endpoint", "callback", "redirect", "route", "page", "template", "subject", "title", "text",
        "message", "hint", "placeholder", "prompt", "description", "question", "symbol", "contract", "rule", "rules",
        "pattern", "regex", "charset", "encoding", "complexity", "strength", "permissions", "roles", "groups", "class",
        "module", "handler", "factory", "generator", "require", "required", "level", "version", "stage", "email",
        "from", "mount", "username", "role", "model", "project", "protocol", "proto", "tag", "image", "registry",
        "repository", "bucket", "granularity", "separator", "owner", "group", "service",
    }
)  # fmt: skip
"""Last words of a name with which the value is about the secret: what is written there is read by people."""
_PUBLISHED_ABOUT = frozenset({"audience", "audiences", "image", "tag", "version"})
"""Of these, what is an id or a digest and drawn for that reason."""
_ALPHABETS = frozenset({"chars", "characters", "charset", "alphabet"})
"""Last words of a name that says what secrets are made of."""
_OWNERS = frozenset({"service", "server", "host", "role", "registry", "repository", "project", "bucket"})
"""Words that may as well say whose password it is: MAIL_PASSWORD_SERVER."""
_PLACES = frozenset({"file", "files", "path", "paths", "dir", "folder"})
_COMMANDS = frozenset({"command", "cmd"})
_PRINTS = re.compile(r"\s*(/(usr/)?bin/)?(echo|printf)\b")
_IDENTIFIED = re.compile(r"(?<![^_-])(client|tenant|app|application|user|account|project|pool|key|org)[_-]ids?$", re.I)
_SECRET_ID = re.compile(r"secret[_-]id$", re.IGNORECASE)
"""What Vault calls a password; for a manager of secrets it is a path."""
_TOKEN_ID = re.compile(r"token[_-]id$", re.IGNORECASE)
"""A row's number, or else the half of a token."""
_IS_A_SECRET = re.compile(r"(?<![^_-])(access[_-]?key|secret[_-]key)[_-]ids?$", re.IGNORECASE)
"""The two halves of an access key of AWS are kept together."""
_SWITCHES = frozenset(
    {
        "", "true", "false", "yes", "no", "on", "off", "0", "1", "none", "null", "nil", "undefined", "enabled",
        "disabled", "n/a", "omit", "include", "same-origin",
    }
)  # fmt: skip
_PROTOCOLS = frozenset(
    {
        "basic", "digest", "ntlm", "oauth", "oauth2", "xoauth2", "oidc", "openid", "ldap", "ldaps", "saml", "saml2",
        "jwt", "kerberos", "gssapi", "spnego", "negotiate", "md5", "cram-md5", "scram-sha-256", "scram-sha-512", "sasl",
        "sasl-ssl", "anonymous", "mtls", "x509", "pam", "webauthn", "passkey", "sso", "trust", "ident", "peer",
        "approle", "userpass", "kubernetes", "htpasswd", "iam", "aws-iam", "bearer", "none", "rbac", "sigv4",
        "managed-identity", "workload-identity", "login", "plain", "optional", "required", "mysql-native-password",
        "scram", "scram-sha-1", "authelia", "authentik", "entra", "http", "proxy", "forward", "acl",
        "caching-sha2-password", "simple",
    }
)  # fmt: skip
_MODES = _PROTOCOLS | {
    "password", "token", "tokens", "key", "api-key", "apikey", "cookie", "session", "header", "internal", "external",
    "local", "default", "plain", "login", "simple", "ssh", "tls", "ssl", "cert", "certificate", "file", "env", "user",
    "database", "db", "github", "gitlab", "google", "azure", "azuread", "okta", "keycloak", "auth0", "cognito", "query",
    "optional", "required", "strict", "opaque", "bcrypt", "argon2", "argon2id", "scrypt", "pbkdf2", "sha256", "hs256",
    "rs256", "es256", "ed25519", "vault", "implicit", "authorization-code", "client-credentials", "memory", "redis",
    "pass", "osxkeychain", "body",
}  # fmt: skip
"""What a setting about the way in may say; `password` alone would be somebody's password."""
_LOG_LEVELS = frozenset({"trace", "debug", "info", "warn", "warning", "error", "fatal"})
_LIST = re.compile(r"[\s,;|]+")
_INTERVALS = frozenset({"hourly", "daily", "weekly", "monthly", "yearly", "never", "always"})
_NUMBER = re.compile(r"-?[0-9]{1,4}(\.[0-9]{1,3})?|([0-9]{1,4}\s?(ns|us|ms|s|m|h|d|w|y|sec|min|hours?|days?))+")
_ISO_DURATION = re.compile(r"pt?[0-9]{1,6}[ymwdhs](t?[0-9]{1,6}[mhds]){0,6}")
_LONG_NUMBER = re.compile(r"[0-9]{1,8}")
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]{0,31}://[^\s@?#]+", re.IGNORECASE)
_DRAWN_PART = re.compile(r"[a-z0-9]{20}")
"""Of a path: the key itself, as in that of a web hook."""
_NETWORK = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?:/[0-9]{1,2})?|(?=.*::)[0-9a-f:]{2,39}(?:/[0-9]{1,3})?")
_HASH = re.compile(r"(?<![^_-])hash$", re.IGNORECASE)
_HASHING = re.compile(
    r"(?:bcrypt|scrypt|yescrypt|argon2(?:id|i|d)?|pbkdf2|md5|s?sha-?[0-9]{1,3})(?:[-_:](?:hmac|sha-?[0-9]{1,3}))*"
)
"""A way to hash; under PASSWORD_HASH there is no hash then."""
_CREDENTIALS = re.compile(r"(?:bearer|basic|token)\s+(?=\S*[0-9])\S{6,}", re.IGNORECASE)
"""What a header has."""
_RUN = re.compile(r"[A-Za-z0-9+/=_-]{16,}")
_LONG_RUN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z0-9]{24,}+(?!\.[a-z])")
"""Not the first part of a host's name, which a cloud draws."""
_NAME = re.compile(r"[A-Za-z]+(?:[-_.:/][A-Za-z0-9]+)*")
"""The first word has no digit: `kv-v2`, `accounts.User`."""
_WORDS = re.compile(r"[A-Za-z]+(?:[-_.:/][A-Za-z]+)+|password|passwd|token|secret")
_PATH = re.compile(r"(?:/[\w.@+-]+){1,40}/?|[A-Za-z]:\\[\w.\\ -]+")
_CLEAR_PATH = re.compile(
    r"/(?:run|var|etc|secrets?|mnt|media|opt|home|usr|srv|vault|app|apps|tmp|root|data|config|configs|conf|certs?|ssl|tls"
    r"|pki|keys|credentials|creds|volumes?|workspaces?|builds?|bitnami|kaniko|nix|snap|dev|proc|private|Users|Volumes)"
    r"(?:/[\w.@+-]+)+/?|[A-Za-z]:\\[\w.\\ -]+"
)
"""Below a folder that everybody knows: a password may begin with a slash, too."""
_RELATIVE = re.compile(r"(?:\.{1,2}/|~/)?[\w.@+-]+(?:/[\w.@+-]+)+|(?:\.{1,2}|~)/[\w.@+-]+|[\w-]+\.[a-z]{2,5}")
_STRANGE_PART = re.compile(r"(?=[^/]*[a-z])(?=[^/]*[A-Z])(?=[^/]*[0-9])[A-Za-z0-9+]{12,}")
_REFERENCE = re.compile(
    r"%s|__[A-Z0-9_]+__|<[^<>]*>|[*xX.#\u2022]{3,}"
    r"|\[?(?i:redacted|masked|hidden)\]?|\[secret\]|@Microsoft\.KeyVault\(.*\)|(?:ENC\[|\{cipher\}|!\w+ ).*"
    r"|arn:[a-z-]+:\S+|projects/[^/\s]+/secrets/\S+|(?!https?:)[a-z][a-z0-9+-]*://[^\s@]+"
    r"|(?:ref\+\w+|awssm|awsssm|ssm|sm|gcp|gcpsm|akv|vault|kms|op|bws|sops|doppler|infisical|secretref|secretsmanager"
    r"|keyring|env|file):(?=[^/\s]*/)[./]{0,3}\w[\w./:#@-]*"
    r"|https://[\w-]+\.vault\.azure\.net/secrets/[\w/-]+",
    re.DOTALL,
)
"""What only says where the secret is kept, or stands for one: `vault:kv/path`, `<password>`.

Nothing expands a container's environment: `$ECRET2024`, `{hunter2}` and `%hunter2%` are as good as any password.
"""
_PUT_IN = re.compile(
    r"\$?\$\{[\w.:/]{1,200}(?::?[?+][^{}]{0,200}|:?-)?\}|\$\([^()]{0,200}\)"
    r"|\$?\{\{[^{}]{0,200}\}\}|`[^`]{0,200}`"
    r"|[%#]\{[^{}]{0,200}\}#?|\(\([\w./-]{1,200}\)\)"
)
_HOLE = "\0"
_JOINED = re.compile(
    rf"(?:[A-Za-z]+(?:[-_.@][A-Za-z]+)*:|(?i:bearer|basic|token) )?[-_.:/ ]*{_HOLE}(?:[-_.:/ ]*{_HOLE})*[-_.:/ ]*"
)
"""What may stand beside a value that is put in: `admin:${PASSWORD}`."""
_PUBLISHED = re.compile(
    r"(?:ssh-(?:rsa|ed25519|dss)|ecdsa-sha2-nistp[0-9]{3}) AAAA\S+( .*)?"
    r"|-----BEGIN (?:[A-Z]+ )?(?:PUBLIC KEY|CERTIFICATE)-----.*|pk_(?:live|test)_\w+|pk\.eyJ\S+|pub[0-9a-f]{32}",
    re.DOTALL,
)
"""The half of a pair of keys that everybody may have."""


def is_harmless(name: str, found: re.Match[str], value: str) -> bool:
    """Whether a value under a name of a secret gives nothing away.

    Args:
        name: the name, with a joint between its words.
        found: the noun in it, the last one.
        value: the value, without quotes.
    """
    if value.lower() in _SWITCHES or _refers(value):
        return True
    noun = found["noun"].lower()
    about = _words_about(name[found.end() :], _STILL_THE_SECRET - _OF_A_WAY_IN if noun == "auth" else _STILL_THE_SECRET)
    if _is_about_another(name, value) or (noun.endswith(("key", "token")) and _PUBLISHED.fullmatch(value)):
        return True
    return _is_harmless_after(noun, about, value) if about else _is_harmless_alone(name, noun, value)


def _refers(value: str) -> bool:
    """Whether nothing but references stands there, and what joins them."""
    if _REFERENCE.fullmatch(value):
        return True
    return bool(_JOINED.fullmatch(_PUT_IN.sub(_HOLE, value)))


def _words_about(rest: str, still: frozenset[str]) -> list[str]:
    """The words after the noun, from the first one that says something else than which secret it is."""
    words = [word for word in _WORD.split(rest.lower()) if word]
    return [] if all(word in still or word.strip("v").isdigit() for word in words) else words


def _is_about_another(name: str, value: str) -> bool:
    """Whether the whole name tells that something else than the noun's own secret stands there."""
    if _COUNTS.search(name):
        return bool(_LONG_NUMBER.fullmatch(value))
    if _TOKENS.search(name) and _LONG_NUMBER.fullmatch(value):
        return True
    if _FILTER.search(name):
        return bool(_FREQUENCY.fullmatch(value))
    if _OF_AN_OBJECT.search(name):
        return all(map(_NAME.fullmatch, _LIST.split(value))) or bool(_MARK.fullmatch(value))
    if _IDENTIFIED.search(name):
        return not _IS_A_SECRET.search(name)
    if forwarded := _FORWARDED.search(name):
        return bool(_ADDRESS.fullmatch(value) or (forwarded["other"] and _NAME.fullmatch(value)))
    return bool(_FOLDER.fullmatch(name)) and value.startswith("/")


def _is_harmless_alone(name: str, noun: str, value: str) -> bool:
    """Whether nothing is given away under a name that ends in the secret's own word: a path, a way in, a level."""
    if _CLEAR_PATH.fullmatch(value):
        return not _has_strange_part(value)
    if _HASH.search(name) and _HASHING.fullmatch(value.lower()):
        return True
    if _TOKEN_ID.search(name) and _LONG_NUMBER.fullmatch(value):
        return True
    if _SECRET_ID.search(name) and "/" in value:
        return bool(_RELATIVE.fullmatch(value)) and not _has_strange_part(value)
    if re.search(r"pass(?:word|wd)?s?[_-]key$", name, re.IGNORECASE):  # under which key of a Secret it is kept
        return bool(_WORDS.fullmatch(value))
    return noun == "auth" and (_are(value, _PROTOCOLS) or (bool(_LOG_LEVEL.search(name)) and _are(value, _LOG_LEVELS)))


def _is_harmless_after(noun: str, about: list[str], value: str) -> bool:
    """Whether nothing is given away under a name that goes on after the noun, which says what stands there."""
    last, low = about[-1], value.lower()
    measures = last in _MEASURES
    if _NUMBER.fullmatch(low):  # people choose four digits for a password, too
        return measures or not (value.isdigit() and noun.startswith(("pass", "pw")))
    if measures and (_LONG_NUMBER.fullmatch(value) or _ISO_DURATION.fullmatch(low) or low in _INTERVALS):
        return True
    if "://" in value:
        return bool(_ADDRESS.fullmatch(value)) and not _has_drawn_path(low)
    if last in _PLACES and (value.startswith("/") or _RELATIVE.fullmatch(value)):
        return not _has_strange_part(value)
    if _PATH.fullmatch(value):
        return not _has_strange_part(value)
    if last in _WAYS:
        return all(_NAME.fullmatch(word) for word in _LIST.split(value)) or _are(value, _MODES)
    if last in _COMMANDS:
        return not _PRINTS.match(value)
    if last in _ALPHABETS:
        return True
    if last in _OWNERS and noun.startswith(("pass", "pw")):
        return bool(_NAME.fullmatch(value))
    if last in _ABOUT:
        drawn = _looks_drawn(value) or (last not in _PUBLISHED_ABOUT and _has_long_run(value))
        return not drawn and not _CREDENTIALS.match(value)
    if noun == "auth" or (noun.startswith("secret") and last in _PLACES):
        return not measures and bool(_NAME.fullmatch(value) or _are_networks(low))
    return False


def _looks_drawn(value: str) -> bool:
    """Whether a part of the value is a key: capitals, small letters and digits without a joint."""
    return any(
        any(map(str.isdigit, run)) and any(map(str.islower, run)) and any(map(str.isupper, run))
        for run in _RUN.findall(value)
    )


def _has_long_run(value: str) -> bool:
    """Whether letters and digits stand together for so long that no word is spelled like that."""
    return any(any(map(str.isdigit, run)) and any(map(str.isalpha, run)) for run in _LONG_RUN.findall(value))


def _has_drawn_path(address: str) -> bool:
    """Whether a part of an address behind the host looks like a key."""
    _, _, rest = address.partition("://")  # once: to look for each `://` takes the square of the time
    return bool(_DRAWN_PART.search(rest.partition("/")[2]))


def _are_networks(value: str) -> bool:
    return all(_NETWORK.fullmatch(word) for word in _LIST.split(value))


def _has_strange_part(path: str) -> bool:
    return any(_STRANGE_PART.fullmatch(part) for part in path.split("/"))


def _are(value: str, words: frozenset[str]) -> bool:
    return all(word in words for word in _LIST.split(value.lower().replace("_", "-")))
