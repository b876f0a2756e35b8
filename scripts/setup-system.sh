# The half of setup.sh that looks after the system's tools. Sourced; uses say, fail and $profile.

# command, or file with names that ip and nft read, and its Debian package
gateway_tools='/etc/protocols:netbase ip:iproute2 nft:nftables conntrack:conntrack wg:wireguard-tools wireguard-go:wireguard-go'
test_tools='perl:perl-base ping:iputils-ping iperf3:iperf3 unshare:util-linux sysctl:procps udhcpc:udhcpc dnsmasq:dnsmasq-base chromium:chromium postgres:postgresql faketime:faketime pgbouncer:pgbouncer'

if [ "$(id -u)" = 0 ]; then sudo=; else sudo='sudo '; fi

# True when nothing is missing, or what is missing is not wanted here.
system_ready() { [ -z "$(missing_packages)" ]; }

missing_packages() {
  for tool in $(wanted_tools); do
    is_there "${tool%%:*}" || printf '%s ' "${tool#*:}"
  done
}

is_there() {
  case $1 in
    /*) [ -s "$1" ] ;;
    # Debian keeps the server of PostgreSQL out of the search path.
    postgres) command -v postgres >/dev/null 2>&1 || ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 ;;
    # Only root has its folder in the search path.
    pgbouncer) command -v pgbouncer >/dev/null 2>&1 || [ -x /usr/sbin/pgbouncer ] ;;
    *) command -v "$1" >/dev/null 2>&1 ;;
  esac
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
  install_backport
  if [ -z "$missing" ]; then
    rm -f "$apt_log"
    return
  fi
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
  if [ "$1" = wireguard-go ]; then suite=$(backports_known); fi
  printf '%s\n' "$1${suite:+/$suite}"
}

backports_known() {
  apt-cache policy wireguard-go 2>/dev/null | sed -n 's/.* \([a-z]*-backports\)\/.*/\1/p' | head -n 1
}

# Takes that build where the machine's sources do not name backports. The list of them, and what apt notes about it, lie in a
# folder that goes away, so the sources stay as they are. What fails here is no harm: the slow build follows.
install_backport() {
  [ "$(. /etc/os-release && echo "${ID:-} ${VERSION_ID:-}")" = 'debian 12' ] || return 0
  case " $missing " in *' wireguard-go '*) ;; *) return 0 ;; esac
  [ -z "$(backports_known)" ] || return 0
  own=$(mktemp -d)
  chmod 755 "$own"
  # shellcheck disable=SC2016 # apt fills it in
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Codename: bookworm' 2>/dev/null | head -n 1)
  keys=/usr/share/keyrings/debian-archive-keyring.gpg
  printf 'deb [signed-by=%s] %s bookworm-backports main\n' "$keys" "${mirror:-http://deb.debian.org/debian}" >"$own/backports.list"
  mkdir -p "$own/lists/partial" "$own/cache/archives/partial"
  say 'taking wireguard-go from Debian backports, whose build is several times as fast'
  { apt_beside update && apt_beside install --no-install-recommends wireguard-go; } || say 'that was not to be had'
  rm -rf "$own"
  missing=$(missing_packages)
  missing=${missing% }
}

apt_beside() {
  apt -o Dir::Etc::SourceList="$own/backports.list" -o Dir::Etc::SourceParts=/dev/null \
    -o Dir::State::Lists="$own/lists" -o Dir::Cache="$own/cache" "$@"
}

install_known() {
  case " $known " in *' postgresql '*) keep_postgres_quiet || return 1 ;; esac
  case " $known " in *' pgbouncer '*) keep_pgbouncer_quiet ;; esac
  installed=yes
  # shellcheck disable=SC2086 # a list of package names
  apt install --no-install-recommends $known || installed=
  case " $known " in *' pgbouncer '*) end_pgbouncer ;; esac
  [ -n "$installed" ] || return 1
  case " $known " in *' postgresql '*) pg_conftool "$clusters" remove create_main_cluster || true ;; esac
}

# Tests start servers of their own: the package must not start one for the machine.
keep_postgres_quiet() {
  clusters=/etc/postgresql-common/createcluster.conf
  apt install --no-install-recommends postgresql-common && pg_conftool "$clusters" set create_main_cluster false
}

# The package of PgBouncer starts a service at once. A machine may forbid that to packages by a program of its own.
keep_pgbouncer_quiet() {
  policy=/usr/sbin/policy-rc.d
  if [ -e "$policy" ]; then
    policy=
    return
  fi
  # shellcheck disable=SC2016 # for that program
  printf '#!/bin/sh\n# Left by a set-up of Sallyport that did not end. May be removed.\ncase $1 in pgbouncer*) exit 101 ;; esac\n' >"$policy"
  chmod 755 "$policy"
}

# The service does not start with the machine either.
end_pgbouncer() {
  [ -z "$policy" ] || rm -f "$policy"
  update-rc.d pgbouncer disable >/dev/null 2>&1 || true
}

apt() {
  DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l apt-get -y -q -o DPkg::Lock::Timeout=120 -o Acquire::Retries=1 \
    -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20 -o APT::Get::Assume-Yes=true \
    "$@" >>"$apt_log" 2>&1 </dev/null 9>&-
}
