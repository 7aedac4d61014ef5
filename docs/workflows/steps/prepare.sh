# Tools on PATH and the environment of Pulumi; the other steps read it with `.`, after they have set `stack`.
#
# What the job says of Pulumi's backend and passphrase counts. Where it names no backend, the embedded one is used, with
# the embedded registries and builder: a trial on one machine.
# shellcheck shell=bash
cd "$(dirname "${BASH_SOURCE[0]}")/../../.." || exit
[[ ${stack:-} =~ ^[A-Za-z0-9_./-]+$ ]] || { echo "error: write the name of a stack, not '${stack:-}'" >&2; exit 2; }

told=()
for name in PULUMI_BACKEND_URL PULUMI_CONFIG_PASSPHRASE PULUMI_CONFIG_PASSPHRASE_FILE PULUMI_HOME BUILDX_CONFIG; do
  [ -z "${!name-}" ] || told+=("$name=${!name}")
done
own_backend=${PULUMI_BACKEND_URL:+yes}
if [ -z "$own_backend" ] && [ -n "${CI:-}" ] && [ -z "${SLIPWAY_TRIAL:-}" ]; then
  echo 'error: PULUMI_BACKEND_URL is not set for this job: set it for its environment (SLIPWAY_TRIAL=yes: embedded)' >&2
  exit 2
fi
prepared=$(python3 -m toolchain env)
eval "$prepared"
[ ${#told[@]} -eq 0 ] || export "${told[@]}"
[ -n "$own_backend" ] || python3 -m toolchain services --stack "$stack"
# shellcheck disable=SC2034 # read by those that read this file
reports=.slipway/reports/${stack##*/}
