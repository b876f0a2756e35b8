#!/bin/sh
# Runs a command with places of its own for the names of network namespaces and for WireGuard's sockets. What tests leave
# behind when they are killed goes away with their processes.
#
#   sh scripts/private-namespaces.sh COMMAND…
#
# Without root, or where mounts are not allowed, the command runs as it is.
set -eu

if [ "$(id -u)" = 0 ] && unshare --mount true 2>/dev/null; then
  mkdir -p /var/run/netns /var/run/wireguard
  # shellcheck disable=SC2016 # expands inside
  exec unshare --mount sh -c '
    if mount -t tmpfs -o mode=755 tmpfs /var/run/netns && mount -t tmpfs -o mode=700 tmpfs /var/run/wireguard; then
      # The process id stays the same from here to the command.
      PRIVATE_NAMESPACES_OF=$$
      export PRIVATE_NAMESPACES_OF
    fi
    exec "$@"' sh "$@"
fi
exec "$@"
