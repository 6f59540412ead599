#!/usr/bin/env bash
# Deploys the built component on the gateway it runs on. See usage below.
set -euo pipefail

usage() {
  cat <<'END'
usage: local-deploy.sh [--build DIRECTORY] [--root DIRECTORY] [--user USER:GROUP] [--config FILE] [--dry-run]

Makes a local deployment of what gdk-build.sh or "gdk component build" has built, with greengrass-cli, and waits for its end. A
component of the same version that is there already is restarted afterwards, since a nucleus goes on with the old program otherwise.
Needs the component aws.greengrass.Cli on the gateway, and root. It does not touch what other components are deployed.

  --build DIRECTORY  what was built, default greengrass-build/ of the project; copy it to the gateway with this script
  --root DIRECTORY   of the nucleus, default /greengrass/v2
  --user USER:GROUP  that the component runs as, default ggc_user:gpio (setup-gateway.sh makes the group)
  --config FILE      configuration to merge or reset, as recipes/local/1-lights.json
  --dry-run          print the commands, run none

Environment: SHADOWGPIO_DEPLOY_SECONDS is how long the end is waited for, default 300.
END
}

die() {
  echo "local-deploy.sh: $*" >&2
  exit 1
}

wrong_usage() {
  echo "local-deploy.sh: $*; --help tells more" >&2
  exit 2
}

build=$(dirname "${BASH_SOURCE[0]}")/../greengrass-build
root=/greengrass/v2
user=ggc_user:gpio
config=
dry=
while [ $# -gt 0 ]; do
  case $1 in
    --build | --root | --user | --config)
      [ -n "${2-}" ] || wrong_usage "$1: want a value"
      printf -v "${1#--}" %s "$2"
      shift
      ;;
    --dry-run) dry=1 ;;
    -h | --help)
      usage
      exit 0
      ;;
    *) wrong_usage "unexpected argument '$1'" ;;
  esac
  shift
done
wait=${SHADOWGPIO_DEPLOY_SECONDS:-300}

recipe=$build/recipes/recipe.yaml
[ -r "$recipe" ] || die "want $recipe, which scripts/gdk-build.sh makes, got no such file"
[ -z "$config" ] || [ -r "$config" ] || die "--config: want a file, got '$config'"
member() { sed -n "s/^$1: *\"\{0,1\}\([^\"]*\)\"\{0,1\}\$/\1/p" "$recipe"; }
name=$(member ComponentName)
version=$(member ComponentVersion)
[ -d "$build/artifacts/$name/$version" ] || die "want the artifacts of $name $version in $build/artifacts, got no such directory"

cli=$root/bin/greengrass-cli
if [ -z "$dry" ]; then
  [ -x "$cli" ] || die "want $cli, which the component aws.greengrass.Cli brings, got no such program"
fi

# run prints a command, and runs it unless told not to.
run() {
  printf '+'
  printf ' %q' "$@"
  echo
  [ -n "$dry" ] || "$@"
}

# A directory of its own: every file that looks like one is taken for a recipe, and gdk leaves others beside ours.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
mkdir "$work/recipes"
cp "$recipe" "$work/recipes/$name-$version.yaml"
cp -R "$build/artifacts" "$work/artifacts"

restart=
if [ -z "$dry" ] && "$cli" component details --name "$name" 2>/dev/null | grep -qxF "    Version: $version"; then
  restart=1
fi
create=("$cli" deployment create --recipeDir "$work/recipes" --artifactDir "$work/artifacts"
  --merge "$name=$version" --runWith "$name:posixUser=$user")
[ -z "$config" ] || create+=(--update-config "$(cat "$config")")
run "${create[@]}" | tee "$work/created"
[ -z "$dry" ] || exit 0

id=$(sed -n 's/.*Deployment Id: *//p' "$work/created")
[ -n "$id" ] || die "greengrass-cli told no deployment id"
until=$((SECONDS + wait))
while status=$("$cli" deployment status --deploymentId "$id"); do
  case $status in
    *SUCCEEDED*) break ;;
    *FAILED* | *CANCELED* | *REJECTED*)
      echo "$status"
      die "the deployment has failed; $root/logs/greengrass.log and $root/logs/$name.log tell more"
      ;;
  esac
  [ "$SECONDS" -lt "$until" ] || die "the deployment has not ended within $wait s: $status"
  sleep 1
done
[ -n "${status-}" ] || die "greengrass-cli told no status of deployment $id"
echo "$status"
[ -z "$restart" ] || run "$cli" component restart --names "$name"
"$cli" component details --name "$name"
