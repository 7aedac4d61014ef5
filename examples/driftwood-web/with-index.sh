#!/bin/sh
# Runs a command of the build with access to the package index: with-index.sh pip wheel ...
# Build secrets, each used if it is there and not empty; what is made of them stays in /tmp, a tmpfs of the one step:
#   ca         certificates (PEM) of authorities to trust besides those that pip trusts anyway; verification is never off
#   pip_token  TOKEN or USER:PASSWORD for the index of PIP_INDEX_URL; without that URL it is sent to nobody
set -eu
umask 077

if [ -s /run/secrets/ca ]; then
    cat "$(python -c 'from pip._vendor import certifi; print(certifi.where())')" /run/secrets/ca >/tmp/ca.pem
    export PIP_CERT=/tmp/ca.pem
fi

if [ -s /run/secrets/pip_token ] && [ -n "${PIP_INDEX_URL:-}" ]; then
    host=${PIP_INDEX_URL#*://} host=${host%%/*} host=${host##*@} host=${host%%:*}
    token=$(cat /run/secrets/pip_token)
    case $token in
    *:*) login=${token%%:*} token=${token#*:} ;;
    *) login=__token__ ;;
    esac
    printf 'machine %s login %s password %s\n' "$host" "$login" "$token" >/tmp/netrc
    export NETRC=/tmp/netrc
fi

umask 022
exec "$@"
