# The part of setup.sh that builds the console. Sourced; uses say, run_node and $profile.

# True when the console was built from the sources that lie here. Type check and lint need no console.
console_ready() {
  [ "$profile" != check ] || return 0
  [ "$(cat apps/console/dist/app/fingerprint 2>/dev/null)" = "$(console_fingerprint)" ]
}

# Changes with the sources of the console, and with the libraries that are built into it.
console_fingerprint() {
  find apps/console package-lock.json -type f ! -path '*/dist/*' ! -path '*/node_modules/*' ! -name '*.tsbuildinfo' |
    LC_ALL=C sort | tr '\n' '\0' | xargs -0 cat | cksum | tr ' ' '-'
}

# The controller works without a console, so a failure is told and does not stop set-up.
build_console() {
  if ! [ -w apps/console ]; then
    say 'the console is not built, and apps/console cannot be written; the API and the command line work without it'
    return 0
  fi
  say 'building the console'
  run_node apps/console/build.ts "$(console_fingerprint)" >&2 ||
    say 'the console could not be built, see above; the API and the command line work without it'
}
