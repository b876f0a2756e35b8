#!/bin/sh
# Sets up what is missing, then becomes the controller, so that signals reach it. Arguments are the controller's.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)

# A flag wins over the environment; set-up must know, too, that no gateway is wanted on this machine.
previous=
for argument; do
  case $previous:$argument in
    *:--local-gateway=*) SALLYPORT_LOCAL_GATEWAY=${argument#*=} ;;
    --local-gateway:*) SALLYPORT_LOCAL_GATEWAY=$argument ;;
  esac
  previous=$argument
done
export SALLYPORT_LOCAL_GATEWAY="${SALLYPORT_LOCAL_GATEWAY:-auto}"

sh "$root/scripts/setup.sh" start
# The folders where nft, ip and wg live are often missing from a user's PATH.
PATH=$root/node_modules/.bin:$PATH:/usr/sbin:/sbin
export PATH
exec node "$root/apps/controller/src/main.ts" "$@"
