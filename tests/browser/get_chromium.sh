#!/usr/bin/env bash
# Install the Chromium that opens the report in the tests, on Debian and its relatives; does nothing where
# there is one.
#
# Exit codes: 0 it is there, 69 it cannot be had here
set -euo pipefail
unavailable() { echo "Chromium is not available: $1" >&2; exit 69; }
command -v chromium >/dev/null && exit 0
[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || unavailable "installing it takes root and apt-get"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq || unavailable "the package lists cannot be renewed"
apt-get install -qq -y --no-install-recommends chromium >/dev/null || unavailable "it cannot be installed"
