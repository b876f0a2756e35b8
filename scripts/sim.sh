#!/bin/sh
# Sets up what is missing, then runs the model of replicas.
set -eu
root=$(CDPATH= cd "$(dirname "$0")/.." && pwd)
cd "$root"
sh scripts/setup.sh test
PATH=$root/node_modules/.bin:$PATH:/usr/sbin:/sbin
export PATH
exec node tests/replicas/model/main.ts "$@"
