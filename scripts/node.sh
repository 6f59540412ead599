#!/usr/bin/env bash
# Prints the path of a directory whose node_modules has AWS's official client (node/package.json), which it makes
# first where there is none: in the cache, named by everything that decides what is inside.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")"
packages=()
command -v node >/dev/null || packages+=(nodejs)
command -v npm >/dev/null || packages+=(npm)
./packages.sh "${packages[@]}"

cache=${SHADOWGPIO_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/shadowgpio}/node
key=$(cat node/package.json node/package-lock.json | sha256sum | cut -c1-16)
modules=$cache/$key

mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
if [ ! -e "$modules/complete" ]; then # the marker tells that it is whole
  echo "installing $(sed -n 's/.*"\(aws-[^"]*\)": "\(.*\)".*/\1 \2/p' node/package.json) for Node" >&2
  rm -rf "$modules"
  mkdir "$modules"
  cp node/package.json node/package-lock.json "$modules"
  # No package's own scripts: the native library is inside the package.
  npm ci --prefix "$modules" --ignore-scripts --no-audit --no-fund --loglevel=error >&2
  touch "$modules/complete"
fi
echo "$modules"
