#!/usr/bin/env bash
# Checks what cannot come from a package registry, and installs Debian packages where it may.
# Usage: prerequisites.sh [build] [test]
set -euo pipefail

fail() {
  printf 'error: %s\nhint:  %s\n' "$1" "$2" >&2
  exit 1
}

# Debian packages, installed as root and named otherwise.
need() {
  local package=$1
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing $package …" >&2
    export DEBIAN_FRONTEND=noninteractive
    # No database server of its own: the tests start private ones.
    if [ "$package" = postgresql ] && [ ! -e /etc/postgresql-common/createcluster.conf ]; then
      mkdir -p /etc/postgresql-common/createcluster.d
      echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.d/hanse.conf
    fi
    { apt-get -qq install -y --no-install-recommends "$package" ||
      { apt-get -qq update && apt-get -qq install -y --no-install-recommends "$package"; }; } \
      >/dev/null 2>&1 || fail "$package could not be installed" "sudo apt-get update && sudo apt-get install -y $package"
  else
    fail "$package is not installed" "sudo apt-get install -y $package"
  fi
}

build() {
  command -v cc >/dev/null || need build-essential
  command -v cargo >/dev/null || fail "Rust is not installed" \
    "install rustup from https://rustup.rs, then: rustup toolchain install 1.95"
  command -v go >/dev/null || fail "Go is not installed" "install Go 1.26 from https://go.dev/dl"
}

tests() {
  compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || need postgresql
  command -v psql >/dev/null || need postgresql-client
  command -v ssh-keygen >/dev/null || need openssh-client
  # For the script that docs/evidence.md shows.
  verifies || need python3-cryptography
  verifies || fail "no python3 of 3.11 or newer has the package cryptography" \
    "sudo apt-get install -y python3-cryptography, of Debian 12 or newer; or: python3 -m pip install cryptography"
}

# Whether a python3 can run that script: another than Debian's may be first.
verifies() {
  local python
  for python in python3 /usr/bin/python3; do
    "$python" -c 'import sys, cryptography.hazmat.primitives.asymmetric.ed25519
sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && return
  done
  return 1
}

for what in "$@"; do
  case $what in
    build) build ;;
    test) tests ;;
    *) fail "unknown part: $what" "prerequisites.sh [build] [test]" ;;
  esac
done
