#!/usr/bin/env bash
# Prints the class path of AWS's official client for Java (java/pom.xml), which it fills first where there is none: a
# directory in the cache, named by everything that decides what is inside.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")"
packages=()
command -v javac >/dev/null || packages+=(default-jdk-headless)
command -v mvn >/dev/null || packages+=(maven)
./packages.sh "${packages[@]}"

cache=${SHADOWGPIO_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/shadowgpio}/java
key=$(sha256sum <java/pom.xml | cut -c1-16)
libraries=$cache/$key

mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
if [ ! -e "$libraries/complete" ]; then # the marker tells that it is whole
  echo "installing AWS's client for Java" >&2
  rm -rf "$libraries"
  mvn --batch-mode --quiet -Dstyle.color=never --file java/pom.xml dependency:copy-dependencies \
    -DincludeScope=runtime -DoutputDirectory="$libraries" >&2
  touch "$libraries/complete"
fi
echo "$libraries/*"
