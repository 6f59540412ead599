#!/usr/bin/env bash
# Prints the path of a Python that has AWS's official clients (python-requirements.txt), which it makes first where
# there is none: a virtual environment in the cache, named by everything that decides what is inside.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")"
python3 -c 'import ensurepip, venv' 2>/dev/null || ./packages.sh python3 python3-venv

cache=${SHADOWGPIO_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/shadowgpio}/python
key=$( (cat python-requirements.txt && python3 -c 'import sys; print(sys.version, sys.base_prefix)') |
  sha256sum | cut -c1-16)
venv=$cache/$key

mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
if [ ! -e "$venv/complete" ]; then # the marker tells that it is whole
  echo "installing $(grep -v '^#' python-requirements.txt | paste -sd ' ')" >&2
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input -r python-requirements.txt >&2
  touch "$venv/complete"
fi
echo "$venv/bin/python"
