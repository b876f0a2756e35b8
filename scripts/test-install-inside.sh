#!/bin/sh
# The part of test-install.sh that runs in the bare system, in a fresh clone: sh scripts/test-install-inside.sh all|start|test
set -eu

say() { printf 'test:install: %s\n' "$*"; }
fail() {
  say "$*" >&2
  exit 1
}

main() {
  say "npm $(npm --version) on Node $(node --version), $(. /etc/os-release && echo "$PRETTY_NAME")"
  case $1 in all | start)
    start_on_host_network
    start_on_own_network
    ;;
  esac
  case $1 in all | test)
    say 'npm test'
    npm test
    ;;
  esac
}

# The installing start. Package mirrors are only reached over the host's network, where a gateway of this system must
# not touch anything: without CAP_NET_ADMIN and with read-only kernel settings it cannot.
start_on_host_network() {
  say 'npm start, nothing installed yet, no right to change the network'
  mount --bind /proc/sys /proc/sys
  mount -o remount,ro,bind /proc/sys
  port=$(node -e 's = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })')
  start "http://127.0.0.1:$port" setpriv --bounding-set=-net_admin --inh-caps=-net_admin \
    env SALLYPORT_LISTEN="127.0.0.1:$port" SALLYPORT_DATA_DIR=/tmp/first-data
  stop
  umount /proc/sys
  for tool in ip nft wg wireguard-go; do
    command -v "$tool" >/dev/null || fail "npm start did not install $tool"
  done
  case $(wireguard-go --version) in *v0.0.20220316*) fail 'npm start installed the slow build of wireguard-go' ;; esac
}

# The plain newcomer's start, with all rights, in a network of its own: with a gateway beside the controller.
start_on_own_network() {
  say 'npm start, all installed, all rights, in a network of its own'
  ip netns add sallyport
  ip -n sallyport link set lo up
  start http://127.0.0.1:8080 ip netns exec sallyport
  wait_for_gateway
  stop
  [ -z "$(ip netns exec sallyport nft list ruleset)" ] || fail 'nftables rules were left behind'
  [ "$(links)" = 1 ] || fail "network links were left behind: $(ip -n sallyport -o link)"
  ip netns del sallyport
}

# start URL PREFIX…: runs npm start behind the prefix until it is ready.
start() {
  url=$1
  shift
  log=/tmp/start.log
  setsid "$@" npm start >"$log" 2>&1 </dev/null &
  pid=$!
  tries=0
  until "$@" node -e "require('http').get('$url/readyz', (r) => process.exit(r.statusCode === 200 ? 0 : 1)).on('error', () => process.exit(1))"; do
    kill -0 "$pid" 2>/dev/null || show_and_fail 'npm start ended by itself'
    tries=$((tries + 1))
    [ "$tries" -lt 600 ] || show_and_fail 'npm start was not ready in time'
    sleep 0.5
  done
}

# Ctrl-C in a terminal reaches the whole process group.
stop() {
  kill -INT "-$pid"
  status=0
  wait "$pid" || status=$?
  sed 's/^/  | /' "$log"
  # npm itself ends by the signal when its script did not end in 0.
  case $status in 0 | 130) ;; *) fail "npm start ended in $status after Ctrl-C" ;; esac
  ! grep -qzl 'controller/src/main.ts' /proc/[0-9]*/cmdline 2>/dev/null || fail 'the controller outlived npm start'
  say 'was ready, and stopped by Ctrl-C'
}

wait_for_gateway() {
  tries=0
  until [ -n "$(ip netns exec sallyport nft list ruleset)" ] && [ "$(links)" -gt 1 ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 60 ] || show_and_fail 'no gateway came up beside the controller'
    sleep 0.5
  done
}

links() { ip -n sallyport -o link | wc -l; }

show_and_fail() {
  sed 's/^/  | /' "$log"
  fail "$*"
}

main "$@"
