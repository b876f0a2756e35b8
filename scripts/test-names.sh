#!/bin/sh
# Sets up what is missing, and lets a name fail over between two gateways: npm run test:names
# Needs root. Everything runs in network namespaces that go away with it.
set -eu
root=$(CDPATH= cd "$(dirname "$0")/.." && pwd)
cd "$root"
if [ "$(id -u)" != 0 ]; then
  echo 'test:names: must run as root: it makes network namespaces' >&2
  exit 1
fi
sh scripts/setup.sh test
PATH=$root/node_modules/.bin:$PATH:/usr/sbin:/sbin
export PATH
[ $# -gt 0 ] || set -- tests/e2e/full/*.full.ts
exec sh scripts/private-namespaces.sh node --test --test-concurrency=1 --test-timeout=540000 "$@"
