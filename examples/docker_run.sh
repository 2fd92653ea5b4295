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

# The container never runs as root on the host's files, sees two folders and nothing else, and is
# killed beyond its memory (exit code 137).
exec "${ENGINE:-docker}" run --rm --network none --read-only --tmpfs /tmp \
  --user "$(id -u):$(id -g)" --cpus "${CPUS:-2}" --memory "${MEMORY:-6g}" \
  --volume "$input:$input:ro" --volume "$output:$output" --workdir "$input" \
  "${IMAGE:-localhost/tcellflow:0.1.0}" \
  tcellflow run "$@" --threads "${CPUS:-2}" --prefix "$sample" -o "$output"
