#!/usr/bin/env bash
# promote.sh STACK APPROVED: `up.sh`, if what would ship is still what was approved: the preview.json that somebody saw.
# Meanwhile the other stack may have moved on; then nothing is changed, even if it does so between this preview and `up`.
set -euo pipefail
stack=${1-}
approved=$(realpath -- "${2:?write the path of the preview.json that was approved}")
. "$(dirname "${BASH_SOURCE[0]}")/prepare.sh"

bin/slipway preview "$stack"
SLIPWAY_APPROVED=$(python3 docs/workflows/steps/same.py "$approved" "$reports/preview.json")
export SLIPWAY_APPROVED
exec docs/workflows/steps/up.sh "$stack"
