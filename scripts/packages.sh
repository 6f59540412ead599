#!/usr/bin/env bash
# Installs the Debian packages named as arguments that are not there yet; does nothing, quickly, when all are.
set -euo pipefail

missing=()
for package in "$@"; do
  state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$state" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if ! command -v apt-get >/dev/null; then
  echo "packages.sh: needed: ${missing[*]} (Debian's names; there is no apt-get here to install them)" >&2
  exit 1
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "packages.sh: needed: ${missing[*]}; run 'apt-get install ${missing[*]}' as root" >&2
    exit 1
  fi
  as_root=(sudo)
fi

echo "installing ${missing[*]}" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# The lists first: on a fresh machine there are none, on an old one they name versions that are gone. An update that
# fails (another one is running, a source is away) is not the end: the install decides.
"${as_root[@]}" apt-get update >"$log" 2>&1 || true
if ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
  -o DPkg::Lock::Timeout=300 "${missing[@]}" >>"$log" 2>&1 </dev/null; then
  tail -n 30 "$log" >&2
  echo "packages.sh: could not install ${missing[*]}" >&2
  exit 1
fi
