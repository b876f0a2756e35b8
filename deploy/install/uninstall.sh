#!/bin/sh
# Removes what install.sh put on this host. bin/sally starts it: sally uninstall
set -eu

home=/opt/sallyport
etc=/etc/sallyport
state=/var/lib/sallyport
link=/usr/local/bin/sally
shared=/usr/local/share
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export PATH

usage() {
  cat <<END
Usage: sally uninstall [gateway|client] [options]

Undoes everything on this host, and removes program, settings and keys. Without a role: of every role that this host has.
Only a program that the controller's script installed can be removed like this.

  --dry-run      say what would happen, and change nothing
  --keep-state   leave the settings in $etc and the keys in $state

Exit codes: 0 done, 1 failed, 2 wrong usage.
END
}

say() { printf '%s\n' "$*"; }
fail() {
  printf 'sally uninstall: %s\n' "$*" >&2
  exit "${code:-1}"
}

main() {
  dry_run=false keep=false roles=''
  for word in "$@"; do
    case $word in
      --dry-run) dry_run=true ;;
      --keep-state) keep=true ;;
      gateway | client) roles="$roles $word" ;;
      -h | --help)
        usage
        exit 0
        ;;
      *) code=2 fail "$word is neither a role nor an option; see --help" ;;
    esac
  done
  [ -L "$home/current" ] || fail "nothing is installed in $home: this program runs from elsewhere, and is removed the way it came"
  if [ "$(id -u)" != 0 ] && ! $dry_run; then fail 'run this as root: sudo sally uninstall'; fi
  if [ -z "$roles" ]; then roles=$(present_roles); fi
  for role in ${roles:-none}; do uninstall; done
  if $dry_run; then say 'This was a dry run: nothing was changed.'; else say 'Done. Packages of the distribution stay.'; fi
}

present_roles() {
  for one in gateway client; do if has_role $one; then echo $one; fi; done
}

uninstall() {
  service=sallyport-$role
  other=client
  if [ "$role" = client ]; then other=gateway; fi
  program_stays=false
  if has_role $other; then program_stays=true; fi
  say "Remove Sallyport (role: $role) from this host:"
  say "  stop the service $service, undo tunnels, rules and routes"
  if $keep; then say "  leave settings in $etc and keys in $state/$role"; else say "  remove its settings in $etc and its keys in $state/$role"; fi
  if $program_stays; then say "  leave the program: this host is a $other, too"; else say "  remove $home and $link"; fi
  if $dry_run; then return; fi
  stop_service
  undo_network
  remove_settings
  if ! $program_stays; then remove_program; fi
}

has_role() {
  [ -e "/etc/systemd/system/sallyport-$1.service" ] || [ -e "/etc/init.d/sallyport-$1" ] || [ -e "$etc/$1.env" ] || [ -d "$state/$1" ]
}

stop_service() {
  if [ -e "/etc/systemd/system/$service.service" ]; then
    if [ -d /run/systemd/system ]; then systemctl disable -q --now "$service" || true; fi
    rm -f "/etc/systemd/system/$service.service" "/etc/systemd/system/multi-user.target.wants/$service.service"
    if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
  fi
  if [ -e "/etc/init.d/$service" ]; then
    rc-service "$service" stop || true
    rc-update -q del "$service" || true
    rm -f "/etc/init.d/$service"
  fi
}

undo_network() {
  if [ "$role" = none ] || ! [ -x "$home/current/bin/sally" ]; then return 0; fi
  if [ "$role" = gateway ]; then set -- gateway down; else set -- down; fi
  if ! $keep && [ "$role" = client ]; then set -- "$@" --forget; fi
  "$home/current/bin/sally" "$@" || fail 'could not undo everything, so the program stays. Stop what still runs, and try again'
}

remove_settings() {
  if ! $keep; then
    rm -rf "${state:?}/$role"
    rm -f "$etc/$role.env" "$etc/$role.token"
  fi
  if ! $keep && ! $program_stays; then rm -f "$etc/release-key.pem" "$etc/ca.pem"; fi
  rmdir "$etc" "$state" /run/sallyport 2>/dev/null || true
}

is_our_link() { case $(readlink "$link" 2>/dev/null) in "$home"/*) return 0 ;; *) return 1 ;; esac; }

# Manual pages and completions, and the folders that the installation made for them.
remove_documents() {
  find "$shared" -type l 2>/dev/null | while IFS= read -r file; do
    case $(readlink "$file") in "$home"/current/share/*) rm -f "$file" ;; esac
  done
  [ -e "$home/.made-folders" ] || return 0
  sort -r "$home/.made-folders" | while IFS= read -r folder; do rmdir "$folder" 2>/dev/null || true; done
}

remove_program() {
  if is_our_link; then rm -f "$link"; fi
  remove_documents
  rm -rf "${home:?}/versions" "$home/current" "$home/trial" "$home"/.[!.]*
  rmdir "$home" 2>/dev/null || say "$home holds more, which stays."
}

main "$@"
