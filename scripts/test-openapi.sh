#!/bin/sh
# Judges the OpenAPI document with Redocly and Spectral, then the API itself with Schemathesis.
#
#   npm run test:openapi -- [--cases N] [--phases coverage,fuzzing]
#
# Installs the tools, in these versions, into .cache/openapi: npm packages, and Python ones into an environment of their
# own. Without Python the fuzzer is left out, with a message.
set -eu
root=$(CDPATH= cd "$(dirname "$0")/.." && pwd)
cd "$root"
sh scripts/setup.sh start
. scripts/setup-npm.sh

redocly=2.77.0
spectral=6.16.3
schemathesis=4.32.5
tools=$root/.cache/openapi

say() { printf 'test:openapi: %s\n' "$*" >&2; }
fail() {
  say "$*"
  exit 1
}

install_linters() {
  wanted="redocly $redocly, spectral $spectral"
  [ "$(cat "$tools/npm/installed" 2>/dev/null)" != "$wanted" ] || return 0
  say "installing $wanted into .cache/openapi (once)"
  rm -rf "$tools/npm"
  mkdir -p "$tools/npm"
  (
    PATH=$(path_without_node_modules)
    npm_with_cache install --prefix "$tools/npm" --ignore-scripts --no-audit --no-fund --no-save --loglevel=error \
      "@redocly/cli@$redocly" "@stoplight/spectral-cli@$spectral" >&2
  ) || fail 'npm could not install them, see above'
  echo "$wanted" >"$tools/npm/installed"
}

# Leaves no environment behind that is only half there.
install_fuzzer() {
  wanted="schemathesis $schemathesis"
  [ "$(cat "$tools/python/installed" 2>/dev/null)" != "$wanted" ] || return 0
  rm -rf "$tools/python"
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || {
    say 'no Python 3.10 or later: the fuzzer is left out'
    return 0
  }
  say "installing $wanted into .cache/openapi (once)"
  if python3 -m venv "$tools/python" >&2 && "$tools/python/bin/pip" install --quiet --disable-pip-version-check \
    "schemathesis==$schemathesis" >&2; then
    echo "$wanted" >"$tools/python/installed"
  else
    rm -rf "$tools/python"
    say 'Python could not install it (python3-venv missing, or no way to PyPI): the fuzzer is left out'
  fi
}

install_linters
install_fuzzer
PATH=$root/node_modules/.bin:$PATH:/usr/sbin:/sbin
export PATH
exec node tests/openapi/main.ts "$@"
