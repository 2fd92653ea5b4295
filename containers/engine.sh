# Sourced by the scripts beside it: which container engine, on which base. Sets `engine` and `base`.
# shellcheck shell=bash
#
# ENGINE      podman or docker; default: whichever answers
# BASE_IMAGE  base to build on; default: Debian from the registry, else the debootstrap stand-in
containers=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$containers")
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$root/pyproject.toml" | head -n 1)
registry_base=docker.io/library/debian:bookworm-slim
local_base=localhost/tcellflow-base:bookworm

say() { printf '%s\n' "$*"; }
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }
unavailable() { printf 'unavailable: %s\n' "$*" >&2; exit 69; }

# One tag each, as the Nextflow modules name them.
image_of() {
  case "$1" in
    cpu) printf 'localhost/tcellflow:%s\n' "$version" ;;
    gpu | train) printf 'localhost/tcellflow:%s-%s\n' "$version" "$1" ;;
    *) fail "no image is called $1; there are cpu, gpu and train" ;;
  esac
}

find_engine() {
  local candidate
  for candidate in ${ENGINE:-podman docker}; do
    if command -v "$candidate" >/dev/null && "$candidate" info >/dev/null 2>&1; then
      engine=$candidate
      return
    fi
  done
  unavailable "neither podman nor docker answers"
}

find_base() {
  if [ -n "${BASE_IMAGE:-}" ]; then
    base=$BASE_IMAGE
  elif "$engine" image inspect "$local_base" >/dev/null 2>&1; then
    base=$local_base
  elif timeout 120 "$engine" pull -q "$registry_base" >/dev/null 2>&1; then
    base=$registry_base
  elif [ "$(id -u)" = 0 ] && command -v debootstrap >/dev/null; then
    ENGINE=$engine "$containers/base_image.sh" "$local_base" >&2 || unavailable "the stand-in base cannot be made"
    base=$local_base
  else
    unavailable "no registry answers, and making the stand-in base takes root and debootstrap"
  fi
}

# The first container decides whether podman needs the settings for limited cgroups.
check_engine_runs() {
  "$engine" run --rm --network none "$1" true 2>/dev/null && return
  [ "$engine" = podman ] || unavailable "docker cannot start a container here"
  export CONTAINERS_CONF="$containers/containers.conf"
  "$engine" run --rm --network none "$1" true || unavailable "podman cannot start a container here"
}
