#!/usr/bin/env bash
# From a fresh machine to a running Tandem, or to its tests. Written for bash 3.2, the one that macOS has.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

usage() {
  cat <<'USAGE'
Usage: ./setup.sh [start [--lan] | test | --help]

  ./setup.sh              installs the dependencies, writes .env when there is none, builds
  ./setup.sh start        the same, then starts the server on this machine
  ./setup.sh start --lan  the same, reachable from the local network for this run
  ./setup.sh test         the same without the start, then what the tests need, then types, lint and tests

Each step is done only when it is needed: a second run is quick. An existing .env is never changed.
One instance needs nothing beside Node.js. Several need Redis and Postgres: npm run doctor says what is missing.
USAGE
}

main() {
  case "${1-}" in
    start)
      case "${2-}" in
        '') ;;
        --lan) export HOST=0.0.0.0 ;;
        *) misused "$2" ;;
      esac
      [ $# -le 2 ] || misused "$3"
      prepare
      node scripts/setup.js port || exit 1
      node scripts/setup.js addresses
      # exec: the server itself receives the signals that end it, and its exit code is ours.
      exec node dist/server/main.js
      ;;
    test)
      [ $# -eq 1 ] || misused "$2"
      prepare
      prepare_tests
      exec npm run --silent check
      ;;
    '')
      prepare
      say 'Ready. Start the server with ./setup.sh start, or with npm start.'
      say_redis_options
      ;;
    -h | --help | help) usage ;;
    *) misused "$1" ;;
  esac
}

prepare() {
  check_node
  node scripts/setup.js
}

say() { printf '%s\n' "$*"; }
fail() {
  printf '%s\n' "$@" >&2
  exit 1
}
misused() {
  printf 'setup.sh: not understood: %s\n' "$1" >&2
  usage >&2
  exit 2
}
have() { command -v "$1" >/dev/null 2>&1; }

# Node.js

check_node() {
  have node || fail "Tandem needs Node.js 20.19 or newer, and there is no 'node' on the PATH." "$(how_to_get_node)"
  local version major minor
  version=$(node -p process.versions.node)
  major=${version%%.*}
  minor=${version#*.}
  minor=${minor%%.*}
  case "$major$minor" in
    '' | *[!0-9]*) fail "Not understood: $(command -v node) says that it is version '$version'." "$(how_to_get_node)" ;;
  esac
  if [ "$major" -lt 20 ] || { [ "$major" -eq 20 ] && [ "$minor" -lt 19 ]; }; then
    fail "Tandem needs Node.js 20.19 or newer; $(command -v node) is $version." "$(how_to_get_node)"
  fi
  if [ "$major" -eq 20 ]; then
    say 'Node.js 20 is past its end of life (April 2026): it works, but gets no security fixes. Better take 24.'
  fi
  have npm || fail "There is Node.js $version but no 'npm' on the PATH; install npm, which your system packs separately."
}

how_to_get_node() {
  if [ "$(uname -s)" = Darwin ]; then
    say 'On macOS: brew install node, or the installer from https://nodejs.org/'
  elif have apk; then
    say 'On Alpine: apk add nodejs npm'
  elif have dnf; then
    say 'On Fedora and its relatives: sudo dnf install nodejs npm'
  elif have pacman; then
    say 'On Arch: sudo pacman -S nodejs npm'
  else
    say 'Packages of the distribution are often too old. Take version 24 from https://nodejs.org/en/download,'
    say 'or with nvm (https://github.com/nvm-sh/nvm): nvm install 24'
  fi
}

# Only for those who want several instances: one keeps its state to itself, and needs none.
say_redis_options() {
  node scripts/setup.js wants-redis || return 0
  have redis-server && return 0
  say 'Several instances share a Redis 7 (REDIS_URL) and a Postgres (DATABASE_URL). How to get a Redis:'
  case "$(uname -s)" in
    Darwin) say '  brew install redis && brew services start redis' ;;
    MINGW* | MSYS* | CYGWIN*) say '  in WSL: sudo apt-get install redis-server; or Memurai, https://www.memurai.com/' ;;
    *)
      if have apt-get; then
        say '  sudo apt-get install redis-server'
      elif have dnf; then
        say '  sudo dnf install redis (or valkey, where there is none)'
      elif have apk; then
        say '  apk add redis'
      elif have pacman; then
        say '  sudo pacman -S valkey'
      else
        say '  https://redis.io/docs/latest/operate/oss_and_stack/install/'
      fi
      ;;
  esac
  say '  then, in redis.conf: appendonly yes, appendfsync always, maxmemory-policy noeviction'
  say 'npm run doctor says whether it will do.'
}

# What the tests need beyond Node.js

missing=''
# Of these, what nothing else stands in for.
required=''

prepare_tests() {
  need 'chromium' 'a browser for the tests of the page' find_chromium
  need 'python3-socketio' 'a client in another language' find_python_socketio
  need 'python3-websocket' 'its websocket transport' find_python_websocket
  # Also beside a TEST_REDIS_URL: most of these tests freeze, end or fill their servers.
  need 'redis-server' 'a real Redis for the tests of several instances' find_redis_server "${TEST_REDIS_URL-}"
  need 'redis-tools' 'redis-cli, which forms a Redis Cluster for tests' find_redis_cli "${TEST_REDIS_URL-}"
  # Also beside a TEST_DATABASE_URL: some tests end or configure their server, and that one is nobody's to end.
  need 'postgresql' 'a real Postgres for the tests of the database' find_postgres "${TEST_DATABASE_URL-}"
  need 'openssl' 'certificates for a Postgres that speaks TLS' find_openssl
  need 'nginx-light' 'a real balancer in front of several instances' find_nginx
  need 'prometheus' 'promtool, which checks metrics and alert rules' find_promtool
  need 'shellcheck' 'the check of this script' find_shellcheck
  [ -z "$missing" ] || install_packages
}

# need <Debian package> <what for> <function that succeeds when it is there> [<URL of one elsewhere>]
need() {
  if ! "$3"; then
    say "Missing for the tests: $1 ($2)"
    missing="$missing $1"
    [ -n "${4-}" ] || required="$required $1"
  fi
}

find_redis_server() { have redis-server; }
find_redis_cli() { have redis-cli; }
find_chromium() { [ -x /usr/bin/chromium ]; }
# Debian keeps the programs of a server off the PATH.
find_postgres() { ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || have initdb; }
find_openssl() { have openssl; }
# Debian keeps it where only root's PATH leads.
find_nginx() { have nginx || [ -x /usr/sbin/nginx ]; }
find_promtool() { have promtool; }
find_shellcheck() { have shellcheck; }
# Debian's packages are for Debian's interpreter; the python3 on the PATH may be another.
find_python_socketio() { /usr/bin/python3 -c 'import socketio' >/dev/null 2>&1; }
find_python_websocket() { /usr/bin/python3 -c 'import websocket' >/dev/null 2>&1; }

as_root=''
# invoke-rc.d(8) and deb-systemd-invoke(1p) ask it before they start a service; 101 is "no".
policy=/usr/sbin/policy-rc.d
wrote_policy=''

install_packages() {
  if ! have apt-get; then
    cannot_install "Install these with your system's package manager (names as in Debian):$missing" \
      'Without them run npm run check; the tests that need them fail.'
    return 0
  fi
  if [ "$(id -u)" -ne 0 ]; then
    if have sudo && sudo -n true 2>/dev/null; then
      as_root='sudo'
    else
      cannot_install 'Installing needs root. Run this, then ./setup.sh test again:' \
        "  sudo apt-get install -y$missing" \
        'Debian starts the services among them; the tests need none of them to run.'
      return 0
    fi
  fi
  say "Installing:$missing"
  # A fresh container has no lists of packages yet. $missing is unquoted: one word for each package.
  $as_root apt-get update -qq || fail 'apt-get update failed; what went wrong stands above.'
  keep_services_down
  # shellcheck disable=SC2086
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null ||
    fail "apt-get could not install:$missing"
  allow_services
  disable_services
}

# Most tests are content with the Redis and the Postgres that are named.
cannot_install() {
  [ -z "$required" ] || fail "$@"
  say "Going on without:$missing"
  say 'Tests that end, freeze, fill or configure servers of their own fail: startRedis and startPostgres in test/support.'
}

# Debian starts what it installs, and tests start their own: a Redis or an nginx that nobody asked for would take ports
# and be reachable. A policy that is there already is its owner's business.
keep_services_down() {
  if $as_root test -e "$policy"; then return; fi
  wrote_policy=yes
  trap allow_services EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  printf '#!/bin/sh\n# Of setup.sh, for the time of one installation.\nexit 101\n' |
    $as_root tee "$policy" >/dev/null
  $as_root chmod 755 "$policy"
}

allow_services() {
  [ -n "$wrote_policy" ] || return 0
  wrote_policy=''
  $as_root rm -f "$policy"
}

# Nor at the next boot. Of what was installed just now alone: what was there before is not touched.
disable_services() {
  [ -d /run/systemd/system ] || return 0
  local package service
  for package in $missing; do
    case "$package" in
      nginx-light) service=nginx ;;
      prometheus | postgresql | redis-server) service=$package ;;
      *) continue ;;
    esac
    $as_root systemctl disable --quiet "$service" ||
      say "Installed, and starts at the next boot: $service. To prevent that: systemctl disable $service"
  done
}

main "$@"
