#!/usr/bin/env bash
# All samples of a sheet as one SLURM array, each in Apptainer. Once, for the image:
#
#   apptainer build tcellflow.sif docker-archive:tcellflow.tar     (docs/containers.md: the archive)
#
# Then, for a sheet of three lines below its head:
#
#   sbatch --array=1-3 examples/slurm_array.sh examples/samples.csv results
#
# The sheet is that of each_sample.sh. A task beyond its memory ends with 137: submit its number
# again with more (sbatch --array=2 --mem=12G ...); what is done is kept.
#SBATCH --job-name=tcellflow
#SBATCH --cpus-per-task=2
#SBATCH --mem=6G
#SBATCH --time=01:00:00
#SBATCH --output=tcellflow_%A_%a.log
set -euo pipefail
sheet=$(realpath "$1")
output=$(mkdir -p "$2" && realpath "$2")
image=$(realpath "${IMAGE:-tcellflow.sif}")

line=$(tail -n +2 "$sheet" | tr -d '\r' | sed -n "${SLURM_ARRAY_TASK_ID}p")
[ -n "$line" ] || { echo "the sheet has no sample $SLURM_ARRAY_TASK_ID" >&2; exit 1; }
IFS=, read -r sample gex tcr adt <<<"$line"

cd "$(dirname "$sheet")"
inputs=()
binds=(--bind "$output")
add_input() { # option, path: the folder of the file, its links followed, is what the container sees
  [ -n "$2" ] || return 0
  local path
  path=$(realpath "$2")
  inputs+=("$1" "$path")
  binds+=(--bind "$(dirname "$path"):$(dirname "$path"):ro")
}
add_input --gex "$gex"
add_input --tcr "$tcr"
add_input --adt "$adt"

exec apptainer exec --containall --no-home "${binds[@]}" --pwd "$output" "$image" \
  tcellflow run "${inputs[@]}" --threads "$SLURM_CPUS_PER_TASK" --prefix "$sample" -o "$output/$sample"
