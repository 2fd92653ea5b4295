#!/usr/bin/env bash
# Install podman and what building images takes, on Debian and its relatives; does nothing where
# a container engine answers already.
#
# Exit codes: 0 an engine answers, 69 it cannot be had here
set -euo pipefail

unavailable() { printf 'unavailable: %s\n' "$*" >&2; exit 69; }
answers() { podman info >/dev/null 2>&1 || docker info >/dev/null 2>&1; }

answers && exit
[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || unavailable "installing podman takes root and apt-get"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq || unavailable "the package lists cannot be renewed"
# runc: crun refuses some cgroups; debootstrap: makes a base where no registry can be reached
apt-get install -qq -y --no-install-recommends buildah debootstrap podman runc uidmap >/dev/null ||
  unavailable "podman cannot be installed"
answers || unavailable "podman was installed, but does not answer"
