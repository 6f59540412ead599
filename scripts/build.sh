#!/usr/bin/env bash
# Builds the edge binary for every architecture of the recipe. See usage below.
set -euo pipefail

usage() {
  cat <<'END'
usage: build.sh [--out DIRECTORY] [--arch NAME]...

Builds shadowgpio-linux-NAME for each architecture, amd64, arm64 and arm (ARMv6 and newer), or those that are named, with SHA256SUMS and a
bill of materials each (CycloneDX, shadowgpio-linux-NAME.cdx.json). The version is that of gdk-config.json. The same tree and the
same Go give the same bytes, wherever the tree is. Prints the sizes; a binary above 8 MB is an error.

  --out DIRECTORY  where to, default dist/ of the project; what is there of an earlier build is replaced
  --arch NAME      only this one; may be repeated
END
}

limit=8000000 # bytes
architectures=(amd64 arm64 arm)

die() {
  echo "build.sh: $*" >&2
  exit 1
}

wrong_usage() {
  echo "build.sh: $*; --help tells more" >&2
  exit 2
}

cd "$(dirname "${BASH_SOURCE[0]}")/.."
out=$PWD/dist
chosen=()
while [ $# -gt 0 ]; do
  case $1 in
    --out)
      [ -n "${2-}" ] || wrong_usage "--out: want a directory"
      out=$2
      shift
      ;;
    --arch)
      [[ " ${architectures[*]} " == *" ${2-} "* ]] || wrong_usage "--arch: want one of ${architectures[*]}, got '${2-}'"
      chosen+=("$2")
      shift
      ;;
    -h | --help)
      usage
      exit 0
      ;;
    *) wrong_usage "unexpected argument '$1'" ;;
  esac
  shift
done
[ ${#chosen[@]} -gt 0 ] || chosen=("${architectures[@]}")

version=$(scripts/project.sh version)
mkdir -p "$out"
rm -f "$out"/shadowgpio-linux-* "$out/SHA256SUMS"

# build ARCHITECTURE: what may come from the environment and changes the bytes is set here.
build() {
  env -u GOEXPERIMENT -u GOFIPS140 GOFLAGS=-mod=readonly CGO_ENABLED=0 GOOS=linux GOARCH="$1" GOAMD64=v1 GOARM64=v8.0 GOARM=6 \
    go build -trimpath -buildvcs=false \
    -ldflags "-s -w -buildid= -X github.com/shadowgpio/shadowgpio/component/internal/gateway/cli.Version=$version" \
    -o "$out/shadowgpio-linux-$1" ./component/cmd/shadowgpio
}

bill=$(mktemp)
trap 'rm -f "$bill"' EXIT
env -u GOOS -u GOARCH GOFLAGS=-mod=readonly go build -buildvcs=false -o "$bill" ./scripts/sbom
large=()
for architecture in "${chosen[@]}"; do
  file=shadowgpio-linux-$architecture
  build "$architecture"
  "$bill" "$out/$file" "$version" >"$out/$file.cdx.json"
  size=$(stat -c %s "$out/$file")
  printf '%-24s %9d bytes\n' "$file" "$size"
  [ "$size" -le "$limit" ] || large+=("$file")
done
(cd "$out" && sha256sum -- shadowgpio-linux-* >SHA256SUMS)
[ ${#large[@]} -eq 0 ] || die "larger than $limit bytes: ${large[*]}"
