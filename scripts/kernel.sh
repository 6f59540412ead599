#!/usr/bin/env bash
# Runs a program, usually a Go test binary, against a real Linux kernel with simulated GPIO chips (gpio-sim): the
# host's own kernel where it has them, else a User Mode Linux kernel, which is an ordinary process that needs no
# privileges. See usage below; kernel/ holds the recipe.
set -euo pipefail

usage() {
  cat <<'END'
usage: kernel.sh build                                        build the kernel, unless it is in the cache
       kernel.sh run [--timeout SECONDS] -- PROGRAM [ARG...]  run PROGRAM against gpio-sim, build first if needed
       kernel.sh path                                         print where the kernel is, or will be, in the cache
       kernel.sh mode                                         print what run will use: host or uml

PROGRAM runs as root in the current directory, with the host's files at their usual paths, a /tmp and a /run of its
own (what it was started from stays visible there), PATH, HOME, the SHADOWGPIO_* variables, TMPDIR=/tmp and
SHADOWGPIO_KERNEL=require. Its output comes on standard output; its exit status is ours. 124: it ran longer than
--timeout (default 600). 125: it could not be run, or the kernel ended before it did.

SHADOWGPIO_KERNEL_MODE  auto (default): the host's kernel if it has gpio-sim, else User Mode Linux; host; uml
SHADOWGPIO_CACHE        where the kernel is kept, default ${XDG_CACHE_HOME:-~/.cache}/shadowgpio
END
}

say() { echo "kernel.sh: $*" >&2; }
die() {
  say "$*"
  exit 125
}

scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
recipe=$scripts/kernel
cache=${SHADOWGPIO_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/shadowgpio}/kernel
source_package=linux-source-6.1
build_packages=("$source_package" gcc libc6-dev make bc flex bison patch xz-utils perl-base)

# What has to go when we end, however we end.
scratch=
group=
watch=
cleanup() {
  if [ -n "$group" ]; then
    # The group, since a kernel and a make are many processes; both lead a group of their own.
    kill -KILL -- "-$group" "$group" 2>/dev/null || true
    wait "$group" 2>/dev/null || true
  fi
  [ -z "$watch" ] || kill "$watch" 2>/dev/null || true
  [ -z "$scratch" ] || rm -rf "$scratch"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# The version that is installed, or that would be.
source_version() {
  local version
  version=$(dpkg-query -W -f='${db:Status-Status} ${Version}' "$source_package" 2>/dev/null || true)
  if [ "${version%% *}" != installed ]; then
    version=$(apt-cache policy "$source_package" 2>/dev/null | sed -n 's/^ *Candidate: //p')
  fi
  version=${version#installed }
  [ -n "$version" ] && [ "$version" != '(none)' ] && echo "$version"
}

# Sets key and kernel. Everything that decides what comes out of a build is in the key.
find_kernel() {
  local version
  case $(uname -s)-$(uname -m) in
    Linux-x86_64) ;;
    *) die "User Mode Linux runs on Linux x86-64 only, and this is $(uname -sm); use a kernel with gpio-sim" ;;
  esac
  if ! version=$(source_version); then
    "$scripts/packages.sh" "$source_package" || die "the kernel's source is not to be had here"
    version=$(source_version) || die "$source_package is installed, yet has no version"
  fi
  key=$( (echo "$source_package $version" && grep -h '^CONFIG_' "$recipe/config" && cat "$recipe"/*.patch) | sha256sum | cut -c1-16)
  kernel=$cache/$key/linux
}

# progress LOG PID STARTED: one line that is rewritten on a terminal, a line now and then elsewhere.
progress() {
  local log=$1 pid=$2 started=$3 every=20 end='\n' next=0 files
  if [ -t 2 ]; then every=1 end='\r'; fi
  while kill -0 "$pid" 2>/dev/null; do
    if [ "$SECONDS" -ge "$next" ]; then
      next=$((SECONDS + every))
      files=$(grep -cE '^  (CC|AS) ' "$log" || true)
      # shellcheck disable=SC2059 # the end of the line is part of the format
      printf "kernel.sh: %4d of about 720 files compiled, %d s$end" "$files" $((SECONDS - started)) >&2
    fi
    # In the background, since a signal that should end us waits for a command in the foreground.
    sleep 1 &
    wait $!
  done
  [ ! -t 2 ] || echo >&2
}

build() {
  local log source started status
  find_kernel
  [ ! -x "$kernel" ] || return 0

  mkdir -p "$cache"
  exec 9>"$cache/lock"
  if ! flock -n 9; then
    say "another build is under way, waiting for it"
    flock 9
  fi
  "$scripts/packages.sh" "${build_packages[@]}" || die "the kernel cannot be built without these packages"
  find_kernel # again: the version may be another one now, or the other build has done it
  if [ -x "$kernel" ]; then
    exec 9>&-
    return 0
  fi

  rm -rf "$cache"/build.* # of builds that were killed; none runs while we hold the lock
  started=$SECONDS
  scratch=$(mktemp -d "$cache/build.XXXXXX")
  log=$cache/$key.log
  say "building the kernel once, about five minutes; log: $log"
  say "unpacking the source"
  tar -C "$scratch" -xf "/usr/src/$source_package.tar.xz" >"$log" 2>&1 || build_failed "$log" "unpacking failed"
  source=$scratch/$source_package
  configure "$source" >>"$log" 2>&1 || build_failed "$log" "patching or configuring failed"

  # In a group of its own, which we can end as a whole, and which ends when we are killed; not under the control of a
  # make that called us.
  env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL KBUILD_BUILD_USER=shadowgpio KBUILD_BUILD_HOST=localhost \
    setpriv --pdeathsig TERM setsid make -C "$source" ARCH=um -j"$(nproc)" linux >>"$log" 2>&1 </dev/null &
  group=$!
  progress "$log" "$group" "$started"
  status=0
  wait "$group" || status=$?
  group=
  [ "$status" -eq 0 ] || build_failed "$log" "make failed"

  mkdir "$scratch/result"
  strip -o "$scratch/result/linux" "$source/linux"
  "$scratch/result/linux" --version >/dev/null || build_failed "$log" "the kernel that was built does not start"
  rm -rf "${cache:?}/$key"
  mv -T "$scratch/result" "$cache/$key" # one rename: the kernel is there whole or not at all
  rm -rf "$scratch"
  scratch=
  exec 9>&-
  say "built in $((SECONDS - started)) s: $kernel"
}

build_failed() {
  tail -n 40 "$1" >&2
  die "$2; the whole log is $1"
}

configure() {
  local patch lost
  cd "$1"
  for patch in "$recipe"/*.patch; do
    patch -p1 -F0 <"$patch" || return 1
  done
  make ARCH=um allnoconfig || return 1
  cat "$recipe/config" >>.config
  make ARCH=um olddefconfig || return 1
  # Kconfig drops what it does not know or cannot satisfy without a word.
  lost=$(grep '^CONFIG_' "$recipe/config" | grep -vxFf .config || true)
  if [ -n "$lost" ]; then
    echo "not in the final configuration: $lost"
    return 1
  fi
  cd "$OLDPWD"
}

host_has_gpio_sim() {
  [ "$(id -u)" -eq 0 ] || return 1
  if [ ! -d /sys/kernel/config/gpio-sim ]; then
    modprobe -q gpio-sim 2>/dev/null || return 1
    if [ ! -d /sys/kernel/config/gpio-sim ]; then
      mount -t configfs none /sys/kernel/config 2>/dev/null || return 1
    fi
  fi
  [ -d /sys/kernel/config/gpio-sim ]
}

# Sets mode to host or uml.
choose_mode() {
  mode=${SHADOWGPIO_KERNEL_MODE:-auto}
  case $mode in
    uml) ;;
    host) host_has_gpio_sim || die "this host has no gpio-sim (root, the module and configfs are needed)" ;;
    auto) if host_has_gpio_sim; then mode=host; else mode=uml; fi ;;
    *) die "SHADOWGPIO_KERNEL_MODE is '$mode': want auto, host or uml" ;;
  esac
}

# Checks the arguments of run; sets timeout, program and arguments.
parse_run() {
  timeout=600
  while [ $# -gt 0 ]; do
    case $1 in
      --timeout) timeout=${2-} && shift $(($# > 1 ? 2 : 1)) ;;
      --timeout=*) timeout=${1#*=} && shift ;;
      --) shift && break ;;
      -*) die "unknown option $1; see kernel.sh -h" ;;
      *) break ;;
    esac
  done
  [[ $timeout =~ ^[1-9][0-9]*$ ]] || die "--timeout is '$timeout': want whole seconds"
  [ $# -gt 0 ] || die "no program to run; see kernel.sh -h"
  program=$(type -P -- "$1") || die "$1: no such program"
  program=$(realpath -s -- "$program")
  shift
  arguments=("$@")
}

run() {
  local name
  parse_run "$@"
  choose_mode

  # Not under TMPDIR: the path goes on a kernel command line and into the address of a socket, so it has to be short
  # and without blanks.
  scratch=$(mktemp -d /tmp/shadowgpio-kernel.XXXXXX)
  environment=(SHADOWGPIO_KERNEL=require)
  for name in PATH HOME ${!SHADOWGPIO_@}; do
    [ "$name" = SHADOWGPIO_KERNEL ] || [ -z "${!name+set}" ] || environment+=("$name=${!name}")
  done
  # A Go program answers QUIT with the stacks of its goroutines, which is what one wants to see of one that hangs.
  command=(timeout --signal=QUIT --kill-after=5 "$timeout" "$program" "${arguments[@]}")

  case $mode in
    host) run_host ;;
    uml) run_uml ;;
  esac
}

run_host() {
  local status=0 started=$SECONDS
  say "running on this host's kernel, $(uname -r)"
  mkdir "$scratch/tmp"
  env -i "${environment[@]}" TMPDIR="$scratch/tmp" "${command[@]}" </dev/null 2>&1 &
  group=$! # timeout(1) leads a group of its own
  wait "$group" || status=$?
  group=
  finish "$status" $((SECONDS - started))
}

# The guest's memory is a file that gets mapped: in RAM if there is a place that is large enough and lets us map code.
memory_directory() {
  local free
  free=$(df --output=avail -k /dev/shm 2>/dev/null | tail -n 1) || true
  if [ "${free:-0}" -gt $((600 * 1024)) ] && [ -w /dev/shm ] &&
    ! grep -q '^[^ ]* /dev/shm [^ ]* [^ ]*noexec' /proc/mounts; then
    echo /dev/shm
  else
    echo "$scratch"
  fi
}

# One of the processors we may run on, at random, so that several runs at once spread.
some_processor() {
  local allowed=() range
  for range in $(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status | tr , ' '); do
    mapfile -t -O ${#allowed[@]} allowed < <(seq "${range%-*}" "${range#*-}")
  done
  echo "${allowed[RANDOM % ${#allowed[@]}]}"
}

run_uml() {
  local started output_pid ended status
  command -v ip >/dev/null || "$scripts/packages.sh" iproute2 || die "no ip command to bring up the loopback with"
  build

  # For the init script, which finds them beside itself.
  cp "$recipe/init.sh" "$scratch/init"
  printf '%s\0' "${environment[@]}" TMPDIR=/tmp >"$scratch/environment"
  printf '%s\0' "${command[@]}" >"$scratch/command"
  printf '%s\0' "$PWD" "$(pwd -P)" "$program" "$(realpath "$program")" "${environment[@]#*=}" >"$scratch/paths"
  mkfifo "$scratch/output"
  say "running on User Mode Linux"

  # The program's output comes through a pipe of its own (console 1, descriptor 3); what the kernel says (console 0)
  # is kept for when it goes wrong. Between the kernel and our standard output stands a cat, since the kernel makes
  # its descriptor non-blocking, which others who share our output would not expect.
  cat "$scratch/output" &
  output_pid=$!
  # All on one processor: the kernel has one anyway and works in lockstep with the processes it traces, and waking the
  # other side on another processor makes everything up to ten times slower on a virtual machine.
  started=$SECONDS
  env -i PATH="$PATH" HOME="$scratch" TMPDIR="$(memory_directory)" \
    setpriv --pdeathsig KILL setsid taskset -c "$(some_processor)" "$kernel" \
    mem=512M rootfstype=hostfs rootflags=/ rw init="$scratch/init" \
    con=null con0=null,fd:1 con1=null,fd:3 ssl=null uml_dir="$scratch/uml" umid=kernel \
    </dev/null >"$scratch/console" 2>&1 3>"$scratch/output" &
  group=$!
  # The guest watches over the program; this is for a guest that hangs, or never boots.
  setpriv --pdeathsig KILL sleep $((timeout + 30)) &
  watch=$!
  wait -n -p ended "$group" "$watch" 2>/dev/null || true # quiet, since bash would tell of a kernel that was aborted
  if [ "${ended-}" = "$watch" ]; then
    fail_uml "the kernel did not end within $((timeout + 30)) s"
  fi
  # What the kernel leaves behind of its helpers would hold the pipe open.
  kill -KILL -- "-$group" 2>/dev/null || true
  group=
  wait "$output_pid" || true

  status=$(cat "$scratch/status" 2>/dev/null || true)
  [[ $status =~ ^[0-9]+$ ]] || fail_uml "the kernel ended before the program did: there is no result"
  finish "$status" $((SECONDS - started))
}

fail_uml() {
  if [ -s "$scratch/console" ]; then
    say "the end of the kernel's console:"
    tail -n 30 "$scratch/console" | tr -d '\r' >&2
    grep 'Kernel panic' "$scratch/console" >&2 || true
  fi
  die "$1"
}

# finish STATUS SECONDS
finish() {
  if [ "$2" -ge "$timeout" ]; then
    case $1 in
      124 | 137)
        say "stopped after $timeout s: ${program##*/} took too long"
        exit 124
        ;;
    esac
  fi
  exit "$1"
}

case ${1-} in
  build) build ;;
  run) shift && run "$@" ;;
  path) find_kernel && echo "$kernel" ;;
  mode) choose_mode && echo "$mode" ;;
  -h | --help | help) usage ;;
  *)
    usage >&2
    exit 125
    ;;
esac
