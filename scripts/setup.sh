#!/bin/sh
# Makes this checkout ready to run: npm packages as locked, the pinned Node, and the system's tools.
#
#   sh scripts/setup.sh [start|check|test]
#
# `start` (the default) installs what the local gateway needs, `check` only the npm packages for type check and lint,
# `test` everything that the tests need. Idempotent: says what it is going to install before it does, and nothing when
# all is there. Exit code 0 when this checkout can run. A system tool that could not be installed is reported, and the
# part that needs it fails or is skipped later.
set -eu

profile=${1:-start}
CDPATH= cd "$(dirname "$0")/.."
# A user's PATH often lacks the folders where nft, ip and wg live.
PATH=$PATH:/usr/sbin:/sbin
. scripts/setup-npm.sh
. scripts/setup-system.sh
. scripts/setup-console.sh

say() { printf 'set-up: %s\n' "$*" >&2; }
fail() {
  say "$*"
  exit 1
}

main() {
  case $profile in
    start | test) npm_profile=$profile ;;
    check) npm_profile=test ;;
    *) fail "unknown profile '$profile'; use 'start', 'check' or 'test'" ;;
  esac
  if npm_ready && console_ready && system_ready; then return; fi
  one_at_a_time
  npm_ready || install_npm_packages
  console_ready || build_console
  system_ready || install_system_packages
}

# The kernel frees the lock when the holder dies, so it cannot go stale. Debian and Ubuntu always have flock; where it
# is missing, set-up goes on without.
one_at_a_time() {
  command -v flock >/dev/null 2>&1 || return 0
  if ! mkdir -p .cache 2>/dev/null || [ ! -w .cache ]; then return 0; fi
  if [ -e .cache/setup.lock ] && [ ! -w .cache/setup.lock ]; then return 0; fi
  exec 9>>.cache/setup.lock
  flock -n 9 && return 0
  say 'another set-up is at work in this folder; waiting for it'
  flock 9
}

main
