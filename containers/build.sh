#!/usr/bin/env bash
# Build the images; layers of earlier builds are used again.
#
#   containers/build.sh [VARIANT...]     cpu (the default), gpu, train; prints the images' names
#
# ENGINE, BASE_IMAGE  see engine.sh
# Exit codes: 0 built, 1 an image does not build, 69 no engine or base image can be had here
set -euo pipefail
. "$(dirname "$0")/engine.sh"

build() {
  local variant=$1 image old options log
  image=$(image_of "$variant")
  log=$(mktemp)
  options=(--build-arg "BASE_IMAGE=$base" --build-arg "VARIANT=$variant" --build-arg "VERSION=$version" -t "$image")
  if [ "$engine" = podman ]; then
    options+=(--layers --network host)
    # Networks with a certificate authority of their own: trust what this machine trusts. Mounted
    # elsewhere, since the package ca-certificates must be able to write its own file.
    [ ! -f /etc/ssl/certs/ca-certificates.crt ] ||
      options+=(-v /etc/ssl/certs/ca-certificates.crt:/mnt/ca.crt:ro --build-arg CA_BUNDLE=/mnt/ca.crt)
  fi
  old=$("$engine" image inspect --format '{{.Id}}' "$image" 2>/dev/null || true)
  "$engine" build "${options[@]}" "$root" >"$log" 2>&1 ||
    { tail -n 30 "$log" >&2; rm -f "$log"; fail "the image $image does not build"; }
  rm -f "$log"
  # What the new image replaces would stay behind without a name.
  if [ -n "$old" ] && [ "$old" != "$("$engine" image inspect --format '{{.Id}}' "$image")" ]; then
    "$engine" rmi "$old" >/dev/null 2>&1 || true
  fi
  printf '%s\n' "$image"
}

find_engine
find_base
check_engine_runs "$base"
for variant in "${@:-cpu}"; do
  build "$variant"
done
