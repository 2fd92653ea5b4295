#!/usr/bin/env bash
# Build the image and prove that it works the way clusters use it: any user id, read-only root,
# no HOME, no temporary folder, no network, and the form in which Nextflow starts a task.
#
#   containers/smoke.sh [IMAGE]     IMAGE: check this one; default: build one from this folder
#
# ENGINE      podman or docker; default: whichever answers
# BASE_IMAGE  base to build on; default: Debian from the registry, else the debootstrap stand-in
# KEEP=1      keep the image and the outputs
# Exit codes: 0 all checks passed, 1 a check failed, 69 no engine or base image can be had here
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
image=${1:-localhost/tcellflow:smoke}
registry_base=docker.io/library/debian:bookworm-slim
local_base=localhost/tcellflow-base:bookworm
max_bytes=1100000000
max_packed_bytes=450000000

say() { printf '%s\n' "$*"; }
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }
unavailable() { printf 'unavailable: %s\n' "$*" >&2; exit 69; }

find_engine() {
  local candidate
  for candidate in ${ENGINE:-podman docker}; do
    if command -v "$candidate" >/dev/null && "$candidate" info >/dev/null 2>&1; then
      printf '%s\n' "$candidate"
      return
    fi
  done
  return 1
}

find_base() {
  if [ -n "${BASE_IMAGE:-}" ]; then
    printf '%s\n' "$BASE_IMAGE"
  elif "$engine" image inspect "$registry_base" >/dev/null 2>&1 ||
    timeout 120 "$engine" pull -q "$registry_base" >/dev/null 2>&1; then
    printf '%s\n' "$registry_base"
  elif "$engine" image inspect "$local_base" >/dev/null 2>&1; then
    printf '%s\n' "$local_base"
  elif [ "$(id -u)" = 0 ] && command -v debootstrap >/dev/null; then
    "$here/base_image.sh" "$local_base" 2>"$work/base.log" || { tail -n 5 "$work/base.log" >&2; return 1; }
  else
    return 1
  fi
}

# The first container decides whether podman needs the settings for limited cgroups.
check_engine_runs() {
  "$engine" run --rm --network none "$base" true 2>/dev/null && return
  [ "$engine" = podman ] || return 1
  export CONTAINERS_CONF="$here/containers.conf"
  "$engine" run --rm --network none "$base" true
}

build() {
  local options=(--build-arg "BASE_IMAGE=$base" --build-arg "VERSION=$version" -t "$image")
  if [ "$engine" = podman ]; then
    options+=(--network host)
    # Networks with a certificate authority of their own: trust what this machine trusts. Mounted
    # elsewhere, since the package ca-certificates must be able to write its own file.
    [ ! -f /etc/ssl/certs/ca-certificates.crt ] ||
      options+=(-v /etc/ssl/certs/ca-certificates.crt:/mnt/ca.crt:ro --build-arg PIP_CERT=/mnt/ca.crt)
    if [ -n "${PIP_FIND_LINKS:-}" ] && [ -d "$PIP_FIND_LINKS" ]; then
      options+=(-v "$PIP_FIND_LINKS:/wheels:ro" --build-arg PIP_FIND_LINKS=/wheels)
    fi
  fi
  "$engine" build "${options[@]}" "$root" >"$work/build.log" 2>&1 ||
    { tail -n 30 "$work/build.log" >&2; fail "the image does not build"; }
}

# The harshest surroundings a cluster offers.
inside() {
  local options=(--rm --network none --read-only --user 1234:1234 -v "$work:$work" -w "$work")
  [ "$engine" = docker ] || options+=(--read-only-tmpfs=false)
  "$engine" run "${options[@]}" "$image" /bin/bash -c "unset HOME; $1"
}

# The very form Nextflow uses.
as_nextflow() {
  "$engine" run -i --rm --network none --user 1234:1234 \
    -v "$work:$work" -w "$work" "$image" /bin/bash -c "$1" </dev/null
}

engine=$(find_engine) || unavailable "neither podman nor docker answers"
work=$(mktemp -d)
built=
clean_up() {
  [ -z "${KEEP:-}" ] || { say "kept: $image, $work"; return; }
  rm -rf "$work"
  [ -z "$built" ] || "$engine" rmi -f "$image" >/dev/null 2>&1 || true
}
trap clean_up EXIT
chmod 0777 "$work"  # user 1234 writes here
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$root/pyproject.toml" | head -n 1)

base=$(find_base) || unavailable "no registry answers, and no stand-in base can be made (root and debootstrap)"
check_engine_runs || unavailable "$engine cannot start a container here"
say "engine $engine, base $base"
if [ $# -eq 0 ]; then
  build
  built=yes
fi

say "- version"
[ "$(inside 'tcellflow --version')" = "tcellflow $version" ] || fail "tcellflow --version is not $version"

say "- the tools workflow managers need, and no entrypoint, no root"
inside 'for tool in bash ps awk date grep sed tail tee; do command -v "$tool" >/dev/null || exit 1; done' ||
  fail "a tool is missing"
entrypoint=$("$engine" inspect --format '{{json .Config.Entrypoint}}' "$image")
case "$entrypoint" in null | '[]' | '""' | '') ;; *) fail "the image has an entrypoint: $entrypoint" ;; esac
[ "$("$engine" run --rm --network none "$image" id -u)" = 1000 ] || fail "the image runs as root"

say "- no torch, transformers, scanpy"
inside 'python3 -c "
import importlib.util, sys
sys.exit(any(importlib.util.find_spec(name) for name in (\"torch\", \"transformers\", \"scanpy\", \"scirpy\")))"' ||
  fail "a library that does not belong here is installed"

say "- the whole demonstration: uid 1234, read-only, no HOME, no temporary folder, no network"
inside 'tcellflow run --demo -o first' || fail "the demonstration does not run"
ls "$work"/first/*.report.html "$work"/first/*.annotated.h5ad "$work"/first/*.predictions.csv >/dev/null ||
  fail "an output is missing"

say "- the same started the way Nextflow starts it, with the same bytes; then genes, antibodies and receptors"
as_nextflow 'tcellflow run --demo -o second && tcellflow run --demo --demo-sample trex_pt17_trimodal -o third' ||
  fail "the demonstration does not run in Nextflow's form"
diff -r "$work/first" "$work/second" || fail "two runs of the same sample differ"

say "- exit codes pass through"
code=0
inside 'tcellflow preprocess --gex absent.h5 -o fourth' 2>/dev/null || code=$?
[ "$code" = 66 ] || fail "an absent input gives exit code $code instead of 66"

bytes=$("$engine" image inspect --format '{{.Size}}' "$image")
packed=$("$engine" save "$image" 2>/dev/null | gzip -1 | wc -c)
say "- size $((bytes / 1000000)) MB, packed $((packed / 1000000)) MB"
[ "$bytes" -le "$max_bytes" ] || fail "the image is larger than $((max_bytes / 1000000)) MB"
[ "$packed" -le "$max_packed_bytes" ] || fail "the packed image is larger than $((max_packed_bytes / 1000000)) MB"
say "all checks passed"
