#!/bin/sh
# Installs Sallyport on this host from a controller, which fills in the next four lines.
role='@ROLE@'
controller='@CONTROLLER@'
version='@VERSION@'
release_key='@RELEASE_KEY@'

# Nothing runs before the last line, so a script that was cut on its way does nothing.
set -eu

home=/opt/sallyport
etc=/etc/sallyport
state=/var/lib/sallyport
link=/usr/local/bin/sally
shared=/usr/local/share
# A user's PATH often lacks the folders where nft, ip and wg live.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export PATH

usage() {
  cat <<END
Installs Sallyport as a gateway or as a device on this host:
  curl -fsSL CONTROLLER/install/gateway | sudo sh
  curl -fsSL CONTROLLER/install/client  | sudo sh
Options follow after: sudo sh -s --
  --dry-run          say what would happen, and change nothing
  --token-file FILE  file with the gateway's token, or with the device's enrolment key. Without it, the script takes
                     SALLYPORT_TOKEN or SALLYPORT_ENROLMENT_KEY of the environment. Without both, it asks
  --new-token        ask for a token or key also when this host has enrolled before: after "sally gateways rekey"
  --ca-file FILE     also trust the controller's own certificate, or its authority, in this PEM file
  --allow-upgrades   let the controller upgrade this gateway to newer versions that the release key signed
  --no-start         install only
To remove it again: sudo sally uninstall
END
}

say() { printf '%s\n' "$*"; }
fail() {
  printf 'sallyport: %s\n' "$*" >&2
  exit 1
}
has() { command -v "$1" >/dev/null 2>&1; }

main() {
  dry_run=false start=true new_token=false allow_upgrades=false secret_file='' ca_file=''
  read_options "$@"
  find_facts
  refuse_what_does_not_fit
  missing=$(missing_packages)
  say_plan
  if $dry_run; then
    say 'This was a dry run: nothing was changed.'
  else
    install
  fi
}

read_options() {
  while [ $# -gt 0 ]; do
    case $1 in
      --dry-run) dry_run=true ;;
      --no-start) start=false ;;
      --new-token) new_token=true ;;
      --allow-upgrades) allow_upgrades=true ;;
      --token-file | --enrolment-key-file) secret_file=${2-} ;;
      --ca-file) ca_file=${2-} ;;
      -h | --help)
        usage
        exit 0
        ;;
      *) fail "$1 is not an option; see --help" ;;
    esac
    case $1 in --token-file | --enrolment-key-file | --ca-file)
      [ -n "${2-}" ] || fail "$1 needs a value"
      shift
      ;;
    esac
    shift
  done
}

install() {
  install_packages
  mkdir -p "$home/versions"
  remove_leftovers
  work=$home/.work-$$
  (umask 077 && mkdir "$work")
  # Folders that hold nothing go away with a failed first installation.
  trap 'rm -rf "$work"; rmdir "$home/versions" "$home" 2>/dev/null || true' EXIT
  trap 'exit 130' HUP INT TERM
  download
  check_signature
  check_sum
  unpack
  # Settings come first: a service never starts without them.
  write_settings
  switch_version
  (umask 022 && link_documents) || say "Manual pages and completions could not be linked below $shared."
  start_service
}

find_facts() {
  case $(uname -m) in
    x86_64 | amd64) processor=amd64 ;;
    aarch64 | arm64) processor=arm64 ;;
    *) fail "there is no package for the processor $(uname -m): only for x86_64 and aarch64" ;;
  esac
  folder=sallyport-$version-linux-$processor
  archive=$folder.tar.xz
  manager=none
  for one in apt-get dnf apk; do if has "$one"; then manager=$one && break; fi; done
  # The Node.js in the package needs glibc. Alpine has musl, and a Node.js of its own.
  if [ -e /lib64/ld-linux-x86-64.so.2 ] || [ -e /lib/ld-linux-aarch64.so.1 ]; then libc=glibc; else libc=other; fi
  services=none
  if has rc-update; then services=openrc; fi
  if [ -d /run/systemd/system ]; then services=systemd; fi
  service=sallyport-$role
  installed=$(sed -n 's/.*"version": *"\([0-9][^"]*\)".*/\1/p' "$home/current/package.json" 2>/dev/null || true)
}

refuse_what_does_not_fit() {
  if [ "$(id -u)" != 0 ] && ! $dry_run; then fail 'run this as root: … | sudo sh'; fi
  [ "$(uname -s)" = Linux ] || fail "this is for Linux, not for $(uname -s)"
  case $controller$version$release_key in *'@'[A-Z]*'@'*) fail 'take this script from a controller: CONTROLLER/install/gateway' ;; esac
  case $controller in
    https://* | http://localhost* | http://127.* | http://\[::1\]*) ;;
    *) fail "$controller is not https://, so what comes from there cannot be trusted" ;;
  esac
  if has dpkg-query && dpkg-query -W -f '${Status}' sallyport 2>/dev/null | grep -q ' installed$'; then
    fail 'the Debian package sallyport is installed here: upgrade it with apt, or remove it first'
  fi
  if [ -e "$home/bin/sally" ]; then fail "$home holds a clone or another copy of Sallyport: move it away first"; fi
  if [ -n "$installed" ] && is_older "$version" "$installed"; then
    fail "version $installed is installed, and $controller offers the older $version: nothing was changed"
  fi
  if [ -e "$link" ] && ! is_our_link; then fail "$link is not a link of this script: remove it first"; fi
  if [ -n "$ca_file" ] && ! [ -r "$ca_file" ]; then fail "$ca_file cannot be read"; fi
  if [ -n "$secret_file" ] && ! [ -r "$secret_file" ]; then fail "$secret_file cannot be read"; fi
}

is_older() {
  printf '%s\n%s\n' "$1" "$2" | awk -F '[.+-]' '
    NR == 1 { for (i = 1; i <= 3; i++) a[i] = $i + 0 }
    NR == 2 { for (i = 1; i <= 3; i++) if (a[i] != $i + 0) exit !(a[i] < $i + 0); exit 1 }'
}

is_our_link() { case $(readlink "$link" 2>/dev/null) in "$home"/*) return 0 ;; *) return 1 ;; esac; }

missing_packages() {
  for tool in openssl tar xz awk sha256sum nft ip wg protocols; do
    is_there "$tool" || printf '%s ' "$(package_of "$tool")"
  done
  has curl || is_wget_enough || printf 'curl '
  if [ "$libc" = other ]; then node_is_new || printf '%s ' "$(package_of node)"; fi
}

is_there() {
  case $1 in
    # That of BusyBox lacks most of it.
    ip) ip -V 2>&1 | grep -q iproute2 ;;
    # ip and nft know the names of protocols from this file.
    protocols) [ -e /etc/protocols ] ;;
    *) has "$1" ;;
  esac
}

package_of() {
  case $manager:$1 in
    *:nft) echo nftables ;;
    dnf:ip) echo iproute ;;
    *:ip) echo iproute2 ;;
    *:wg) echo wireguard-tools ;;
    apt-get:xz) echo xz-utils ;;
    apt-get:protocols) echo netbase ;;
    dnf:protocols) echo setup ;;
    apk:protocols) echo alpine-baselayout-data ;;
    *:sha256sum) echo coreutils ;;
    *:awk) echo gawk ;;
    *:node) echo nodejs ;;
    *) echo "$1" ;;
  esac
}

is_wget_enough() { has wget && { [ -z "$ca_file" ] || is_gnu_wget; }; }

is_gnu_wget() { wget --version 2>/dev/null | grep -q GNU; }

node_is_new() {
  major=$(node --version 2>/dev/null | sed 's/^v\([0-9]*\).*/\1/')
  [ "${major:-0}" -ge 24 ]
}

say_plan() {
  say "Sallyport $version as a $role of $controller, on this host:"
  if [ -n "$missing" ]; then say "  install with $manager: $missing"; fi
  if is_unpacked; then
    say "  keep version $version, which is here already"
  else
    say "  download $archive, check its signature and sum, unpack it to $home/versions/$version"
  fi
  say "  link $link to it"
  say "  write settings to $etc"
  if allows_upgrades; then say '  let the controller upgrade this gateway'; fi
  case $services in
    none) say '  start nothing: there is neither systemd nor OpenRC here' ;;
    *) if $start; then say "  enable and start the service $service with $services"; else say "  install the service $service"; fi ;;
  esac
}

install_packages() {
  [ -n "$missing" ] || return 0
  # shellcheck disable=SC2086 # a list of names
  case $manager in
    apt-get)
      export DEBIAN_FRONTEND=noninteractive
      apt-get install -y -q --no-install-recommends $missing </dev/null >/dev/null 2>&1 ||
        { apt-get update -q </dev/null >/dev/null && apt-get install -y -q --no-install-recommends $missing </dev/null >/dev/null; } ||
        fail "could not install: $missing"
      ;;
    dnf) dnf install -y -q $missing </dev/null || fail "could not install: $missing" ;;
    apk) apk add -q $missing </dev/null || fail "could not install: $missing" ;;
    none) fail "these tools are missing; install them first (Debian's names): $missing" ;;
  esac
  left=$(missing_packages)
  [ -z "$left" ] || fail "still missing or too old: $left"
}

# What an earlier run left when it was killed.
remove_leftovers() {
  for old in "$home"/.work-*; do
    [ -d "$old" ] || continue
    kill -0 "${old##*-}" 2>/dev/null || rm -rf "$old"
  done
}

download() {
  fetch SHA256SUMS
  fetch SHA256SUMS.sig
}

fetch() {
  url=$controller/install/$1
  # No file of a release is larger than 512 MiB; ulimit counts in blocks of at least 512 bytes.
  (
    ulimit -f 1048576
    if has curl; then with_curl "$url" "$work/$1"; else with_wget "$url" "$work/$1"; fi
  ) || fail "could not download $url: nothing was changed"
}

with_curl() {
  for try in 1 2 3; do
    curl -fsS --connect-timeout 20 --speed-limit 1024 --speed-time 60 ${ca_file:+--cacert "$ca_file"} \
      -C - -o "$2" "$1" && return
    # Only a download that broke off goes on; every other failure stays.
    case $? in 18 | 28 | 52 | 56 | 92) ;; *) return 1 ;; esac
    [ "$try" = 3 ] || sleep 1
  done
  return 1
}

# That of BusyBox has neither, and some builds of it crash with -T.
with_wget() {
  if is_gnu_wget; then
    wget -q -T 60 --tries=3 ${ca_file:+--ca-certificate="$ca_file"} -O "$2" "$1"
  else
    wget -q -O "$2" "$1"
  fi
}

# The keys that this host trusts already win over those of the script.
check_signature() {
  printf '%s\n' "$release_key" >"$work/release-key.pem"
  trusted=$work/release-key.pem
  if [ -e "$etc/release-key.pem" ]; then trusted=$etc/release-key.pem; fi
  awk -v start="$work/key-" '/BEGIN PUBLIC KEY/ { n++ } n { print >(start n) }' "$trusted"
  for key in "$work"/key-*; do
    openssl pkeyutl -verify -pubin -inkey "$key" -rawin -in "$work/SHA256SUMS" -sigfile "$work/SHA256SUMS.sig" \
      >"$work/openssl.log" 2>&1 && return
  done
  case $(openssl version) in
    'OpenSSL 0.'* | 'OpenSSL 1.'* | LibreSSL*) fail "the signature cannot be checked: OpenSSL 3 is needed, this is $(openssl version)" ;;
  esac
  if [ "$trusted" = "$etc/release-key.pem" ]; then
    fail "the release is not signed by a key in $trusted, which this host trusts: nothing was changed. If the release key was replaced, remove that file and try again"
  fi
  fail 'the signature of the release is wrong: nothing was changed'
}

check_sum() {
  sum=$(awk -v name="$archive" '$2 == name || $2 == "*" name { print $1 }' "$work/SHA256SUMS")
  [ "${#sum}" = 64 ] || fail "the release has no $archive"
  if is_unpacked; then return; fi
  fetch "$archive"
  [ "$(sha256sum <"$work/$archive" | cut -d ' ' -f 1)" = "$sum" ] || fail "the sum of $archive is wrong: nothing was changed"
}

# A folder gets this name only when it is whole.
is_unpacked() { [ -e "$home/versions/$version" ]; }

unpack() {
  if is_unpacked; then return; fi
  { tar -tJf "$work/$archive" >"$work/names" && tar -tvJf "$work/$archive" >"$work/entries"; } ||
    fail "$archive is damaged: nothing was changed"
  # Names inside of one folder, and only files and folders.
  if grep -qv "^$folder/" "$work/names" || grep -qE '(^|/)\.\.(/|$)' "$work/names" || grep -qv '^[-d]' "$work/entries"; then
    fail "$archive has entries that do not belong there: nothing was changed"
  fi
  needed=$(awk '{ sum += $3 } END { printf "%d", sum / 1024 + 1024 }' "$work/entries")
  free=$(df -Pk "$home" | awk 'NR == 2 { print $4 }')
  [ "$free" -ge "$needed" ] || fail "$home needs $((needed / 1024)) MiB, and has $((free / 1024)) MiB free: nothing was changed"
  (umask 022 && tar -xJof "$work/$archive" -C "$work") || fail "$archive could not be unpacked: nothing was changed"
  grep -q "\"version\": *\"$version\"" "$work/$folder/package.json" || fail "$archive holds another version: nothing was changed"
  if ! "$work/$folder/bin/node" --version >/dev/null 2>&1; then
    node_is_new || fail 'the Node.js of the package does not run here, and there is no Node.js 24: nothing was changed'
    ln -sf "$(command -v node)" "$work/$folder/bin/node"
    # The wireguard-go beside it needs glibc as well. The kernel has WireGuard, or the distribution has its own build.
    rm -f "$work/$folder/bin/wireguard-go"
  fi
  sync
  mv "$work/$folder" "$home/versions/$version"
}

switch_version() {
  chmod 755 "$home" "$home/versions"
  point "versions/$version" "$home/current"
  mkdir -p "${link%/*}"
  point "$home/current/bin/sally" "$link"
}

# Manual pages and completions. What is there already stays.
link_documents() {
  [ -d "$home/current/share" ] || return 0
  (cd "$home/current/share" && find . -type f) | while IFS= read -r file; do
    file=${file#./}
    if [ -e "$shared/$file" ] || [ -L "$shared/$file" ]; then continue; fi
    make_folder "$shared/${file%/*}"
    ln -s "$home/current/share/$file" "$shared/$file"
  done
}

# Notes which folders it makes, because "sally uninstall" removes those.
make_folder() {
  if [ -d "$1" ]; then return; fi
  make_folder "${1%/*}"
  printf '%s\n' "$1" >>"$home/.made-folders"
  mkdir "$1"
}

# Replaces a link in one step.
point() {
  ln -s "$1" "$2.new-$$"
  mv -Tf "$2.new-$$" "$2" 2>/dev/null || { rm -f "$2.new-$$" && ln -sfn "$1" "$2"; }
}

write_settings() {
  [ -d "$etc" ] || (umask 077 && mkdir -p "$etc")
  # A signed release may bring a new key. The key of the script counts for the first installation only.
  if [ -e "$home/versions/$version/release-key.pem" ]; then
    put release-key.pem 644 <"$home/versions/$version/release-key.pem"
  else
    put release-key.pem 644 <"$trusted"
  fi
  if [ -n "$ca_file" ]; then put ca.pem 644 <"$ca_file"; fi
  if [ "$role" = gateway ]; then
    if allows_upgrades; then upgrades=true; else upgrades=false; fi
    {
      echo "SALLYPORT_CONTROLLER=$controller"
      if [ -n "$ca_file" ]; then echo "SALLYPORT_CA_FILE=$etc/ca.pem"; fi
      if $upgrades; then echo 'SALLYPORT_ALLOW_UPGRADES=true'; fi
    } | put gateway.env 600
  fi
  read_secret
  if [ "$role" = gateway ] && [ -n "$secret" ]; then printf '%s\n' "$secret" | put gateway.token 600; fi
}

# What the host allowed before stays allowed. Removing the line from gateway.env ends it.
allows_upgrades() {
  [ "$role" = gateway ] && { $allow_upgrades || grep -qx 'SALLYPORT_ALLOW_UPGRADES=true' "$etc/gateway.env" 2>/dev/null; }
}

# Writes standard input to a file of the settings, in one step.
put() {
  (umask 077 && cat >"$etc/.$1.new")
  chmod "$2" "$etc/.$1.new"
  mv -f "$etc/.$1.new" "$etc/$1"
}

# Sets $secret: from the file, the environment, or the terminal. It is never an argument of a program.
read_secret() {
  if [ "$role" = gateway ]; then
    secret=${SALLYPORT_TOKEN-} from=${secret_file:-${SALLYPORT_TOKEN_FILE-}} what='Token of the gateway'
  else
    secret=${SALLYPORT_ENROLMENT_KEY-} from=${secret_file:-${SALLYPORT_ENROLMENT_KEY_FILE-}} what='Enrolment key of the device'
  fi
  unset SALLYPORT_TOKEN SALLYPORT_ENROLMENT_KEY
  if [ -n "$from" ]; then secret=$(head -c 4096 "$from"); fi
  if [ -n "$secret" ] || ! $start; then return 0; fi
  if ! $new_token && { [ -e "$state/$role/identity.json" ] || [ -e "$etc/$role.token" ]; }; then return 0; fi
  if ! (: </dev/tty) 2>/dev/null; then fail "there is no terminal to ask for it: give --token-file FILE ($what)"; fi
  printf '%s: ' "$what" >/dev/tty
  trap 'stty echo </dev/tty; exit 130' HUP INT TERM
  stty -echo </dev/tty
  IFS= read -r secret </dev/tty || true
  stty echo </dev/tty
  trap 'exit 130' HUP INT TERM
  printf '\n' >/dev/tty
  [ -n "$secret" ] || fail "no $what was given"
}

start_service() {
  place_service
  if ! $start; then
    say "Installed. Nothing was started."
  elif [ "$role" = client ]; then
    if [ "$services" = systemd ]; then systemctl enable -q "$service"; fi
    if [ "$services" = openrc ]; then rc-update -q add "$service"; fi
    connect_device
  elif [ "$services" = none ]; then
    say "Installed. Start the gateway: sally gateway run --controller $controller${ca_file:+ --ca-file $etc/ca.pem} --token-file $etc/gateway.token"
  else
    case $services in
      systemd) systemctl enable -q "$service" && systemctl restart "$service" ;;
      openrc) rc-update -q add "$service" && rc-service "$service" restart ;;
    esac
    await_gateway
  fi
}

place_service() {
  case $services in
    systemd)
      cp "$home/current/deploy/systemd/$service.service" "/etc/systemd/system/$service.service"
      systemctl daemon-reload
      ;;
    openrc)
      cp "$home/current/deploy/openrc/$service" "/etc/init.d/$service"
      chmod 755 "/etc/init.d/$service"
      ;;
  esac
}

connect_device() {
  set -- --controller "$controller" ${ca_file:+--ca-file "$etc/ca.pem"}
  if [ -n "$secret" ]; then printf '%s\n' "$secret" | "$link" up "$@" --enrolment-key-stdin; else "$link" up "$@"; fi
}

await_gateway() {
  tries=30
  while [ $tries -gt 0 ]; do
    if "$link" gateway status >/dev/null 2>&1; then
      say 'The gateway is connected, and its host holds what the controller wants.'
      return
    fi
    tries=$((tries - 1))
    sleep 1
  done
  say 'The gateway is installed, and not connected yet. See: sally gateway status; sally doctor'
}

main "$@"
