# The half of setup.sh that looks after the system's tools. Sourced; uses say, fail and $profile.

# command:Debian package
gateway_tools='ip:iproute2 nft:nftables wg:wireguard-tools wireguard-go:wireguard-go'
test_tools='perl:perl-base ping:iputils-ping iperf3:iperf3 unshare:util-linux sysctl:procps udhcpc:udhcpc'

if [ "$(id -u)" = 0 ]; then sudo=; else sudo='sudo '; fi

# True when nothing is missing, or what is missing is not wanted here.
system_ready() { [ -z "$(missing_packages)" ]; }

missing_packages() {
  for tool in $(wanted_tools); do
    command -v "${tool%%:*}" >/dev/null 2>&1 || printf '%s ' "${tool#*:}"
  done
}

wanted_tools() {
  if [ "$profile" = test ]; then
    echo "$gateway_tools $test_tools"
  elif [ "$profile" = check ]; then
    return
  elif local_gateway_possible; then
    echo "$gateway_tools"
  fi
}

local_gateway_possible() {
  case ${SALLYPORT_LOCAL_GATEWAY:-auto} in
    off) return 1 ;;
    on) return 0 ;;
    *) [ -c /dev/net/tun ] ;;
  esac
}

install_system_packages() {
  missing=$(missing_packages)
  missing=${missing% }
  if ! command -v apt-get >/dev/null 2>&1; then
    say "these tools are missing, install them with your package manager (Debian's names): $missing"
    explain_absence
  elif [ -n "$sudo" ]; then
    say "not root, so not installed: $missing"
    say "to have them:  sudo apt-get install -y --no-install-recommends $missing"
    explain_absence
  else
    install_with_apt
  fi
}

explain_absence() {
  if [ "$profile" = test ]; then
    say 'going on without; tests that need them say so and are skipped'
  else
    say 'going on without; they are only needed for a gateway on this machine'
  fi
}

install_with_apt() {
  say "installing Debian packages: $missing"
  apt_log=$(mktemp)
  all_known || apt update || say 'the package lists could not be updated'
  known=
  for package in $missing; do
    if is_known "$package"; then known="$known $(preferred "$package")"; fi
  done
  if [ -n "$known" ] && ! install_known; then
    # Packages move on mirrors: what an old list names may be gone.
    { apt update && install_known; } || true
  fi
  left=$(missing_packages)
  if [ -n "$left" ]; then
    say "could not install: ${left% }"
    grep -E '^(E|Err|W):' "$apt_log" | sort -u | head -n 5 | sed 's/^/set-up:   /' >&2 || true
    say "by hand:  apt-get update && apt-get install -y --no-install-recommends ${left% }"
    explain_absence
  fi
  rm -f "$apt_log"
}

all_known() {
  for package in $missing; do is_known "$package" || return 1; done
}

is_known() { apt-cache show --no-all-versions "$1" >/dev/null 2>&1; }

# wireguard-go builds from 2023 on are several times as fast; Debian 12 has one in backports.
preferred() {
  suite=
  if [ "$1" = wireguard-go ]; then
    suite=$(apt-cache policy "$1" 2>/dev/null | sed -n 's/.* \([a-z]*-backports\)\/.*/\1/p' | head -n 1)
  fi
  printf '%s\n' "$1${suite:+/$suite}"
}

install_known() {
  # shellcheck disable=SC2086 # a list of package names
  apt install --no-install-recommends $known
}

apt() {
  DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l apt-get -y -q -o DPkg::Lock::Timeout=120 -o Acquire::Retries=1 \
    -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20 -o APT::Get::Assume-Yes=true \
    "$@" >>"$apt_log" 2>&1 </dev/null 9>&-
}
