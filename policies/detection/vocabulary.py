"""The words that names of settings are made of, as far as they tell a secret from what is only about one."""

NOUNS: dict[str, tuple[str, str]] = {
    **dict.fromkeys(
        (
            "password", "passwords", "passwd", "pass", "passcode", "pwd", "pw", "pswd", "passwrd", "htpasswd",
            "passwort", "kennwort", "senha", "contrasena", "clave", "passe", "mdp", "parola", "wachtwoord", "haslo",
            "losenord",
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
    **dict.fromkeys(("code", "codes"), ("SECRET", "a code")),
    "pin": ("PIN", "a pin"),
    "cookie": ("SECRET", "a secret"),
    "seed": ("KEY", "a seed"),
}  # fmt: skip
"""What a value is called, how the name bears on it (see `Bearing`), and what the value is then."""

PARTED = {("pass", "word"): "password", ("pass", "words"): "passwords", ("pass", "phrase"): "passphrase"}
"""Two words that are one: PASS_WORD, smtpPassWord."""

JOINED: tuple[tuple[str, list[str]], ...] = (
    ("masterauth", ["master", "password"]),  # of Redis
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
            "license", "account", "storage", "session", "ssh", "deploy", "app", "pub", "site", "priv", "jwt", "hmac",
            "aes", "admin", "cookie",
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
    "priv", "unseal",
))  # fmt: skip
"""What a key is for when it is secret."""

PUBLIC_KEYS = frozenset(("public", "publishable", "pub", "gpg", "pgp", "anon", "site"))
"""Words anywhere before a key with which it is published."""

MILD_KEYS = frozenset(("session", "data"))
"""Of the secret ones, those that are none after the word of a common key: CACHE_SESSION_KEY, OBJECT_DATA_KEY."""

COMMON_KEYS = frozenset((
    "partition", "foreign", "sort", "routing", "cache", "kms", "object", "translation", "message", "idempotency",
    "shard", "lookup", "hot", "index", "unique", "composite", "join", "map", "arrow", "row", "column", "order",
    "group", "range", "dedup", "host", "recv", "import", "export", "trusted", "authorized", "known",
))  # fmt: skip
"""What a key is for when it opens nothing; only the word directly before the key says so: ORDER_API_KEY opens much."""

COUNTING = frozenset((
    "max", "min", "num", "number", "count", "total", "input", "output", "context", "batch", "completion", "prompt",
    "pad", "eos", "bos", "unk", "sep", "cls", "mask", "stop", "special", "rate",
))  # fmt: skip
"""Words anywhere before `tokens` with which they are counted: MAX_OUTPUT_TOKENS."""

SWITCHING = frozenset(("forgot", "allow", "enable", "disable", "skip", "show", "hide", "publishable"))
"""Words anywhere before a noun with which the value is a switch or a page: ALLOW_EMPTY_PASSWORD."""

NOT_SECRET = {
    **dict.fromkeys(("secret", "secrets"), frozenset(("existing", "pull", "tls"))),
    "token": frozenset(("cluster", "pad", "eos", "bos", "unk", "sep", "cls", "mask", "stop", "special")),
    "tokens": frozenset(("cluster",)),
    "pass": frozenset(("fastcgi", "uwsgi", "scgi", "grpc")),
    "pin": frozenset(("apt", "gpio", "version", "dependency")),
}
"""Words directly before a noun with which it is the name of an object, a mark in a text, a server, a priority."""

LIMITS = frozenset(("max", "min", "num"))
"""Words directly before any noun with which it is counted."""

OWNERS = frozenset((
    "service", "server", "backend", "frontend", "role", "registry", "repository", "project", "source", "operator",
    "store", "storage", "cache", "search", "order", "log", "db", "database", "admin", "root", "user", "app", "api",
    "web", "worker", "client", "owner", "reader", "writer", "read", "write", "ro", "rw", "readonly", "replica",
    "replication", "mysql", "postgres", "mongo", "redis", "mail", "smtp", "ldap",
))  # fmt: skip
"""Words after a password that can say whose it is: DB_PASSWORD_SERVICE; or where it is kept: PASSWORD_STORE=vault."""

TENANTS = frozenset(("tenant", "org", "organization", "organisation", "workspace", "project", "group"))
"""Words after any secret that say whose it is, or for whom it was issued: CLIENT_SECRET_TENANT."""

PLACES = frozenset(("file", "files", "path", "paths", "dir", "directory", "folder", "location", "filename", "mount"))
"""Words after a noun that say where the secret lies."""

ABOUT = frozenset((
    # how it is named and found
    "name", "names", "ref", "reference", "arn", "alias", "label", "labels", "field", "header", "headers", "param",
    "parameter", "variable", "var", "env", "prefix", "suffix", "property", "column", "table", "selector", "claim",
    "key", "keys", "version", "username", "model", "template", "store", "storage", "vault", "bucket", "region",
    "namespace", "project", "realm", "issuer", "audience", "scope", "scopes", "source", "claims", "url", "uri",
    "uris", "endpoint", "endpoints", "host", "server", "service", "port", "address", "domain", "domains", "sock",
    "socket", "audiences", "permissions", "sources", "loader", "owner", "group", "groups",
    "callback", "redirect", "link", "page", "route", "query", "repository", "registry", "secret",
    # what it must be
    "length", "min", "max", "minimum", "maximum", "size", "limit", "limits", "count", "ttl", "expiry", "expires",
    "expire", "expiration", "lifetime", "lifespan", "duration", "timeout", "age", "days", "hours", "minutes",
    "seconds", "interval", "period", "window", "leeway", "grace", "skew", "rotation", "rotate", "retry", "retries",
    "attempts", "history", "complexity", "policy", "policies", "rule", "rules", "strength", "pattern", "regex",
    "format", "charset", "encoding", "iterations", "rounds", "cost", "digits", "validity", "per", "rate", "budget",
    "usage", "threshold", "renewal", "renew", "criteria", "decimals", "strict", "quota", "throttle", "delay", "words",
    "symbols", "uppercase", "lowercase", "numbers", "cache",
    "buffer", "pool", "granularity", "characters", "chars", "rotated", "separator",
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
    "peer", "peers", "known", "number", "serial", "busting", "cachebust", "bust", "verification",
    "ksuid", "nanoid", "ulid", "cuid", "organization", "organisation", "org", "project", "workspace", "tenant",
    "bucket", "playlist", "spreadsheet",
))  # fmt: skip
"""Last words of a name whose value may look random: it identifies something."""

STAGES = frozenset((
    "prod", "production", "dev", "development", "stg", "staging", "test", "testing", "qa", "live", "local", "preview",
    "default", "value", "val", "old", "new", "current", "previous", "primary", "secondary", "backup", "main", "base",
    "encoded", "hex", "plain", "plaintext", "raw", "string", "str", "v", "b", "stage", "environment",
))  # fmt: skip
"""Words at the end of a name that do not change what it is."""

SCHEMES = frozenset((
    "basic", "digest", "ntlm", "ntlmv2", "simple", "ssh", "htpasswd", "kubernetes", "k8s", "approle", "userpass",
    "radius", "peer", "ident", "unix", "ssl", "nkey", "netrc", "oauth", "oauth2", "oidc", "openid", "ldap", "ldaps",
    "saml", "saml2", "jwt", "token", "tokens", "kerberos", "gssapi", "spnego", "negotiate", "trust", "md5", "plain",
    "login", "cram", "scram", "sasl", "xoauth2", "key", "password", "cookie", "session", "anonymous", "external",
    "header", "bearer", "local", "internal", "github", "gitlab", "google", "azure", "azuread", "entra", "aws", "gcp",
    "keycloak", "auth0", "okta", "authelia", "authentik", "cognito", "dex", "mtls", "tls", "cert", "certificate",
    "iam", "irsa", "sigv4", "x509", "default", "custom", "system", "user", "none", "pam", "db", "database", "file",
    "env", "apikey", "api", "http", "proxy", "forward", "info", "debug", "warn", "warning", "error", "trace", "fatal",
    "optional", "required", "webauthn", "passkey", "sso", "rbac", "abac", "acl", "identity", "managed", "workload",
    "service", "account", "caching", "native", "mysql", "sha", "sha1", "sha2", "sha256", "sha512", "socket",
))  # fmt: skip
"""The words of ways to authenticate, as settings name them: `cram-md5`, `managed-identity`, `sasl_ssl`."""

NOTHING = frozenset((
    "", "true", "false", "yes", "no", "on", "off", "none", "null", "nil", "undefined", "n/a", "enabled", "disabled",
    "enable", "disable", "required", "optional", "auto", "<nil>", "-", "y", "n", "t", "f", "omit", "unset", "empty",
))  # fmt: skip
"""Values that hold nothing, under any name."""

FETCHING = frozenset(("include", "same-origin"))
"""When a browser sends credentials, as `fetch` takes it."""
