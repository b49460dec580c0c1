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

# What the tests need beyond Node.js

missing=''

prepare_tests() {
  need 'chromium' 'a browser for the tests of the page' find_chromium
  need 'python3-socketio' 'a client in another language' find_python_socketio
  need 'python3-websocket' 'its websocket transport' find_python_websocket
  # Also beside a TEST_REDIS_URL: most of these tests freeze, end or fill their servers.
  need 'redis-server' 'a real Redis for the tests of several instances' find_redis_server
  need 'redis-tools' 'redis-cli, which forms a Redis Cluster for tests' find_redis_cli
  # Also beside a TEST_DATABASE_URL: some tests end or configure their server, and that one is nobody's to end.
  need 'postgresql' 'a real Postgres for the tests of the database' find_postgres
  need 'openssl' 'certificates for a Postgres that speaks TLS' find_openssl
  [ -z "$missing" ] || install_packages
}

# need <Debian package> <what for> <function that succeeds when it is there>
need() {
  if ! "$3"; then
    say "Missing for the tests: $1 ($2)"
    missing="$missing $1"
  fi
}

find_redis_server() { have redis-server; }
find_redis_cli() { have redis-cli; }
find_chromium() { [ -x /usr/bin/chromium ]; }
# Debian keeps the programs of a server off the PATH.
find_postgres() { ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || have initdb; }
find_openssl() { have openssl; }
# Debian's packages are for Debian's interpreter; the python3 on the PATH may be another.
find_python_socketio() { /usr/bin/python3 -c 'import socketio' >/dev/null 2>&1; }
find_python_websocket() { /usr/bin/python3 -c 'import websocket' >/dev/null 2>&1; }

install_packages() {
  local as_root=''
  if ! have apt-get; then
    fail "Install these with your system's package manager (names as in Debian):$missing" \
      'Without them run npm run check; the tests that need them fail.'
  fi
  if [ "$(id -u)" -ne 0 ]; then
    if have sudo && sudo -n true 2>/dev/null; then
      as_root='sudo'
    else
      fail 'Installing needs root. Run this, then ./setup.sh test again:' "  sudo apt-get install -y$missing"
    fi
  fi
  say "Installing:$missing"
  # A fresh container has no lists of packages yet. $missing is unquoted: one word for each package.
  $as_root apt-get update -qq || fail 'apt-get update failed; what went wrong stands above.'
  # shellcheck disable=SC2086
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null ||
    fail "apt-get could not install:$missing"
}

main "$@"
