#!/bin/sh
# Lets a user without privileges use the GPIO chips of this gateway. See usage below.
set -eu

usage() {
  cat <<'END'
usage: setup-gateway.sh [--user USER] [--group GROUP] [--dry-run]

Run once on a gateway, as root: makes the group, has udev give it the GPIO chips (artifacts/udev/60-shadowgpio.rules), and makes the
component's user a member. What is so already is left as it is. Restart the component afterwards, not the nucleus.

  --user USER    that the component runs as, default ggc_user
  --group GROUP  default gpio, which Raspberry Pi OS has already
  --dry-run      print what would be done, do nothing; needs no root
END
}

say() { echo "setup-gateway.sh: $*"; }
die() {
  say "$*" >&2
  exit 1
}
wrong_usage() {
  say "$*; --help tells more" >&2
  exit 2
}

user=ggc_user
group=gpio
dry=
while [ $# -gt 0 ]; do
  case $1 in
    --user | --group)
      [ -n "${2-}" ] || wrong_usage "$1: want a name"
      case $2 in *[!A-Za-z0-9_.-]* | -*) wrong_usage "$1: want a name of letters, digits and _.-, got '$2'" ;; esac
      if [ "$1" = --user ]; then user=$2; else group=$2; fi
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

source=$(dirname "$0")/../artifacts/udev/60-shadowgpio.rules
rule=/etc/udev/rules.d/60-shadowgpio.rules
[ -r "$source" ] || die "want $source beside the scripts, got no such file"
[ -n "$dry" ] || [ "$(id -u)" -eq 0 ] || die "want root; --dry-run tells what it would do"
id -u "$user" >/dev/null 2>&1 || die "want a user $user, got none; the nucleus's installer makes ggc_user, --user names another"

# do_it prints a command, and runs it unless told not to.
changed=
do_it() {
  changed=1
  echo "+ $*"
  [ -n "$dry" ] || "$@"
}

write_rule() { rule_text >"$rule"; }
rule_text() { sed "s/GROUP=\"gpio\"/GROUP=\"$group\"/" "$source"; }

getent group "$group" >/dev/null || do_it groupadd --system "$group"
if ! id -nG "$user" | tr ' ' '\n' | grep -qx "$group"; then
  do_it usermod --append --groups "$group" "$user"
fi
if [ "$(rule_text)" != "$(cat "$rule" 2>/dev/null)" ]; then
  changed=1
  echo "+ write $rule:"
  rule_text | sed 's/^/    /'
  if [ -z "$dry" ]; then
    mkdir -p "$(dirname "$rule")"
    write_rule
  fi
  if command -v udevadm >/dev/null; then
    do_it udevadm control --reload
    do_it udevadm trigger --subsystem-match=gpio
  else
    say "there is no udevadm here: give the group $group the chips by other means, or start again" >&2
  fi
fi
if [ -n "$changed" ]; then
  say "${dry:+nothing was done; }restart the component for it to take effect"
else
  say "all is so already: $user is in $group, which has the GPIO chips"
fi
