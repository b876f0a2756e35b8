#!/bin/sh
# Sets up what is missing, then checks types and lint, without a test.
set -eu
root=$(CDPATH= cd "$(dirname "$0")/.." && pwd)
cd "$root"
sh scripts/setup.sh check
PATH=$root/node_modules/.bin:$PATH
export PATH
exec node scripts/check.ts
