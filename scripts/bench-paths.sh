#!/bin/sh
# Sets up what is missing, then measures paths in a lab.
set -eu
root=$(CDPATH= cd "$(dirname "$0")/.." && pwd)
cd "$root"
sh scripts/setup.sh test
PATH=$root/node_modules/.bin:$PATH:/usr/sbin:/sbin
export PATH
exec node tests/lab/figures-main.ts "$@"
