#!/bin/sh
# Sets up what is missing, then becomes the controller, so that signals reach it. Arguments are the controller's.
set -eu
root=$(CDPATH= cd "$(dirname "$0")/.." && pwd)

# A flag wins over the environment; set-up must know, too, whether a gateway is wanted on this machine.
local_gateway=${SALLYPORT_LOCAL_GATEWAY:-auto}
previous=
for argument; do
  case $argument in --local-gateway=*) local_gateway=${argument#*=} ;; esac
  if [ "$previous" = --local-gateway ]; then local_gateway=$argument; fi
  previous=$argument
done

SALLYPORT_LOCAL_GATEWAY=$local_gateway sh "$root/scripts/setup.sh" start
# The folders where nft, ip and wg live are often missing from a user's PATH.
PATH=$root/node_modules/.bin:$PATH:/usr/sbin:/sbin
export PATH
# On a terminal, people read: only what may need them. A service manager gets every line.
if [ -t 2 ]; then SALLYPORT_LOG_LEVEL=${SALLYPORT_LOG_LEVEL:-warn}; export SALLYPORT_LOG_LEVEL; fi
# Compiled code is kept beside the program, which halves the time of a start, and saves the compiler's memory.
export NODE_COMPILE_CACHE="${NODE_COMPILE_CACHE-$root/node_modules/.cache/sallyport}"
exec node "$root/apps/controller/src/main.ts" "$@"
