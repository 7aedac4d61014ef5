#!/usr/bin/env bash
# preview.sh STACK: what `up` would ship, into .slipway/reports/STACK, and onto the page of the run where there is one.
# Ends with Pulumi's own exit code; the report is written whatever it is.
set -euo pipefail
stack=${1-}
. "$(dirname "${BASH_SOURCE[0]}")/prepare.sh"

code=0
bin/slipway preview "$stack" || code=$?
if [ -f "$reports/preview.json" ]; then
  [ -z "${GITHUB_STEP_SUMMARY:-}" ] || cat "$reports/preview.md" >>"$GITHUB_STEP_SUMMARY"
  ships=$(python3 -c 'import json, sys; print(str(json.load(open(sys.argv[1]))["would_ship"]).lower())' \
    "$reports/preview.json")
  echo "would ship: $ships"
  [ -z "${GITHUB_OUTPUT:-}" ] || echo "would_ship=$ships" >>"$GITHUB_OUTPUT"
fi
exit "$code"
