#!/usr/bin/env bash
# Measures the main job on this machine and prints the figures side by side. Arguments go to the program; -h lists
# them. Quiet the machine first: what stands in one run can be compared, figures of two runs cannot.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
SHADOWGPIO_PYTHON=$(scripts/python.sh)
SHADOWGPIO_NODE=$(scripts/node.sh)
SHADOWGPIO_JAVA=$(scripts/java.sh)
export SHADOWGPIO_PYTHON SHADOWGPIO_NODE SHADOWGPIO_JAVA
programs=$(mktemp -d)
trap 'rm -rf "$programs"' EXIT
go build -o "$programs/" ./component/internal/tools/bench ./component/cmd/shadowctl
SHADOWGPIO_SHADOWCTL=$programs/shadowctl
export SHADOWGPIO_SHADOWCTL
"$programs/bench" "$@"
