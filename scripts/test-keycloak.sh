#!/bin/sh
# Signs in through a real Keycloak, in development mode on loopback.
#
#   npm run test:keycloak
#
# Fetches Keycloak with Maven into .cache/keycloak, once (about 180 MB). Needs Java 17 or later, Maven and unzip.
set -eu
root=$(CDPATH= cd "$(dirname "$0")/.." && pwd)
cd "$root"
sh scripts/setup.sh start

version=26.7.0
folder=$root/.cache/keycloak

say() { printf 'test:keycloak: %s\n' "$*" >&2; }
fail() {
  say "$*"
  exit 1
}

for program in java mvn unzip; do
  command -v "$program" >/dev/null || fail "$program is missing: apt-get install -y default-jre-headless maven unzip"
done

if [ ! -x "$folder/keycloak-$version/bin/kc.sh" ]; then
  say "fetching Keycloak $version into .cache/keycloak (once)"
  rm -rf "$folder"
  mkdir -p "$folder"
  mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy \
    "-Dartifact=org.keycloak:keycloak-quarkus-dist:$version:zip" "-DoutputDirectory=$folder" >&2 ||
    fail 'Maven could not fetch it, see above'
  unzip -q "$folder/keycloak-quarkus-dist-$version.zip" -d "$folder"
  rm "$folder/keycloak-quarkus-dist-$version.zip"
fi

PATH=$root/node_modules/.bin:$PATH
KEYCLOAK_HOME=$folder/keycloak-$version
export PATH KEYCLOAK_HOME
exec node --test tests/keycloak/sign-in.ts "$@"
