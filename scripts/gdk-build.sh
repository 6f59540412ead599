#!/usr/bin/env bash
# What "gdk component build" runs. See usage below.
set -euo pipefail

usage() {
  cat <<'END'
usage: gdk-build.sh [--lite]

Makes greengrass-build/ as gdk wants it of a custom build: recipes/recipe.yaml with name, version and author of gdk-config.json filled in,
and the binaries of all architectures in artifacts/NAME/VERSION/. gdk runs it ("gdk component build"); it works without gdk too, and
needs no network once Go has the modules. With --lite it takes recipes/recipe-lite.yaml, for nucleus lite.
END
}

recipe=recipes/recipe.yaml
case ${1-} in
  '') ;;
  --lite) recipe=recipes/recipe-lite.yaml ;;
  -h | --help)
    usage
    exit 0
    ;;
  *)
    echo "gdk-build.sh: unexpected argument '$1'; --help tells more" >&2
    exit 2
    ;;
esac

cd "$(dirname "${BASH_SOURCE[0]}")/.."
name=$(scripts/project.sh name)
version=$(scripts/project.sh version)
author=$(scripts/project.sh author)
artifacts=greengrass-build/artifacts/$name/$version

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
scripts/build.sh --out "$work"

# gdk has made the directory anew; without it, what an earlier version left must not be deployed.
rm -rf greengrass-build/artifacts greengrass-build/recipes
mkdir -p "$artifacts" greengrass-build/recipes
for binary in "$work"/shadowgpio-linux-*; do
  case $binary in
    *.json) ;; # goes with a release, not to a device
    *) install -m 0755 "$binary" "$artifacts/" ;;
  esac
done
sed -e "s/COMPONENT_NAME/$name/g; s/COMPONENT_VERSION/$version/g; s/COMPONENT_AUTHOR/$author/g" \
  "$recipe" >greengrass-build/recipes/recipe.yaml
echo "$name $version is in greengrass-build/"
