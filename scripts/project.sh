#!/bin/sh
# Prints what gdk-config.json, the one place for it, says of the component.
set -eu

usage() {
  echo "usage: project.sh name | version | author"
}

# value KEY: the text of a member, which stands on a line of its own.
value() {
  sed -n "s/^ *\"$1\": *\"\([^\"]*\)\",\{0,1\}\$/\1/p" "$config"
}

# want WHAT PATTERN TEXT: prints the text if it is one line of that form.
want() {
  if ! printf '%s\n' "$3" | grep -qxE -- "$2" || [ "$(printf '%s\n' "$3" | wc -l)" -ne 1 ]; then
    echo "project.sh: $config: $1: want $2, got '$3'" >&2
    exit 1
  fi
  printf '%s\n' "$3"
}

config=$(dirname "$0")/../gdk-config.json
case ${1-} in
  name) want "name of the component" '[A-Za-z0-9._-]{1,128}' "$(sed -n '/^ *"component": *{ *$/{n;s/^ *"\([^"]*\)": *{ *$/\1/p;}' "$config")" ;;
  version) want version '[0-9]+[.][0-9]+[.][0-9]+(-[0-9A-Za-z.-]+)?' "$(value version)" ;;
  author) want author '[A-Za-z0-9 ._-]+' "$(value author)" ;;
  -h | --help) usage ;;
  *)
    usage >&2
    exit 2
    ;;
esac
