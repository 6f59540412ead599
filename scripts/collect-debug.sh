#!/bin/sh
# Collects what is needed to find out why the component on this gateway does not do what it should. See usage below.
set -eu

usage() {
  cat <<'END'
usage: collect-debug.sh [--root DIRECTORY] [--name NAME] [--lines COUNT] >debug.txt

Prints versions, the component's state and configuration, what it is doing ("shadowgpio status") and what is wrong ("shadowgpio doctor"),
who may use the GPIO chips and who holds their lines, clock, disk, and the end of the logs. Changes nothing. Best run as root; what cannot be read is named and left out. Tokens, keys and passwords are replaced by
[redacted]; have a look at it all the same before you show it to others.

  --root DIRECTORY  of the nucleus, default /greengrass/v2
  --name NAME       of the component, default io.shadowgpio.ShadowGpio
  --lines COUNT     of each log, default 200
END
}

wrong_usage() {
  echo "collect-debug.sh: $*; --help tells more" >&2
  exit 2
}

root=/greengrass/v2
name=io.shadowgpio.ShadowGpio
lines=200
while [ $# -gt 0 ]; do
  case $1 in
    --root | --name | --lines)
      [ -n "${2-}" ] || wrong_usage "$1: want a value"
      case $1 in
        --root) root=$2 ;;
        --name) name=$2 ;;
        --lines)
          case $2 in *[!0-9]*) wrong_usage "--lines: want a number, got '$2'" ;; esac
          lines=$2
          ;;
      esac
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

work=$root/work/$name
export SHADOWGPIO_CONTROL="$work/control.socket" # of the component that is meant

# show TITLE COMMAND...: a command that fails or is missing is part of the answer.
show() {
  printf '\n== %s\n' "$1"
  shift
  if command -v "$1" >/dev/null; then
    "$@" 2>&1 || echo "($1: exit status $?)"
  else
    echo "($1 is not here)"
  fi
}

# The component's processes: of the artifacts' program.
processes() {
  for exe in /proc/[0-9]*/exe; do
    case $(readlink "$exe" 2>/dev/null) in
      */packages/artifacts/"$name"/*)
        pid=${exe#/proc/}
        echo "${pid%/exe}"
        ;;
    esac
  done
}

# The secrets that those processes were given, one a line, to be hidden wherever they appear.
secrets() {
  for pid in $(processes); do
    tr '\0' '\n' 2>/dev/null <"/proc/$pid/environ" | sed -nE 's/^(SVCUID|AWS_CONTAINER_AUTHORIZATION_TOKEN)=(.+)$/\2/p'
  done | sort -u
}

# The secrets go by the environment, since everybody can see arguments.
redact() {
  SECRETS=$(secrets) awk '
    BEGIN { count = split(ENVIRON["SECRETS"], secret, "\n") }
    /-----BEGIN [A-Z ]*PRIVATE KEY-----/ { hidden = 1; print "[redacted]" }
    /-----END [A-Z ]*PRIVATE KEY-----/ { hidden = 0; next }
    hidden { next }
    {
      for (i = 1; i <= count; i++)
        while (length(secret[i]) > 7 && (at = index($0, secret[i])))
          $0 = substr($0, 1, at - 1) "[redacted]" substr($0, at + length(secret[i]))
      print
    }' | sed -E \
    -e 's/((svcuid|authorization|[a-z_]*(token|password|secret|access_?key)[a-z_]*)"?[[:space:]]*[=:][[:space:]]*)("[^"]*"|(bearer |basic )?[^",;}[:space:]]+)/\1[redacted]/gI' \
    -e 's/(AKIA|ASIA)[A-Z0-9]{16}/[redacted]/g'
}

newest_program() {
  # shellcheck disable=SC2012 # the names are versions
  ls -t "$root/packages/artifacts/$name"/*/shadowgpio-linux-* 2>/dev/null | head -n 1
}

logs() {
  for log in "$name" greengrass; do
    show "the end of $log.log" tail -n "$lines" "$root/logs/$log.log"
  done
}

collect() {
  echo "collected $(date -u +%Y-%m-%dT%H:%M:%SZ) by $(id -un) on $(uname -srm)"
  show "system" cat /etc/os-release
  show "clock" timedatectl
  show "disk" df -h "$root" /
  show "nucleus" ls -l "$root/alts/current/distro/lib"
  show "components" "$root/bin/greengrass-cli" component list
  show "component" "$root/bin/greengrass-cli" component details --name "$name"
  show "work directory" ls -la "$work"
  show "the last good configuration" cat "$work/configuration.json"
  for pid in $(processes); do
    show "process $pid" grep -E '^(Name|State|Uid|Gid|Groups|VmRSS|Threads)' "/proc/$pid/status"
    show "files of process $pid" ls -l "/proc/$pid/fd"
  done
  show "users" getent passwd ggc_user gg_component
  show "group gpio" getent group gpio
  show "udev rules" grep -rn gpio /etc/udev/rules.d /usr/lib/udev/rules.d
  show "GPIO chips" find /dev -maxdepth 1 -name 'gpiochip*' -exec ls -l '{}' +
  program=$(newest_program)
  if [ -n "$program" ]; then
    show "version" "$program" version
    show "status" "$program" status --journal 50
    show "lines" "$program" lines
    show "doctor" "$program" doctor --root "$root" --dir "$work"
  fi
  logs
}

collect | redact
