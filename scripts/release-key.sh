#!/bin/sh
# Sets up what is missing, then makes or shows the key that signs releases.
set -eu
root=$(CDPATH= cd "$(dirname "$0")/.." && pwd)
folder=$(pwd)
(cd "$root" && sh scripts/setup.sh check) >&2
cd "${INIT_CWD:-$folder}"
exec "$root/node_modules/.bin/node" "$root/build/release-key.ts" "$@"
