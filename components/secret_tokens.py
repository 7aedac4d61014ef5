"""What vendors' tokens look like: a prefix of their own, and enough characters after it.

The policy pack knows the same ones and more (policies/detection/shape_table.py). Imported where a value is read only:
so many patterns take a moment to compile.
"""

import re

_UUID = "[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
_HEX = "[0-9a-f]"
_WORD = "[0-9A-Za-z]"
_URL = "[0-9A-Za-z_-]"
_BASE64 = "[0-9A-Za-z+/=_-]"
_ALONE = r"(?<![\w./-])"
"""Before a prefix that is a word of its own: `cache-key-…` and `/sdk-…` are names of something else."""
_PATTERNS = (
    # clouds
    rf"AIza{_URL}{{35,}}|ya29\.{_URL}{{20,}}|1//0{_URL}{{30,}}|GOCSPX-{_URL}{{20,}}|LTAI{_WORD}{{16,}}",
    rf"do[opr]_v1_{_HEX}{{40,}}|pul-{_HEX}{{40,}}|{_WORD}{{14}}\.atlasv1\.{_BASE64}{{40,}}|hv[sbr]\.{_URL}{{24,}}",
    rf"f(?:m[12]|o1)_{_BASE64}{{40,}}|dp\.(?:ct|pt|st|sa|scim|audit)\.{_WORD}{{40,}}|tskey-[a-z]{{2,12}}-{_URL}{{16,}}",
    rf"AGE-SECRET-KEY-1{_WORD}{{50,}}|SWMTKN-1-[0-9a-z]{{40,}}|v1\.0-{_HEX}{{24}}-{_HEX}{{140,}}|nfp_{_WORD}{{30,}}",
    rf"HRKU-{_URL}{{40,}}|(?:Account|SharedAccess)Key={_BASE64}{{32,}}|ops_eyJ{_URL}{{40,}}"
    rf"|{_URL}{{3}}[78]Q~[\w.~-]{{31,}}",
    # forges, builds and registries
    rf"gl(?:dt|rt|ft|soat|cbt|imt|agent|oas|ptt)-{_URL}{{20,}}|GR1348941{_URL}{{20,}}|sq[upa]_{_HEX}{{40,}}",
    rf"(?:ATATT3x|ATCTT3x|ATBB){_BASE64}{{28,}}|CCIP(?:AT|RJ)_\w{{40,}}|bkua_{_HEX}{{40,}}"
    rf"|dckr_[a-z]{{3}}_{_URL}{{20,}}",
    rf"sgp_(?:{_HEX}{{16}}_|local_)?{_HEX}{{40,}}|npm_{_WORD}{{36,}}|pypi-Ag{_URL}{{30,}}|rubygems_{_HEX}{{48,}}",
    rf"oy2[0-9a-z]{{43,}}|CLOJARS_{_HEX}{{60,}}|(?:AKCp[0-9]|cmVmdGtu){_WORD}{{50,}}|cio{_WORD}{{30,}}",
    # chats and hooks
    rf"xox[cde][-.]{_URL}{{10,}}|xapp-{_URL}{{20,}}|[0-9]{{8,10}}:AA{_URL}{{32,}}|syt_{_WORD}{{30,}}",
    r"hooks\.slack\.com/(?:services|workflows|triggers)/[0-9A-Za-z/_-]{30,}",
    rf"discord(?:app)?\.com/api/(?:v[0-9]{{1,2}}/)?webhooks/[0-9]{{15,20}}/{_URL}{{50,}}",
    r"webhook\.office\.com/webhookb?2?/[0-9A-Za-z@-]{60,}",
    # payments, shops and mail
    rf"[sr]k[-_](?:live|test|prod|svcacct|admin|or)[-_]{_URL}{{16,}}|whsec_{_BASE64}{{24,}}|rzp_live_{_WORD}{{14,}}",
    rf"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{{32,}}|sq0[a-z]{{3}}-{_URL}{{22,}}|EAAA{_URL}{{40,}}"
    rf"|FLWSECK(?:_TEST)?-{_WORD}{{12,}}",
    rf"access_token\$[a-z]{{4,12}}\$[0-9a-z]{{16}}\${_HEX}{{32,}}",
    rf"SG\.{_URL}{{16,26}}\.{_URL}{{30,}}|{_ALONE}key-{_HEX}{{32}}\b|{_HEX}{{32}}-us[0-9]{{1,2}}\b|mlsn\.{_HEX}{{64,}}",
    rf"re_{_WORD}{{8}}_{_WORD}{{24,}}|x(?:keysib|smtpsib)-{_HEX}{{60,}}|SK{_HEX}{{32}}\b",
    # observability and tools
    rf"gl(?:sa|c)_{_BASE64}{{30,}}|NR(?:AK|II|AA)-{_URL}{{20,}}|sntry[su]_{_BASE64}{{40,}}|phx_{_WORD}{{30,}}",
    rf"hcaik_{_WORD}{{40,}}|CFPAT-{_URL}{{40,}}|eu01xx{_HEX}{{30}}NRAL\b|{_ALONE}api-{_UUID}",
    rf"{_HEX}{{36}}NRAL\b|dt0[a-z][0-9]{{2}}\.[0-9A-Z]{{24}}\.[0-9A-Z]{{64,}}|{_ALONE}(?:sdk|mob)-{_UUID}",
    rf"lin_(?:api|oauth)_{_WORD}{{30,}}|(?:secret_|ntn_){_WORD}{{40,}}|pat{_WORD}{{14}}\.{_HEX}{{64,}}"
    rf"|PMAK-[0-9a-f-]{{50,}}",
    rf"figd_{_URL}{{30,}}|pat-[a-z]{{2}}[0-9]-{_UUID}|tfp_{_WORD}{{30,}}",
    # databases and models
    rf"pscale_(?:tkn|pw|oauth)_{_URL}{{32,}}|dapi{_HEX}{{32,}}|(?:sbp_|sb_secret_){_URL}{{20,}}|AVNS_{_URL}{{18,}}",
    rf"sk-(?:lf-{_UUID}|{_WORD}{{32,}})|(?:hf_|api_org_){_WORD}{{34,}}|lsv2_[a-z]{{2}}_{_WORD}{{30,}}",
    rf"(?:gsk_|r8_|pplx-|rnd_|hbp_){_WORD}{{30,}}|sk_{_HEX}{{48,}}|sk\.eyJ{_URL}{{8,}}|fw_{_WORD}{{24,}}",
    rf"(?:napi|pcsk|jina)_\w{{40,}}|xai-{_WORD}{{40,}}|nvapi-{_URL}{{40,}}|tvly-{_URL}{{30,}}",
)
TOKEN = re.compile(rf"(?<![0-9A-Za-z])(?:{'|'.join(_PATTERNS)})", re.ASCII)
"""A token of a vendor, not in the middle of a word."""
