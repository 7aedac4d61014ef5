"""Secrets that are recognised by their own shape, under whatever name: vendors' tokens, private keys, password hashes.

Every pattern has a hint, a short text that a match contains: searching for that first costs next to nothing, so a value
of a megabyte is judged at once. A pattern begins with its hint or close to it and repeats only one class of characters
with a bound, or from a boundary, so that no value makes it look at the same characters over and over.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field


_MASKED = re.compile(r"([xX*.#])\1{7}")
"""In the place of a token that somebody took out."""


@dataclass(frozen=True)
class Shape:
    """One kind of secret with a shape of its own."""

    looks: str
    hints: tuple[str, ...]
    expression: str
    pattern: re.Pattern[str] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pattern", re.compile(self.expression))

    def stands_in(self, text: str) -> bool:
        """Whether the text contains a secret of this shape."""
        return any(hint in text for hint in self.hints) and not all(
            _MASKED.search(found[0]) for found in self.pattern.finditer(text)
        )


def _shapes() -> Iterator[Shape]:
    for looks, hints, expression in _TABLE:
        yield Shape(looks, tuple(hints.split()), expression)


def _token(prefix: str, alphabet: str, length: int) -> str:
    """A prefix, not in the middle of a word, and at least as many characters of the alphabet."""
    return rf"(?<![A-Za-z0-9]){prefix}[{alphabet}]{{{length}}}"


_WORD = "0-9A-Za-z"
_URL = "0-9A-Za-z_-"
_HEX = "0-9a-f"
_BASE64 = "0-9A-Za-z+/"
_TABLE = (
    ("a private key", "PRIVATE", r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"),
    ("a private key", "SSH2", r"---- BEGIN SSH2 ENCRYPTED PRIVATE KEY"),
    ("a private key", "PuTTY", r"PuTTY-User-Key-File-\d"),
    ("a private key", "minisign", r"(?:minisign|rsign|signify)[ a-z]{0,20} secret key"),
    ("a private key", '"d"', r'"d"\s{0,5}:\s{0,5}"[0-9A-Za-z_-]{40}'),
    ("an age key", "AGE-SECRET-KEY-", r"AGE-SECRET-KEY-(?:PQ-)?1[0-9A-Za-z]{50}"),
    ("an AWS access key", "AKIA ASIA ABIA ACCA A3T", r"(?<![A-Za-z0-9])(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}"),
    ("an AWS Bedrock key", "ABSK bedrock-api-key-", rf"(?<![A-Za-z0-9])(?:ABSK|bedrock-api-key-)[{_BASE64}]{{40}}"),
    ("a Google API key", "AIza", _token("AIza", _URL, 35)),
    ("a Google OAuth token", "ya29.", _token(r"ya29\.", _URL, 20)),
    ("a Google refresh token", "1//0", _token("1//0", _URL, 30)),
    ("a Google client secret", "GOCSPX-", _token("GOCSPX-", _URL, 20)),
    ("an Azure storage key", "AccountKey= SharedAccessKey=", rf"(?:AccountKey|SharedAccessKey)=[{_BASE64}]{{32}}"),
    ("an Azure signature", "sig=", r"[?&]sig=[0-9A-Za-z%_-]{40}"),
    ("an Azure client secret", "Q~", r"(?<![A-Za-z0-9~._-])[0-9A-Za-z_~.-]{3}[78]Q~[0-9A-Za-z_~.-]{31}"),
    ("a signature of AWS", "X-Amz-Signature=", rf"X-Amz-Signature=[{_HEX}]{{64}}"),
    ("a GitHub token", "ghp_ gho_ ghu_ ghs_ ghr_", _token("gh[pousr]_", _WORD, 36)),
    ("a GitHub token", "github_pat_", _token("github_pat_", "0-9A-Za-z_", 22)),
    ("a GitLab token", "glpat- gldt- glrt- glft- glsoat- glcbt- glimt- glagent- gloas-",
     _token("gl(?:pat|dt|rt|ft|soat|cbt|imt|agent|oas)-", _URL, 20)),
    ("a GitLab token", "glptt- GR1348941", _token("(?:glptt-|GR1348941)", _URL, 20)),
    ("a Slack token", "xoxa- xoxb- xoxc- xoxd- xoxe xoxp- xoxr- xoxs-", _token("xox(?:[abcdeprs]-|e\\.)", "0-9A-Za-z-", 10)),
    ("a Slack token", "xapp-", _token("xapp-", "0-9A-Za-z-", 20)),
    ("a Slack webhook", "hooks.slack.com", r"hooks\.slack\.com/(?:services|workflows|triggers)/[0-9A-Za-z/_-]{30}"),
    ("a Slack webhook", "slack://", r"slack://[^\s@/]{0,100}T[0-9A-Z]{8,12}[-/]B[0-9A-Z]{8,12}[-/][0-9A-Za-z]{20}"),
    ("a Discord webhook", "/webhooks/", r"discord(?:app)?\.com/api/(?:v\d{1,2}/)?webhooks/\d{15,20}/[0-9A-Za-z_-]{50}"),
    ("a Teams webhook", "webhook.office.com", r"webhook\.office\.com/webhookb?2?/[0-9A-Za-z@-]{60}"),
    ("a Telegram token", ":AA", r"(?<![0-9])[0-9]{8,10}:AA[0-9A-Za-z_-]{32}"),
    ("a Discord token", ".", r"(?<![\w-])[MNO][0-9A-Za-z_-]{23,27}\.[0-9A-Za-z_-]{6}\.[0-9A-Za-z_-]{27}"),
    ("a secret key", "sk_ sk- rk_", _token("[sr]k[-_](?:live|test|prod|ant|proj|svcacct|admin|or)[-_]", _URL, 16)),
    ("a secret key", "sk-", _token("sk-", _WORD, 32)),
    ("an OpenAI key", "T3BlbkFJ", r"sk-[0-9A-Za-z_-]{20,74}T3BlbkFJ[0-9A-Za-z_-]{20}"),
    ("a webhook's secret", "whsec_", _token("whsec_", _BASE64, 24)),
    ("an npm token", "npm_", _token("npm_", _WORD, 36)),
    ("an npm token", "_authToken _auth _password", r"//[\w./:-]{1,200}:_(?:authToken|auth|password)[ =][^\s\0]{6}"),
    ("a PyPI token", "pypi-Ag", _token("pypi-Ag", _URL, 30)),
    ("a Docker token", "dckr_", _token("dckr_[a-z]{3}_", _URL, 20)),
    ("a Hugging Face token", "hf_ api_org_", _token("(?:hf_|api_org_)", _WORD, 34) + r"(?![0-9A-Za-z_])"),
    ("a Twilio key", "SK", rf"(?<![A-Za-z0-9])SK[{_HEX}]{{32}}(?![0-9A-Za-z])"),
    ("a SendGrid key", "SG.", _token(r"SG\.", _URL, 16) + r"[0-9A-Za-z_-]{0,10}\.[0-9A-Za-z_-]{30}"),
    ("a Mailgun key", "key-", rf"(?<![A-Za-z0-9])key-[{_HEX}]{{32}}(?![0-9A-Za-z])"),
    ("a Mailchimp key", "-us", rf"(?<![A-Za-z0-9])[{_HEX}]{{32}}-us\d{{1,2}}(?![0-9A-Za-z])"),
    ("a Shopify token", "shpat_ shpca_ shppa_ shpss_", _token("shp(?:at|ca|pa|ss)_", "0-9a-fA-F", 32)),
    ("a DigitalOcean token", "dop_v1_ doo_v1_ dor_v1_", _token("do[opr]_v1_", _HEX, 40)),
    ("a Pulumi token", "pul-", _token("pul-", _HEX, 40)),
    ("a Terraform token", ".atlasv1.", r"[0-9A-Za-z]{14}\.atlasv1\.[0-9A-Za-z_=-]{40}"),
    ("a Vault token", "hvs. hvb. hvr.", _token(r"hv[sbr]\.", _URL, 24)),
    ("a Vault token", "s.", r"(?<![0-9A-Za-z_./-])s\.(?=[A-Za-z]{0,23}[0-9])[0-9A-Za-z]{24}(?![0-9A-Za-z.])"),
    ("a Grafana token", "glsa_ glc_", _token("gl(?:sa|c)_", "0-9A-Za-z+/=_", 30)),
    ("a New Relic key", "NRAK- NRII- NRJS- NRAA-", _token("NR(?:AK|II|AA)-", _URL, 20)),
    ("a Sentry token", "sntrys_ sntryu_", _token("sntry[su]_", "0-9A-Za-z+/=_-", 40)),
    ("a Linear key", "lin_api_ lin_oauth_", _token("lin_(?:api|oauth)_", _WORD, 30)),
    ("a Notion token", "secret_ ntn_", _token("(?:secret_|ntn_)", _WORD, 40)),
    ("an Airtable token", "pat", rf"(?<![A-Za-z0-9])pat[0-9A-Za-z]{{14}}\.[{_HEX}]{{64}}"),
    ("a Postman key", "PMAK-", _token("PMAK-", "0-9a-f-", 50)),
    ("an Atlassian token", "ATATT3x ATBB ATCTT3x", _token("(?:ATATT3x|ATCTT3x|ATBB)", "0-9A-Za-z_=-", 28)),
    ("a Fly token", "fm1_ fm2_ fo1_", _token("f(?:m[12]|o1)_", "0-9A-Za-z+/=_-", 40)),
    ("a PlanetScale token", "pscale_", _token("pscale_(?:tkn|pw|oauth)_", "0-9A-Za-z_.=-", 32)),
    ("a Databricks token", "dapi", _token("dapi", _HEX, 32)),
    ("a Doppler token", "dp.", r"(?<![0-9A-Za-z])dp\.(?:ct|pt|st|sa|scim|audit)\.(?:[a-z0-9_-]{2,35}\.)?[0-9A-Za-z]{40}"),
    ("a Tailscale key", "tskey-", _token("tskey-[a-z]{2,12}-", _URL, 16)),
    ("a CircleCI token", "CCIPAT_ CCIPRJ_", _token("CCIP(?:AT|RJ)_", "0-9A-Za-z_", 40)),
    ("a Buildkite token", "bkua_", _token("bkua_", _HEX, 40)),
    ("a RubyGems key", "rubygems_", _token("rubygems_", _HEX, 48)),
    ("a NuGet key", "oy2", _token("oy2", "0-9a-z", 43)),
    ("a Clojars token", "CLOJARS_", _token("CLOJARS_", _HEX, 60)),
    ("an Artifactory token", "AKCp cmVmd", _token("(?:AKCp[0-9]|cmVmdGtu)", _WORD, 50)),
    ("a Supabase key", "sbp_ sb_secret_", _token("(?:sbp_|sb_secret_)", _URL, 20)),
    ("a Resend key", "re_", r"(?<![0-9A-Za-z_])re_[0-9A-Za-z]{8}_[0-9A-Za-z]{24}"),
    ("a Brevo key", "xkeysib- xsmtpsib-", _token("x(?:keysib|smtpsib)-", _HEX, 60)),
    ("a Square token", "sq0 EAAA", _token("(?:sq0[a-z]{3}-|EAAA)", _URL, 22)),
    ("a Dynatrace token", "dt0", r"dt0[a-z]\d{2}\.[0-9A-Z]{24}\.[0-9A-Z]{64}"),
    ("an Alibaba key", "LTAI", _token("LTAI", _WORD, 16)),
    ("a Tencent key", "AKID", _token("AKID", _WORD, 30)),
    ("a Docker Swarm token", "SWMTKN-", r"SWMTKN-1-[0-9a-z]{40}"),
    ("a k3s token", "::server:", r"K10[0-9a-f]{64}::server:"),
    ("a Figma token", "figd_", _token("figd_", _URL, 30)),
    ("a token", "gsk_ r8_ pplx- rnd_ syt_ sdk- hbp_ cio tfp_ phx_ nfp_ lsv2_",
     _token("(?:gsk_|r8_|pplx-|rnd_|hbp_|cio|tfp_|phx_|nfp_|lsv2_[a-z]{2}_)", _WORD, 30)),
    ("an SDK key", "sdk- mob-", r"(?<![0-9A-Za-z])(?:sdk|mob)-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"),
    ("a Cloudflare tunnel's token", "eyJhIjoi", _token("eyJhIjoi", _URL, 80)),
    ("a Twilio token", "AC", rf"(?<![A-Za-z0-9])AC[{_HEX}]{{32}}:[{_HEX}]{{32}}"),
    ("a JSON web token", "eyJ", r"(?<![0-9A-Za-z_])eyJ[0-9A-Za-z_-]{8,400}+\.eyJ[0-9A-Za-z_-]{8}"),
    ("a password hash", "$", r"\$2[abxy]?\$\$?\d\d\$\$?[./0-9A-Za-z]{22}|\$(?:apr1|1|5|6|y|gy|7)\$\$?[^\s$:]{1,40}\$\$?[./0-9A-Za-z]{20}"),
    ("a password hash", "$argon2 $scrypt $pbkdf2 pbkdf2_ scram-sha SCRAM-SHA",
     r"\$argon2id?\$v=\d|\$(?:scrypt|pbkdf2)[a-z0-9-]{0,10}\$|pbkdf2_sha\d{3}\$\d|SCRAM-SHA-256\$\d"),
    ("a password hash", "JDJ", r"(?<![0-9A-Za-z+/])JDJ[hijkl5][0-9A-Za-z+/]{60}"),
    ("a password hash", "{SHA} {SSHA", r"\{SS?HA\d{0,3}\}[0-9A-Za-z+/]{20}"),
    ("credentials of git", "x-access-token: x-oauth-basic oauth2: __token__: gitlab-ci-token: x-token-auth:",
     r"(?:x-access-token|oauth2|__token__|gitlab-ci-token|x-token-auth):[^\s@\0/]{8}|[^\s@\0/:]{8}:x-oauth-basic"),
    ("a line of .netrc", "login", r"login[ \t]{1,8}[^\s\0]{1,200}[ \t\n]{1,8}password[ \t]{1,8}[^\s\0]{1}"),
    ("a line of .pgpass", ":", r"(?:^|\n)(?=[\w.-]{0,79}[A-Za-z*])[\w.*-]{1,80}:(?:\d{2,5}|\*):[\w*-]{1,63}:[\w*-]{1,63}:[^\s:\0]{2,200}(?:\s|$)"),
    ("credentials of a registry", '"auth', r'"auth"\s{0,5}:\s{0,5}"[0-9A-Za-z+/]{8}'),
    ("a password in SQL", "PASSWORD password Password IDENTIFIED identified",
     r"(?i:\b(?:password|identified(?: with [\w']{1,40})? (?:by|as))\s{1,4}'[^'\s\0:]{1}[^'\0]{0,200}')"),
    ("a secret of Kubernetes' bootstrap", ".", r"(?<![0-9a-z.])[0-9a-f]{6}\.(?=[a-z]{0,15}[0-9])[0-9a-z]{16}(?![0-9a-z.])"),
    ("credentials of Oracle", "jdbc:oracle", r"jdbc:oracle:[a-z]{2,5}:[^\s/@\0]{1,60}/[^\s/@\0]{1,60}@"),
    ("credentials of a database", "@tcp( @unix( @udp(", r"[\w.-]{1,60}:[^\s@/:\0]{1,200}@(?:tcp|unix|udp)\("),
)  # fmt: skip
SHAPES = tuple(_shapes())
_HASHES = tuple(shape for shape in SHAPES if shape.looks == "a password hash")


def shape_in(text: str) -> str | None:
    """What a text contains by its shape; None when nothing has one."""
    return next((shape.looks for shape in SHAPES if shape.stands_in(text)), None)


def password_hash_in(text: str) -> str | None:
    """Whether a text contains the hash of a password; asked before a shell's `$` variables are taken out of it."""
    return next((shape.looks for shape in _HASHES if shape.stands_in(text)), None)
