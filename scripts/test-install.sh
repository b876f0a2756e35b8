#!/bin/sh
# Tries the installation as a newcomer would: a bare Debian root file system that holds git and npm of the distribution
# and nothing else; clones the present commit there, runs `npm start` and `npm test`.
#
#   npm run test:install -- [--only start|test] [--suite bookworm]
#
# Needs root and debootstrap. The bare system is kept in .cache/install-test for the next time. Everything else runs in
# mount and process namespaces of its own, so that nothing is left behind, however it ends.
set -eu

CDPATH= cd "$(dirname "$0")/.."
only=all
suite=bookworm
cache=$(pwd)/.cache/install-test

say() { printf 'test:install: %s\n' "$*"; }
fail() {
  say "$*" >&2
  exit 1
}

main() {
  while [ $# -gt 0 ]; do
    case $1 in
      --only) only=${2:-} && shift ;;
      --suite) suite=${2:-} && shift ;;
      *) fail "unknown option $1; use --only start|test, --suite NAME" ;;
    esac
    shift
  done
  case $only in all | start | test) ;; *) fail '--only takes start or test' ;; esac
  case $suite in *[!a-z]* | '') fail '--suite takes the name of a Debian release, such as bookworm' ;; esac
  [ "$(id -u)" = 0 ] || fail 'must run as root: it makes a root file system and mounts in it'
  for tool in debootstrap unshare chroot git; do
    command -v "$tool" >/dev/null || fail "$tool is missing: apt-get install -y debootstrap util-linux coreutils git"
  done

  make_base
  try_in_copy
}

# The bare system, complete or not there at all.
make_base() {
  base=$cache/$suite
  [ -d "$base" ] && return
  say "making a bare $suite with git and npm in $base (once, some minutes)"
  mkdir -p "$cache"
  rm -rf --one-file-system "$base.part"
  # shellcheck disable=SC2046 # no word when the host has no mirror of this release
  debootstrap --variant=minbase "$suite" "$base.part" $(host_mirror) >"$cache/debootstrap.log" 2>&1 ||
    fail "debootstrap failed, see $cache/debootstrap.log"
  copy_host_network "$base.part"
  printf '#!/bin/sh\nexit 101\n' >"$base.part/usr/sbin/policy-rc.d"
  chmod 755 "$base.part/usr/sbin/policy-rc.d"
  chroot "$base.part" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive sh -ec '
    apt-get -q update
    apt-get -q -y install --no-install-recommends git npm ca-certificates
    apt-get clean
    # As on a new machine: no package lists.
    rm -rf /var/lib/apt/lists/*' >"$cache/packages.log" 2>&1 || fail "git and npm could not be installed, see $cache/packages.log"
  mv "$base.part" "$base"
}

# Where this host gets the release from, if it does.
host_mirror() {
  # shellcheck disable=SC2016 # placeholders of apt-get
  apt-get indextargets --format '$(CODENAME) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
    sed -n "s/^$suite //p" | head -n 1
}

# How this host reaches its package mirrors: names, proxies, certificates, sources of the same release.
copy_host_network() {
  target=$1
  cp -L /etc/resolv.conf /etc/hosts "$target/etc/"
  for file in /etc/apt/apt.conf /etc/apt/apt.conf.d/*; do
    if [ -f "$file" ] && grep -q Acquire "$file" && ! grep -q Invoke "$file"; then cp "$file" "$target/etc/apt/apt.conf.d/"; fi
  done
  if [ -n "$(host_mirror)" ]; then
    rm -f "$target/etc/apt/sources.list"
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources /etc/apt/auth.conf \
      /etc/apt/auth.conf.d/* /etc/apt/keyrings/* /etc/apt/trusted.gpg.d/*; do
      if [ -f "$file" ]; then mkdir -p "$target${file%/*}" && cp "$file" "$target$file"; fi
    done
  fi
  for file in /usr/local/share/ca-certificates/* /etc/ssl/certs/ca-certificates.crt "${NODE_EXTRA_CA_CERTS:-}"; do
    if [ -f "$file" ]; then mkdir -p "$target${file%/*}" && cp -L "$file" "$target$file"; fi
  done
}

try_in_copy() {
  run=$(mktemp -d "$cache/run.XXXXXX")
  inside=
  trap 'clean_up' EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  say "copying the bare system, cloning $(git rev-parse --short HEAD)"
  [ -z "$(git status --porcelain)" ] || say 'note: changes that are not committed are not tried'
  cp -a "$cache/$suite/." "$run/"
  copy_host_network "$run"
  for file in "$(npm config get globalconfig 2>/dev/null)" "${HOME:-/root}/.npmrc"; do
    if [ -f "$file" ]; then cat "$file" && echo; fi
  done >"$run/root/.npmrc"
  git bundle create -q "$run/root/sallyport.bundle" HEAD

  # shellcheck disable=SC2016,SC2046 # expands inside; one word for each setting
  # In the background and waited for, so that a signal is handled at once. --kill-child ends all that runs inside.
  unshare --mount --pid --fork --kill-child --propagation private sh -euc '
    root=$1
    shift
    # `ip netns exec` wants the root to be a mount point.
    mount --bind "$root" "$root"
    mount -t proc proc "$root/proc"
    mount -t sysfs sysfs "$root/sys"
    mount --rbind /dev "$root/dev"
    mount -t tmpfs tmpfs "$root/run"
    mount -t tmpfs tmpfs "$root/tmp"
    chroot "$root" "$@"' inside "$run" env -i $(outer_settings) HOME=/root LANG=C.UTF-8 \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin sh -ec "
      git clone -q -c advice.detachedHead=false /root/sallyport.bundle /root/sallyport
      cd /root/sallyport
      sh scripts/test-install-inside.sh $only" </dev/null &
  inside=$!
  if wait "$inside"; then say 'passed'; else fail 'failed'; fi
}

# What a machine behind a mirror or proxy has in its environment. Values with blanks are not passed on.
outer_settings() {
  env | grep -E '^(npm_config_(registry|cafile|proxy|https_proxy)|NODE_EXTRA_CA_CERTS|SSL_CERT_FILE|SSL_CERT_DIR|(http|https|no|HTTP|HTTPS|NO)_(proxy|PROXY))=[^ ]+$' || true
}

clean_up() {
  # Ctrl-C under npm arrives twice: what has begun is finished.
  trap '' HUP INT TERM PIPE
  if [ -n "$inside" ]; then
    # unshare ignores softer signals while it waits; its death is the death of all that runs inside.
    kill -KILL "$inside" 2>/dev/null || true
    wait "$inside" 2>/dev/null || true
  fi
  # The mounts go with the namespace, which takes a moment; --one-file-system is a second lock on that door.
  tries=0
  until rm -rf --one-file-system "$run" 2>/dev/null; do
    tries=$((tries + 1))
    [ "$tries" -lt 50 ] || fail "$run could not be removed"
    sleep 0.1
  done
}

main "$@"
