"""The pack is at least as strict as the component, so that no stack passes the pack which the component refuses."""

from __future__ import annotations

import string

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from components.secret import command_shows_credential, holds_secret, looks_secret
from detection.values import find_in_value
from tests.policy.corpus.entries import HALVES, Half, load

OVERCAUTIOUS = {
    "attribute-of-a-secret": "KAFKA_SSL_KEY_CREDENTIALS=key_creds.txt: it takes no file in the working folder",
    "reference": "DB_PASSWORD=$TIER-password may be a password as it is: nothing expands a container's environment",
    "look-alike-name": "SEASON_PASS=summer may be a ticket, or a password",
    "plain-label": "the component reads no labels",
    "build-setting": "NPM_TOKEN_SECRET_ID=npm is the id of a secret",
}
"""The component's false alarms, by the corpus's families of harmless entries, and why the pack has none of them."""
MOST_FALSE_ALARMS = 0.01
"""Of the component among settings: what it takes for a secret is refused."""
ENDINGS = (
    *("password", "passwd", "passphrase", "pass", "secret", "token", "api_key", "apikey", "access_key", "private_key"),
    *("jwt_key", "ssh_key", "encryption_key", "signing_key", "master_key", "session_key", "credential", "credentials"),
    *("_pwd", "_pw", "_pat", "_psk", "_creds", "_mnemonic", "_pepper", "_pswd", "passwort", "kennwort", "contrasena"),
    *("hmac_key", "fernet_key", "unseal_key", "admin_key", "deploy_key", "privkey", "seed_phrase", "recovery_phrase"),
)
OPAQUE = string.ascii_letters + string.digits + "!#%*+,;?@^_~-"


@pytest.mark.parametrize("half", HALVES)
def test_what_the_component_refuses_the_pack_refuses_or_documents(half: Half) -> None:
    for entry in load(half):
        if entry.kind in ("command", "argument") or not looks_secret(entry.name, entry.text):
            continue
        if find_in_value(entry.name, entry.text) is None:
            assert entry.label == "harmless", entry
            assert entry.family in OVERCAUTIOUS, entry


@pytest.mark.parametrize("half", HALVES)
def test_the_component_hardly_refuses_what_is_harmless(half: Half) -> None:
    settings = [it for it in load(half) if it.kind in ("environment", "build-argument") and it.label == "harmless"]
    refused = [entry for entry in settings if looks_secret(entry.name, entry.text)]
    assert len(refused) <= MOST_FALSE_ALARMS * len(settings), "\n".join(map(str, refused))


@pytest.mark.parametrize("half", HALVES)
def test_no_harmless_command_of_the_corpus_shows_a_credential(half: Half) -> None:
    commands = [it for it in load(half) if it.kind in ("command", "argument") and it.label == "harmless"]
    shown = [it for it in commands if command_shows_credential([it.value] if isinstance(it.value, str) else it.value)]
    assert len(shown) <= MOST_FALSE_ALARMS * len(commands), "\n".join(map(str, shown))


@given(
    st.sampled_from(["", "DB_", "app-", "SMTP_", "my."]),
    st.sampled_from(ENDINGS),
    st.sampled_from(["", "1", "_prod", "_2"]),
    st.text(OPAQUE, min_size=6, max_size=40),
)
def test_a_secret_by_its_name_for_the_component_is_one_for_the_pack(
    prefix: str, noun: str, suffix: str, value: str
) -> None:
    name = f"{prefix}{noun}{suffix}"
    value = f"k{value}7q"  # neither a mask nor a number nor a word for nothing
    for spelled in (name, name.upper()):
        assert looks_secret(spelled, value)
        assert find_in_value(spelled, value)


WORD = st.text(string.ascii_letters + string.digits + "-_", min_size=1, max_size=12)
TOKEN = st.text(string.ascii_letters + string.digits, min_size=36, max_size=60)
LOOKS = st.one_of(
    st.builds("-----BEGIN {}PRIVATE KEY-----".format, st.sampled_from(["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "])),
    st.builds(
        "{}{}".format, st.sampled_from(["AKIA", "ASIA"]), st.text(string.ascii_uppercase, min_size=16, max_size=20)
    ),
    st.builds("gh{}_{}".format, st.sampled_from("pousr"), TOKEN),
    st.builds("github_pat_{}".format, TOKEN),
    st.builds("glpat-{}".format, TOKEN),
    st.builds("xox{}-{}".format, st.sampled_from("abprs"), TOKEN),
    st.builds("sk{0}{1}{0}{2}".format, st.sampled_from("-_"), st.sampled_from(["live", "test", "ant", "proj"]), TOKEN),
    st.builds("eyJ{}.eyJ{}.".format, TOKEN, TOKEN),
    st.builds(
        "{}{}".format,
        st.sampled_from(
            [
                "AIza",
                "GOCSPX-",
                "ya29.",
                "hvs.",
                "npm_",
                "pypi-Ag",
                "dckr_pat_",
                "hf_",
                "whsec_",
                "glsa_",
                "xapp-",
                "glrt-",
                "secret_",
                "ntn_",
                "lin_api_",
                "gsk_",
                "rk_live_",
                "AVNS_",
                "fw_",
                "rzp_live_",
                "nvapi-",
                "tvly-",
                "CFPAT-",
                "HRKU-",
                "sk.eyJ",
                "sb_secret_",
                "tskey-auth-",
            ]
        ),
        TOKEN.map(lambda it: it * 2),
    ),
    st.builds(
        "{}{}".format,
        st.sampled_from(
            ["dop_v1_", "pul-", "sqp_", "shpat_", "rubygems_", "sntryu_", "bkua_", "dapi", "sgp_", "mlsn."]
        ),
        st.text("0123456789abcdef", min_size=64, max_size=64),
    ),
    st.builds(
        "{}://{}:{}@{}".format, st.sampled_from(["http", "postgres", "a+b.c-d", "X"]), WORD | st.just(""), WORD, WORD
    ),
    st.builds(
        "{}={}".format,
        st.sampled_from(["password", "Passwd", "PWD", "secret", "token", "apikey", "api_key"]),
        st.builds("k{}7q".format, WORD),
    ),
)


@settings(max_examples=500)
@given(
    st.sampled_from(["", "x ", "a;", "?b=c&", "say, ", "\n"]), LOOKS, st.sampled_from(["", " y", "&z=1", "; end", "\n"])
)
def test_a_secret_by_its_look_for_the_component_is_one_for_the_pack(before: str, look: str, after: str) -> None:
    text = f"{before}{look}{after}"
    assume(not any(8 * mask in text for mask in "xX"))  # a mask stands for a secret that somebody took out
    assert holds_secret(text)
    assert find_in_value("PLAIN", text)
