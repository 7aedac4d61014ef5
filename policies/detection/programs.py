"""Where well-known programs take a password on their command line, beside options whose names say it."""

PROMPTING = frozenset((
    "mysql", "mysqladmin", "mysqldump", "mysqlcheck", "mysqlimport", "mysqlshow", "mysqlpump", "mysqlsh",
    "mysqld_safe", "mariadb", "mariadb-admin", "mariadb-dump", "mariadb-check", "mariadb-import",
))  # fmt: skip
"""Programs that ask for the password after `-p` alone; the next word is none."""

ATTACHED = frozenset((*PROMPTING, "7z", "7za", "7zr", "7zz", "rar", "unrar", "sshpass", "skopeo"))
"""`-pPASSWORD`, in one word."""

SHORT: dict[str, str] = {
    **dict.fromkeys(("sshpass", "mongo", "mongosh", "mongodump", "mongorestore", "mongoexport", "mongoimport"), "p"),
    **dict.fromkeys(
        ("cqlsh", "cypher-shell", "rabbitmqadmin", "useradd", "usermod", "twine", "kcadm.sh", "kcadm"), "p"
    ),
    **dict.fromkeys(("zip", "unzip", "zipcloak", "sqlcmd", "bcp", "ipmitool", "mosquitto_pub", "mosquitto_sub"), "P"),
    **dict.fromkeys(("mosquitto_rr", "influx_inspect", "tsql", "isql", "sqsh"), "P"),
    **dict.fromkeys(("ldapsearch", "ldapadd", "ldapmodify", "ldapdelete", "ldapwhoami", "ldappasswd"), "w"),
    **dict.fromkeys(("redis-cli", "valkey-cli", "keydb-cli"), "a"),
    **dict.fromkeys(("snmpget", "snmpwalk", "snmpset", "snmpbulkwalk", "snmptrap"), "AX"),
    **dict.fromkeys(("ss-server", "ss-local", "ssserver", "sslocal"), "k"),
    "openssl": "kK",
    "ssh-keygen": "NP",
    "bw": "p",
}
"""`-p PASSWORD`, in one word or two, by the letters of the options."""

WHOLE_OPTIONS = frozenset(("openssl",))
"""Programs whose options begin with one dash and are longer than a letter."""

COMBINED = {"curl": "0123456aBfgGiIjJklLMnNOpqRsSvVZ#"}
"""Letters of options without a value, which may stand before that of a pair: `curl -sSu USER:PASSWORD`."""

PAIRS: dict[str, tuple[str, ...]] = {
    "curl": ("-u", "--user", "-U", "--proxy-user"),
    "http": ("-a", "--auth"),
    "https": ("-a", "--auth"),
    "xh": ("-a", "--auth"),
    "hey": ("-a",),
    "ab": ("-A", "-P"),
    "siege": ("--login",),
    "etcdctl": ("--user",),
    "lftp": ("-u", "--user"),
    "smbclient": ("-U", "--user"),
    "rpcclient": ("-U", "--user"),
    "wget": ("--user",),
    "elasticdump": ("--user",),
    "artillery": ("--auth",),
}
"""`-u USER:PASSWORD`; lftp separates the two with a comma, smbclient with a percent sign."""

POSITIONAL: tuple[tuple[str, tuple[str, ...], int], ...] = (
    ("rabbitmqctl", ("add_user",), 2),
    ("rabbitmqctl", ("change_password",), 2),
    ("rabbitmqctl", ("authenticate_user",), 2),
    ("mc", ("alias", "set"), 4),
    ("mc", ("config", "host", "add"), 4),
    ("mcli", ("alias", "set"), 4),
    ("vault", ("login",), 1),
    ("bao", ("login",), 1),
    ("ngrok", ("authtoken",), 1),
    ("wpa_passphrase", (), 2),
    ("cargo", ("login",), 1),
    ("redis-cli", ("auth",), 1),
    ("redis-cli", ("AUTH",), 1),
    ("netlify", ("login",), 1),
    ("heroku", ("auth:token",), 1),
)
"""The program, its subcommands, and how many words after them the password stands."""

LAST_WORD: dict[str, tuple[str, ...]] = {"htpasswd": ("b",), "net": ("use", "user"), "net.exe": ("use", "user")}
"""Programs whose last word is a password, and the options or subcommands with which it is."""

READERS = frozenset((
    "--password-stdin", "--stdin", "--with-token", "--passphrase-fd", "--key-file=-", "chpasswd", "cryptsetup", "-S",
    "--pass-stdin", "--token-stdin", "put", "passwd", "--from-stdin", "smbpasswd", "elasticsearch-keystore",
    "opensearch-keystore", "kinit", "pdbedit", "password_stdin",
))  # fmt: skip
"""Words of a command that reads a secret from its standard input."""

SETTERS = frozenset((
    "set", "setx", "config", "configure", "mysqladmin", "mariadb-admin", "nmcli", "setenv", "export", "define",
))  # fmt: skip
"""Words after which a name and its value follow as two words: `CONFIG SET requirepass …`."""

SETTING_VERBS = ("set", "reset", "change", "add", "update")
"""The first words of a subcommand that takes the new secret as its argument: `set-initial-password …`."""

SECRETS_BY_NAME = frozenset((
    "docker", "podman", "nerdctl", "buildah", "buildctl", "gcloud", "kubectl", "oc", "fly", "flyctl", "aws", "helm",
    "act", "docker-compose",
))  # fmt: skip
"""Programs whose `--secret NAME` names a secret that is kept elsewhere."""

SLASHED = frozenset(("sqlplus", "sqlldr", "rman", "exp", "imp", "expdp", "impdp"))
"""Programs of Oracle that take `USER/PASSWORD@DATABASE` as a word."""

RUNNERS = {
    **dict.fromkeys(("exec", "sudo", "doas", "env", "nohup", "time", "nice", "command"), 0),
    **dict.fromkeys(("if", "then", "else", "elif", "while", "until", "do", "!", "{"), 0),
    **dict.fromkeys(("gosu", "su-exec", "timeout"), 1),
}
"""What stands before a program that is run, and how many words of its own each takes."""

SHELLS = frozenset(("sh", "bash", "ash", "dash", "zsh", "ksh", "su", "eval", "CMD-SHELL"))
"""Programs that read a word as a command line."""

SEARCHERS = frozenset(("grep", "egrep", "fgrep", "rg", "find", "jq", "yq"))
"""Programs whose words say what to look for."""

CLUSTER_CLIENTS = frozenset(("kubectl", "oc", "k3s", "microk8s"))
"""Programs that run a command in a container after `--`."""

ENGINES = frozenset(("docker", "podman", "nerdctl", "docker-compose", "podman-compose"))
"""Programs whose `-p` is a port or a project, unless they log in."""
