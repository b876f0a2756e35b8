#!/bin/sh
# Sets up what is missing, and runs long tests that `npm test` leaves out: npm run test:names, test:packages, test:paths,
# test:replicas
# Needs root. Everything runs in namespaces and memory that go away with it. test:packages needs mmdebstrap for the first
# time, and keeps downloads, root file systems and the build in SALLYPORT_PACKAGES_CACHE (~/.cache/sallyport-packages).
# NAME FOLDER [FILE…]: the command, the folder of its tests, and those to run instead of all.
set -eu
name=$1 folder=$2
shift 2
root=$(CDPATH= cd "$(dirname "$0")/.." && pwd)
cd "$root"
if [ "$(id -u)" != 0 ]; then
  echo "$name: must run as root: it makes network namespaces and root file systems" >&2
  exit 1
fi
sh scripts/setup.sh test
PATH=$root/node_modules/.bin:$PATH:/usr/sbin:/sbin
export PATH
[ $# -gt 0 ] || set -- "$folder"/*.full.ts
exec sh scripts/private-namespaces.sh node --test --test-concurrency=1 --test-timeout=1500000 "$@"
