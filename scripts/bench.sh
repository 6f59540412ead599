#!/usr/bin/env bash
# Measures the main job on this machine and prints the figures side by side. Arguments go to the program; -h lists
# them. Quiet the machine first: what stands in one run can be compared, figures of two runs cannot.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=$(scripts/python.sh)
export SHADOWGPIO_PYTHON=$python
program=$(mktemp)
trap 'rm -f "$program"' EXIT
go build -o "$program" ./component/internal/bench
"$program" "$@"
