#!/bin/sh
# Sets up what is missing, then runs the checks and tests: all, or only the files and folders given as arguments.
set -eu
root=$(CDPATH= cd "$(dirname "$0")/.." && pwd)
cd "$root"
sh scripts/setup.sh test
PATH=$root/node_modules/.bin:$PATH:/usr/sbin:/sbin
export PATH
exec sh scripts/private-namespaces.sh node scripts/test.ts "$@"
