#!/bin/sh
# Runs the tests of controller, API and protocol on PostgreSQL, on a server in a temporary folder.
#
#   npm run test:postgres [-- [--pooler] FILE-OR-FOLDER…]
#
# --pooler: the statements of the controller go through PgBouncer.
set -eu
root=$(CDPATH= cd "$(dirname "$0")/.." && pwd)
cd "$root"
sh scripts/setup.sh test
PATH=$root/node_modules/.bin:$PATH:/usr/sbin:/sbin
export PATH
exec node tests/postgres/main.ts "$@"
