#!/usr/bin/env bash
# Prints the path of a Python that has gdk, the Greengrass Development Kit, in the version that gdk-config.json asks for: the
# one that SHADOWGPIO_GDK names, or the usual python3, if they have it, else a virtual environment in the cache, which it makes
# first where there is none. gdk is in no package registry (the package "gdk" there is another program), so that needs its
# public repository; without it, this fails.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
version=$(sed -n 's/^ *"gdk_version": *"\([^"]*\)".*/\1/p' gdk-config.json)
repository=https://github.com/aws-greengrass/aws-greengrass-gdk-cli.git

has_gdk() {
  [ "$("$1" -c 'import gdk._version as v; print(v.__version__)' 2>/dev/null)" = "$version" ]
}

for python in ${SHADOWGPIO_GDK:+"$SHADOWGPIO_GDK"} python3; do
  if has_gdk "$python"; then
    type -P "$python"
    exit 0
  fi
done

cache=${SHADOWGPIO_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/shadowgpio}/gdk
venv=$cache/$version
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
if ! has_gdk "$venv/bin/python"; then
  if ! GIT_TERMINAL_PROMPT=0 timeout 20 git ls-remote --exit-code "$repository" "refs/tags/v$version" >/dev/null 2>&1; then
    echo "gdk.sh: gdk $version is not installed, and $repository is out of reach; SHADOWGPIO_GDK may name a Python that has it" >&2
    exit 1
  fi
  python3 -c 'import ensurepip, venv' 2>/dev/null || scripts/packages.sh python3 python3-venv
  echo "installing gdk $version" >&2
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input "git+$repository@v$version" >&2
fi
echo "$venv/bin/python"
