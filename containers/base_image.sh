#!/usr/bin/env bash
# Make a stand-in for debian:bookworm-slim with debootstrap, for machines that reach a Debian
# mirror but no container registry. Needs root, debootstrap, and podman or docker.
#
#   containers/base_image.sh [IMAGE]      default: localhost/tcellflow-base:bookworm
#
# DEBIAN_MIRROR  mirror; default: the first Debian line of the apt sources
# EXTRA_CA       certificate bundle (PEM) put in place of the system's, for `docker build` in networks
#                with a certificate authority of their own (with podman, build.sh mounts the bundle)
# ENGINE         podman or docker; default: podman if it is there
# Exit codes: 0 made, 69 no engine or the mirror does not answer, 78 no mirror is known
set -euo pipefail

image=${1:-localhost/tcellflow-base:bookworm}
engine=$(command -v ${ENGINE:-podman docker} | head -n 1 || true)
[ -n "$engine" ] || { echo "error: neither podman nor docker" >&2; exit 69; }
mirror=${DEBIAN_MIRROR:-$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
  grep -oE 'https?://[^ ]+/debian/?( |$)' | head -n 1 | tr -d ' ' || true)}
[ -n "$mirror" ] || { echo "error: no Debian mirror in the apt sources; set DEBIAN_MIRROR" >&2; exit 78; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

debootstrap --variant=minbase --include=ca-certificates,procps,python3,python3-venv \
  bookworm "$work/root" "$mirror" >"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; exit 69; }
if [ -n "${EXTRA_CA:-}" ]; then
  cp "$EXTRA_CA" "$work/root/etc/ssl/certs/ca-certificates.crt"
fi

# Package archives, lists, manuals and translations: what the slim image leaves out as well.
tar -C "$work/root" --sort=name --numeric-owner \
  --exclude='./var/cache/apt/*' --exclude='./var/lib/apt/lists/*' --exclude='./var/log/*' \
  --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' --exclude='./usr/share/info/*' \
  --exclude='./usr/share/locale/*' --exclude='./dev/*' --exclude='./proc/*' --exclude='./sys/*' -c . |
  "$engine" import \
    --change 'CMD ["/bin/bash"]' \
    --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
    - "$image" >/dev/null
echo "$image"
