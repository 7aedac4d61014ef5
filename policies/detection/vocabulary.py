"""The words that names of settings are made of, as far as they tell a secret from what is only about one."""

NOUNS: dict[str, tuple[str, str]] = {
    **dict.fromkeys(
        (
            "password", "passwords", "passwd", "pass", "passcode", "pwd", "pw", "passwort", "kennwort", "senha",
            "contrasena", "htpasswd",
        ),
        ("SECRET", "a password"),
    ),
    **dict.fromkeys(("passphrase", "passphrases", "mnemonic", "phrase"), ("SECRET", "a passphrase")),
    **dict.fromkeys(("secret", "secrets", "salt", "pepper", "psk"), ("SECRET", "a secret")),
    **dict.fromkeys(("token", "tokens", "pat", "pats", "bearer"), ("SECRET", "a token")),
    **dict.fromkeys(("credential", "credentials", "cred", "creds"), ("SECRET", "credentials")),
    **dict.fromkeys(("key", "keys"), ("KEY", "a key")),
    **dict.fromkeys(("signature", "sig", "appid", "hmac"), ("KEY", "a signature")),
    **dict.fromkeys(("license", "licence"), ("KEY", "a license key")),
    **dict.fromkeys(("auth", "auths", "oauth", "authorization"), ("SCHEME", "credentials")),
    "login": ("KEY", "credentials"),
    "code": ("SECRET", "a code"),
    "cookie": ("SECRET", "a secret"),
    "seed": ("KEY", "a seed"),
}  # fmt: skip
"""What a value is called, how the name bears on it (see `Bearing`), and what the value is then."""

JOINED: tuple[tuple[str, list[str]], ...] = (
    ("password", ["password"]),
    ("passwd", ["passwd"]),
    ("passphrase", ["passphrase"]),
    ("passcode", ["passcode"]),
    ("pass", ["pass"]),
    ("pwd", ["pwd"]),
    ("pw", ["pw"]),
    ("secrets", ["secrets"]),
    ("secret", ["secret"]),
    ("tokens", ["tokens"]),
    ("token", ["token"]),
    ("credentials", ["credentials"]),
    ("creds", ["creds"]),
    ("auth", ["auth"]),
    *(
        (kind + plural, [kind, plural])
        for kind in (
            "api", "access", "secret", "private", "public", "master", "auth", "encryption", "signing", "shared",
            "license", "account", "storage", "session", "ssh", "deploy", "app", "pub", "site",
        )
        for plural in ("key", "keys")
    ),
)  # fmt: skip
"""What a word may end with when nobody wrote a separator, and the words that this is."""

NO_SECRETS = frozenset((
    "bypass", "compass", "encompass", "surpass", "trespass", "overpass", "underpass", "basalt", "jsonwebtoken",
    "monkey", "turkey", "donkey", "hockey", "jockey", "whiskey", "hotkey", "author", "noauth",
))  # fmt: skip
"""Words that only end like one of the nouns."""

SECRET_KEYS = frozenset((
    "api", "secret", "access", "private", "master", "auth", "encryption", "encrypt", "crypto", "crypt", "cipher",
    "signing", "sign", "shared", "license", "licence", "account", "storage", "session", "jwt", "ssh", "hmac", "aes",
    "fernet", "app", "application", "admin", "root", "deploy", "webhook", "data", "passphrase", "write", "creds",
))  # fmt: skip
"""What a key is for when it is secret."""

COMMON_KEYS = frozenset((
    "public", "publishable", "pub", "partition", "primary", "foreign", "sort", "routing", "cache", "site", "kms",
    "gpg", "pgp", "object", "translation", "message", "idempotency", "shard", "lookup", "hot", "index", "unique",
    "composite", "join", "map", "arrow", "function", "anon", "row", "column", "order", "group", "range", "dedup",
    "host", "recv", "import", "export", "trusted", "authorized", "known",
))  # fmt: skip
"""What a key is for when it opens nothing."""

QUALIFIERS = frozenset((
    "max", "min", "num", "number", "count", "total", "input", "output", "context", "batch", "completion", "prompt",
    "pad", "eos", "bos", "unk", "sep", "cls", "mask", "stop", "special", "existing", "pull", "forgot", "rate",
    "cluster", "allow", "enable", "disable", "skip", "show", "hide", "public", "publishable",
))  # fmt: skip
"""Words before a noun with which it is no secret: MAX_TOKENS, EXISTING_SECRET, ALLOW_EMPTY_PASSWORD."""

PLACES = frozenset(("file", "files", "path", "paths", "dir", "directory", "folder", "location", "filename", "mount"))
"""Words after a noun that say where the secret lies."""

ABOUT = frozenset((
    # how it is named and found
    "name", "names", "ref", "reference", "arn", "alias", "label", "labels", "field", "header", "headers", "param",
    "parameter", "variable", "var", "env", "prefix", "suffix", "property", "column", "table", "selector", "claim",
    "key", "keys", "version", "username", "model", "template", "store", "storage", "vault", "bucket", "region",
    "namespace", "project", "realm", "issuer", "audience", "scope", "scopes", "source", "claims", "url", "uri",
    "uris", "endpoint", "endpoints", "host", "server", "service", "port", "address", "domain", "domains", "sock",
    "socket", "callback", "redirect", "link", "page", "route", "query", "repository", "registry", "secret",
    # what it must be
    "length", "min", "max", "minimum", "maximum", "size", "limit", "limits", "count", "ttl", "expiry", "expires",
    "expire", "expiration", "lifetime", "lifespan", "duration", "timeout", "age", "days", "hours", "minutes",
    "seconds", "interval", "period", "window", "leeway", "grace", "skew", "rotation", "rotate", "retry", "retries",
    "attempts", "history", "complexity", "policy", "policies", "rule", "rules", "strength", "pattern", "regex",
    "format", "charset", "encoding", "iterations", "rounds", "cost", "digits", "validity", "per", "rate", "budget",
    "usage", "threshold", "renewal", "renew", "criteria", "decimals", "strict", "quota", "throttle", "delay", "words",
    "symbols", "uppercase", "lowercase", "numbers", "cache",
    "buffer", "pool",
    # whether and how it is used
    "enabled", "enable", "disabled", "disable", "required", "require", "requires", "allowed", "allow", "optional",
    "mode", "flag", "active", "use", "skip", "check", "validate", "validation", "validator", "validators", "verify",
    "verification", "supported", "support", "auto", "debug", "login", "authentication", "confirmation", "blacklist",
    "type", "types", "kind", "scheme", "schemes", "lookup", "mapping", "filter", "search", "order", "sort", "config",
    "configuration", "settings", "options", "action", "event", "events", "sync", "reload", "schedule", "revocation",
    "from", "attribute", "attributes", "symbol", "contract", "parser", "serializer", "serialization", "addr",
    "method", "methods", "mechanism", "mechanisms", "algorithm", "algorithms", "alg", "hash",
    "hasher", "hashers", "hashing", "cipher", "curve", "provider", "providers", "backend", "backends", "driver",
    "plugin", "manager", "engine", "strategy", "handler", "class", "factory", "generator", "encoder", "decoder",
    "codec", "module", "library", "adapter", "helper", "middleware", "flow", "grant", "role", "roles", "command",
    "cmd", "script", "stdin", "encryption", "bucketing", "controller", "operator", "introspection", "exchange",
    "refresh",
    # what is shown to people
    "reset", "forgot", "change", "hint", "prompt", "message", "subject", "text", "title", "description", "notice",
    "error", "question", "placeholder", "created", "updated", "at", "since", "until", "last", "date", "time",
    "cookie", "less", "santa", "language", "locale", "color", "theme", "icon", "audit", "log", "logs", "level", "ui",
    "meter", "scanning", "trust", "secure",
))  # fmt: skip
"""Words after a noun with which the value is about the secret."""

IDENTIFYING = frozenset((
    "id", "ids", "uuid", "guid", "uid", "sha", "hash", "digest", "checksum", "md", "etag", "commit", "revision",
    "rev", "ref", "fingerprint", "thumbprint", "cid", "address", "addr", "hostname", "host", "hosts", "node", "pod",
    "name", "version", "tag", "image", "pub", "pubkey", "public", "cert", "certs", "certificate", "crt", "ca", "csr",
    "recipient", "recipients", "lineage", "trace", "traceparent", "span", "integrity", "charset", "alphabet", "sum",
    "path", "dir", "file", "zone", "channel", "release", "build", "bundle", "sitekey", "jwks", "cursor", "urn", "arn",
    "peer", "known", "number", "serial", "busting", "cachebust", "bust",
))  # fmt: skip
"""Last words of a name whose value may look random: it identifies something."""

STAGES = frozenset((
    "prod", "production", "dev", "development", "stg", "staging", "test", "testing", "qa", "live", "local", "preview",
    "default", "value", "val", "old", "new", "current", "previous", "primary", "secondary", "backup", "main", "base",
    "encoded", "hex", "plain", "plaintext", "raw", "string", "str", "v", "b",
))  # fmt: skip
"""Words at the end of a name that do not change what it is."""

SCHEMES = frozenset((
    "basic", "digest", "ntlm", "simple", "ssh", "htpasswd", "kubernetes", "approle", "userpass", "radius", "peer",
    "ident", "unix", "ssl", "nkey", "netrc", "oauth", "oauth2", "oidc", "openid", "ldap", "ldaps", "saml", "jwt",
    "token", "tokens",
    "kerberos", "gssapi", "spnego", "negotiate", "trust", "md5", "plain", "login", "cram-md5", "scram-sha-256",
    "scram-sha-512", "sasl", "sasl_ssl", "key", "password", "cookie", "session", "anonymous", "external", "header",
    "bearer", "local", "internal", "github", "gitlab", "google", "azure", "azuread", "keycloak", "auth0", "okta",
    "mtls", "tls", "cert", "certificate", "iam", "x509", "default", "custom", "system", "user", "none", "pam", "db",
    "database", "file", "env", "apikey", "info", "debug", "warn", "warning", "error", "trace", "fatal", "api_key",
    "optional", "required", "webauthn", "passkey", "sso",
))  # fmt: skip
"""Ways to authenticate, as settings name them."""

NOTHING = frozenset((
    "", "true", "false", "yes", "no", "on", "off", "none", "null", "nil", "undefined", "n/a", "enabled", "disabled",
    "enable", "disable", "required", "optional", "auto", "<nil>", "-", "y", "n", "t", "f", "omit", "unset", "empty",
))  # fmt: skip
"""Values that hold nothing, under any name."""
