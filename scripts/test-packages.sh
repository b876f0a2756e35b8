#!/bin/sh
# Sets up what is missing, builds signed packages, and tries them on bare Debian systems: npm run test:packages
# Needs root, and mmdebstrap for the first time. Everything runs in namespaces and memory that go away with it.
# Downloads, root file systems and the build are kept in SALLYPORT_PACKAGES_CACHE (default ~/.cache/sallyport-packages).
set -eu
root=$(CDPATH= cd "$(dirname "$0")/.." && pwd)
cd "$root"
if [ "$(id -u)" != 0 ]; then
  echo 'test:packages: must run as root: it makes network namespaces and root file systems' >&2
  exit 1
fi
sh scripts/setup.sh test
PATH=$root/node_modules/.bin:$PATH:/usr/sbin:/sbin
export PATH
[ $# -gt 0 ] || set -- tests/packages/full/*.full.ts
exec sh scripts/private-namespaces.sh node --test --test-concurrency=1 --test-timeout=540000 "$@"
