#!/bin/sh
# Sets up what is missing, then builds the package.
set -eu
root=$(CDPATH= cd "$(dirname "$0")/.." && pwd)
cd "$root"
sh scripts/setup.sh start
PATH=$root/node_modules/.bin:$PATH:/usr/sbin:/sbin
export PATH
exec node build/main.ts "$@"
