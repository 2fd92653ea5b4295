#!/usr/bin/env bash
# One sample in a container on a shared computer: as yourself, offline, the input read-only.
#
#   examples/docker_run.sh INPUT_FOLDER OUTPUT_FOLDER SAMPLE [OPTION...]
#   examples/docker_run.sh /data/donor1 results donor1 \
#     --gex sample_filtered_feature_bc_matrix.h5 --tcr filtered_contig_annotations.csv
#
# The options are those of `tcellflow run`; file names in them are relative to the input folder.
# ENGINE  docker (the default) or podman
# IMAGE   default: localhost/tcellflow:0.1.0
# CPUS, MEMORY  what the container may take; default: 2 and 6g
set -euo pipefail
input=$(cd "$1" && pwd)
output=$(mkdir -p "$2" && cd "$2" && pwd)
sample=$3
shift 3

engine=${ENGINE:-docker}
as_me=(--user "$(id -u):$(id -g)")
# Rootless podman would take this number for another user, who may write nothing here.
[ "$engine" != podman ] || [ "$(id -u)" = 0 ] || as_me+=(--userns keep-id)

# The container is you on the host's files, sees two folders and nothing else, and is killed beyond
# its memory (exit code 137).
exec "$engine" run --rm --network none --read-only --tmpfs /tmp \
  "${as_me[@]}" --cpus "${CPUS:-2}" --memory "${MEMORY:-6g}" \
  --volume "$input:$input:ro" --volume "$output:$output" --workdir "$input" \
  "${IMAGE:-localhost/tcellflow:0.1.0}" \
  tcellflow run "$@" --threads "${CPUS:-2}" --prefix "$sample" -o "$output"
