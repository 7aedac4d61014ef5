#!/usr/bin/env bash
# up.sh STACK: `pulumi up` without a question, judged by the policy pack, as every `up` outside of a trial should be; then
# the pack judges the state as a whole.
set -euo pipefail
stack=${1-}
. "$(dirname "${BASH_SOURCE[0]}")/prepare.sh"

pack=(--policy-pack policies)
if [ -f "stacks/policy.${stack##*/}.json" ]; then
  pack+=(--policy-pack-config "stacks/policy.${stack##*/}.json")
fi
pulumi up --yes --non-interactive --stack "$stack" "${pack[@]}"
pulumi policy analyze --stack "$stack" "${pack[@]}"
