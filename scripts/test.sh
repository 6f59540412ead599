#!/usr/bin/env bash
# Everything that has to hold before a change is good, on a machine that has nothing but Go: it installs what it needs,
# checks, builds, and runs all tests, those against a real kernel too. One line a step; stops at the first that fails.
set -euo pipefail

usage() {
  cat <<'END'
usage: test.sh [--fast]

  --fast  leave out the cross builds and the tests against a real kernel (for day-to-day use)

Needs Go; installs Debian packages (as root or with sudo) and AWS's clients for Python, Node and Java, and builds a
kernel for the tests, once, when the host's has no gpio-sim. What it makes is kept in
${SHADOWGPIO_CACHE:-${XDG_CACHE_HOME:-~/.cache}/shadowgpio}.
END
}

fast=
case ${1-} in
  '') ;;
  --fast) fast=1 ;;
  -h | --help)
    usage
    exit 0
    ;;
  *)
    usage >&2
    exit 2
    ;;
esac

cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
unset SHADOWGPIO_KERNEL # kernel.sh sets it where it holds
work=$(mktemp -d)
running=
clean_up() {
  if [ -n "$running" ]; then
    kill -TERM -- "-$running" 2>/dev/null || true
    wait "$running" 2>/dev/null || true
  fi
  rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

exec 3>&1 # what a step wants seen while it runs
passed=0
failed=0
notes=()

# step TITLE COMMAND...: runs a function in a group of processes of its own, so that all of it ends when we are
# interrupted. What it prints is shown if it fails. It may leave a word for the line in $work/detail, lines for the
# end in $work/note, lines for now and for the end in $work/loud, and the numbers of tests in $work/counts.
step() {
  local title=$1 started=$EPOCHREALTIME status=0 detail='' counts note
  shift
  rm -f "$work"/{detail,note,loud,counts}
  touch "$work"/{note,loud}
  printf '%-36s' "$title"
  set -m
  (
    set -e
    "$@"
  ) >"$work/log" 2>&1 </dev/null &
  running=$!
  set +m
  wait "$running" || status=$?
  running=
  if [ -s "$work/counts" ]; then
    read -r -a counts <"$work/counts"
    passed=$((passed + counts[0]))
    failed=$((failed + counts[1]))
  fi
  [ ! -s "$work/detail" ] || detail=" ($(cat "$work/detail"))"
  while IFS= read -r note; do notes+=("$note"); done < <(cat "$work/loud" "$work/note")
  printf '%s %s%s\n' "$([ "$status" -eq 0 ] && echo "ok    " || echo "FAILED")" "$(since "$started")" "$detail"
  cat "$work/loud"
  [ "$status" -ne 0 ] || return 0

  echo
  cat "$work/log"
  echo
  echo "test.sh: '$title' failed, exit status $status; the steps after it did not run"
  [ $((passed + failed)) -eq 0 ] || echo "$passed passed, $failed failed"
  exit 1
}

since() {
  local tenths=$(((${EPOCHREALTIME/[.,]/} - ${1/[.,]/}) / 100000))
  printf '%4d.%d s' $((tenths / 10)) $((tenths % 10))
}

detail() { echo "$*" >"$work/detail"; }

check_go() {
  local want have
  want=$(sed -n 's/^go //p' go.mod)
  if ! command -v go >/dev/null; then
    echo "Go is not on the PATH; $want or newer is needed"
    return 1
  fi
  have=$(go env GOVERSION)
  have=${have#go}
  if [ "$(printf '%s\n' "$want" "$have" | sort -V | head -n 1)" != "$want" ]; then
    echo "Go is $have; $want or newer is needed"
    return 1
  fi
  detail "$have"
}

install_packages() {
  # gcc and the C library for the race detector; ip for the guest of the kernel tests; sudo, which a nucleus starts
  # components with; strace, which makes system calls of the component fail.
  scripts/packages.sh gcc libc6-dev shellcheck iproute2 sudo strace
}

# make_clients LANGUAGE: AWS's official client, which the tests find by a variable.
make_clients() {
  scripts/"$1".sh >"$work/$1"
}

# find_gdk: without it, what it does in a build is played by the test of the build.
find_gdk() {
  if ! scripts/gdk.sh >"$work/gdk"; then
    rm -f "$work/gdk"
    detail "NOT checked"
    echo "gdk: not installed, its repository is out of reach, SHADOWGPIO_GDK names none; \"gdk component build\" SKIPPED" >"$work/loud"
  fi
}

check_format() {
  local files
  files=$(gofmt -l .)
  [ -z "$files" ] || {
    echo "not formatted; run gofmt -w on:"
    echo "$files"
    return 1
  }
}

# govulncheck exits 3 for a finding and 1 for all else, an unreachable database included.
check_vulnerabilities() {
  local status=0
  go tool govulncheck ./... >"$work/vulnerabilities" 2>&1 || status=$?
  cat "$work/vulnerabilities"
  if [ "$status" -eq 1 ] && grep -q '^govulncheck: fetching vulnerabilities:' "$work/vulnerabilities"; then
    detail "NOT checked"
    echo "govulncheck: vulnerability database not reachable, NOT checked" >"$work/loud"
    return 0
  fi
  return "$status"
}

check_shell() {
  local scripts
  mapfile -t scripts < <(find . -name .git -prune -o -type f -size -200k -print0 |
    xargs -0 awk 'FNR == 1 { if (/^#!.*[\/ ](ba|da)?sh( |$)/) print FILENAME; nextfile }' | sort)
  shellcheck "${scripts[@]}"
  detail "${#scripts[@]} scripts"
}

# cross_build NAME=VALUE...
cross_build() {
  local out=$work/bin
  rm -rf "$out"
  mkdir "$out"
  env CGO_ENABLED=0 GOOS=linux "$@" go build -trimpath -ldflags='-s -w' -o "$out/" ./component/cmd/...
  detail "$(cd "$out" && stat -c '%n %s' -- * |
    awk '{ printf "%s%s %.1f MB", (NR > 1 ? ", " : ""), $1, $2 / 1e6 }')"
}

# build_edge: the binaries of a deployment, which the kernel tests start.
build_edge() {
  scripts/build.sh --out "$work/dist" | tee "$work/sizes"
  detail "$(awk '{ printf "%s%s %.1f MB", (NR > 1 ? ", " : ""), $1, $2 / 1e6 }' "$work/sizes")"
}

# report: what the tests printed, as JSON, on standard input.
report() {
  local terminal=() passed failed skipped status=0
  [ ! -t 3 ] || terminal=(--progress /dev/tty)
  "$SHADOWGPIO_PYTHON" scripts/test-report.py --counts "$work/counts" --skips "$work/skips" "${terminal[@]}" ||
    status=$?
  [ -s "$work/counts" ] || return 1
  read -r passed failed skipped <"$work/counts"
  detail "$passed passed, $failed failed, $skipped skipped"
  return "$status"
}

test_host() {
  local status=0
  go test -race -timeout 30m -json ./... 2>&1 | report || status=$?
  # Tests against the kernel have their turn later; any other that did not run is worth a line.
  grep -v ' TestKernel' "$work/skips" | sed 's/^/skipped: /' >"$work/note" || true
  return "$status"
}

# The directories of the packages that have tests against a real kernel, one a line.
kernel_packages() {
  # shellcheck disable=SC2016 # the dollars are the template's
  go list -f '{{$d := .Dir}}{{range .TestGoFiles}}{{$d}}/{{.}}{{"\n"}}{{end}}{{range .XTestGoFiles}}{{$d}}/{{.}}{{"\n"}}{{end}}' ./... |
    grep . | xargs -d '\n' grep -l '^func TestKernel' | xargs -r -d '\n' dirname | sort -u
}

build_kernel() {
  local mode
  mode=$(scripts/kernel.sh mode)
  if [ "$mode" = host ]; then
    detail "this host's, $(uname -r)"
    return
  fi
  if [ ! -x "$(scripts/kernel.sh path)" ]; then
    echo >&3
    scripts/kernel.sh build 2>&3
    printf '%-36s' '' >&3
  fi
  detail "User Mode Linux"
}

# test_kernel DIRECTORY
test_kernel() {
  local binary=$work/kernel.test package ran=0 reported=0 passed failed skipped
  package=$(go list "$1")
  CGO_ENABLED=0 go test -c -o "$binary" "$1"
  # The program's own limit is the shorter one: it tells which test hangs.
  (cd "$1" && "$root/scripts/kernel.sh" run --timeout 900 -- \
    "$binary" -test.run '^TestKernel' -test.v=test2json -test.timeout 840s) >"$work/output" || ran=$?
  go tool test2json -t -p "$package" <"$work/output" | report || reported=$?
  read -r passed failed skipped <"$work/counts"
  if [ "$ran" -ne 0 ]; then
    echo "kernel.sh run: exit status $ran"
    [ "$failed" -gt 0 ] || echo "$passed 1" >"$work/counts"
    return 1
  fi
  if [ "$passed" -eq 0 ] || [ "$skipped" -gt 0 ] || grep -q -- '--- SKIP' "$work/output"; then
    echo "with a real kernel at hand some test has to pass and none may be skipped:"
    tr -d '\026' <"$work/output" # the mark of a line for test2json
    echo "$passed $((failed + (skipped > 0 ? skipped : 1)))" >"$work/counts"
    return 1
  fi
  return "$reported"
}

began=$EPOCHREALTIME
step 'Go' check_go
step 'packages' install_packages
step "AWS's client for Python" make_clients python
step "AWS's client for Node" make_clients node
step "AWS's client for Java" make_clients java
SHADOWGPIO_PYTHON=$(cat "$work/python")
SHADOWGPIO_NODE=$(cat "$work/node")
SHADOWGPIO_JAVA=$(cat "$work/java")
export SHADOWGPIO_PYTHON SHADOWGPIO_NODE SHADOWGPIO_JAVA
step 'gdk' find_gdk
unset SHADOWGPIO_GDK
if [ -s "$work/gdk" ]; then
  SHADOWGPIO_GDK=$(cat "$work/gdk")
  export SHADOWGPIO_GDK
fi

step 'gofmt' check_format
step 'go vet' go vet ./...
step 'go mod tidy' go mod tidy -diff
step 'staticcheck' go tool staticcheck ./...
step 'govulncheck' check_vulnerabilities
step 'shellcheck' check_shell
if [ -z "$fast" ]; then
  step 'build for arm64' cross_build GOARCH=arm64
  step 'build for armv6' cross_build GOARCH=arm GOARM=6
  step 'edge binaries' build_edge
  export SHADOWGPIO_ARTIFACTS=$work/dist
fi
step 'tests, race detector' test_host
if [ -z "$fast" ]; then
  step 'kernel with gpio-sim' build_kernel
  directories=$(kernel_packages) || directories=
  if [ -z "$directories" ]; then
    echo "test.sh: no package has a test function named TestKernel...: the real kernel was not tested"
    exit 1
  fi
  while IFS= read -r directory; do
    step "kernel: ${directory#"$root"/}" test_kernel "$directory"
  done <<<"$directories"
else
  notes+=("--fast: no cross builds, no tests against a real kernel")
fi

echo
[ ${#notes[@]} -eq 0 ] || printf '%s\n' "${notes[@]}"
echo "all steps passed in $(since "$began" | sed 's/^ *//')"
echo "$passed passed, $failed failed"
