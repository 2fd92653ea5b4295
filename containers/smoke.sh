#!/usr/bin/env bash
# Prove that the images work the way clusters use them: any user id, a read-only root, no HOME, no
# temporary folder, no network, and the form in which Nextflow starts a task.
#
#   containers/smoke.sh [VARIANT...]     cpu (the default), gpu, train; built first, where needed
#
# ENGINE, BASE_IMAGE  see engine.sh
# KEEP=1              keep the outputs
# Exit codes: 0 all checks passed, 1 a check failed, 69 no engine or base image can be had here
set -euo pipefail
. "$(dirname "$0")/engine.sh"

# Bytes an image may take, unpacked and packed.
limits_of() {
  case "$1" in
    cpu) echo 1100000000 450000000 ;;
    gpu) echo 3700000000 2200000000 ;;
    train) echo 7000000000 4500000000 ;;
  esac
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

# The command of one step, on the files of the steps before it.
command_of() {
  case "$1" in
    preprocess) echo "tcellflow preprocess --gex \$sample/sample_filtered_feature_bc_matrix.h5 --tcr \$sample/filtered_contig_annotations.csv" ;;
    embed-tcr) echo "tcellflow embed-tcr s.chains.parquet --gex s.cells.h5ad --no-h5ad" ;;
    predict) echo "tcellflow predict s.cells.h5ad --receptors s.receptors.parquet" ;;
    fuse) echo "tcellflow fuse s.cells.h5ad" ;;
    describe) echo "tcellflow describe run s.cells.h5ad --pred s.predictions.parquet --tcr s.chains.parquet" ;;
    report) echo "tcellflow report" ;;
    *) fail "no check is written for the step $1" ;;
  esac
}

check_surroundings() {
  say "- version, labels, user"
  [ "$(inside 'tcellflow --version')" = "tcellflow $version" ] || fail "tcellflow --version is not $version"
  [ "$("$engine" image inspect --format '{{index .Config.Labels "tcellflow.variant"}}' "$image")" = "$variant" ] ||
    fail "the image is not labelled $variant"
  [ "$("$engine" run --rm --network none "$image" id -u)" = 1000 ] || fail "the image runs as root"
  say "- the tools workflow managers need, and no entrypoint"
  inside 'for tool in bash ps awk date grep sed tail tee; do command -v "$tool" >/dev/null || exit 1; done' ||
    fail "a tool is missing"
  local entrypoint
  entrypoint=$("$engine" image inspect --format '{{json .Config.Entrypoint}}' "$image")
  case "$entrypoint" in null | '[]' | '""' | '') ;; *) fail "the image has an entrypoint: $entrypoint" ;; esac
  say "- nothing that anyone may write, and a list of what is inside"
  [ -z "$(inside 'find /opt /usr -xdev -perm -o+w ! -type l')" ] || fail "a file of the image can be written by anyone"
  inside 'python3 -c "
import importlib.metadata, json
listed = {part[\"name\"].lower() for part in json.load(open(\"/opt/tcellflow/sbom.cdx.json\"))[\"components\"]}
installed = {found.name.lower() for found in importlib.metadata.distributions()} - {\"tcellflow\"}
assert listed == installed, listed ^ installed"' || fail "the list of parts is not what is installed"
}

check_libraries() {
  local unwanted='"scanpy", "scirpy"'
  [ "$variant" = train ] || unwanted+=', "torch", "transformers"'
  say "- none of $unwanted"
  inside "python3 -c '
import importlib.util, sys
sys.exit(any(importlib.util.find_spec(name) for name in ($unwanted)))'" ||
    fail "a library that does not belong here is installed"
}

check_steps() {
  local steps step where
  where='sample=$(python3 -c "import tcellflow, pathlib; print(pathlib.Path(tcellflow.__file__).parent / \"data/samples/tenx_healthy_T_1k\")")'
  steps=$(inside 'python3 -c "from tcellflow.vocabulary import STEPS; print(*STEPS)"')
  for step in $steps; do
    say "- $step: uid 1234, read-only, no HOME, no temporary folder, no network"
    inside "$where; mkdir -p first && cd first && $(command_of "$step") --prefix s -o ." || fail "$step does not run"
  done
  say "- the same in the form Nextflow starts tasks, with the same bytes"
  for step in $steps; do
    as_nextflow "$where; mkdir -p second && cd second && $(command_of "$step") --prefix s -o ." || fail "$step does not run"
  done
  # Without a temporary folder the caches lie in the working folder.
  diff -r -x 'tcellflow-*' "$work/first" "$work/second" || fail "two runs of the same sample differ"
  for file in s.cells.h5ad s.receptors.parquet s.predictions.csv s.annotated.h5ad s.report.html s_mqc.json s.general_mqc.json s.states_mqc.json; do
    [ -s "$work/first/$file" ] || fail "$file is missing"
  done
  say "- genes, antibodies and receptors in one go, and the packaged bundles"
  inside 'tcellflow run --demo --demo-sample trex_pt17_trimodal -o third' || fail "the trimodal sample does not run"
  inside 'tcellflow bundle verify' || fail "a packaged bundle does not run"
  say "- exit codes pass through; the GPU is never replaced silently"
  expect_code 66 'tcellflow preprocess --gex absent.h5 -o fourth'
  expect_code 78 'tcellflow predict first/s.cells.h5ad --device cuda --prefix s -o fourth'
}

expect_code() {
  local code=0
  inside "$2" 2>"$work/error" || code=$?
  [ "$code" = "$1" ] || { cat "$work/error" >&2; fail "exit code $code instead of $1: $2"; }
}

# Without a GPU no kernel can run, but its libraries must be found: else the CPU would be used.
check_gpu() {
  say "- without a driver, auto takes the CPU and says so, without noise"
  [ "$(inside 'tcellflow predict first/s.cells.h5ad --prefix s -o fifth' 2>&1)" = "device: cpu (chosen by --device auto)" ] ||
    fail "predict says something else"
  say "- the CUDA libraries load"
  inside 'python3 -c "
import ctypes, onnxruntime
onnxruntime.preload_dlls()
loaded = open(\"/proc/self/maps\").read()
missing = [name for name in (\"libcudart\", \"libcublasLt\", \"libcudnn\", \"libcufft\") if name not in loaded]
assert not missing, missing
assert \"CUDAExecutionProvider\" in onnxruntime.get_available_providers()"' || fail "a CUDA library is missing"
}

check_train() {
  say "- training writes a bundle that runs"
  inside 'tcellflow train receptors --chains first/s.chains.parquet --steps 2 --batch-size 16 \
    --width 8 --layers 1 --dimension 8 --device cpu -o trained && tcellflow bundle verify trained/bundle' ||
    fail "training does not run"
}

check_size() {
  local bytes packed max_bytes max_packed
  read -r max_bytes max_packed <<<"$(limits_of "$variant")"
  bytes=$("$engine" image inspect --format '{{.Size}}' "$image")
  packed=$("$engine" save "$image" 2>/dev/null | gzip -1 | wc -c)
  say "- size $((bytes / 1000000)) MB, packed $((packed / 1000000)) MB"
  [ "$bytes" -le "$max_bytes" ] || fail "the image is larger than $((max_bytes / 1000000)) MB"
  [ "$packed" -le "$max_packed" ] || fail "the packed image is larger than $((max_packed / 1000000)) MB"
}

find_engine
for variant in "${@:-cpu}"; do
  image=$(image_of "$variant")
  "$containers/build.sh" "$variant" >/dev/null
  check_engine_runs "$image"
  work=$(mktemp -d)
  [ -n "${KEEP:-}" ] || trap 'rm -rf "$work"' EXIT
  chmod 0777 "$work" # user 1234 writes here
  say "$image with $engine"
  check_surroundings
  check_libraries
  check_steps
  case "$variant" in gpu) check_gpu ;; train) check_train ;; esac
  check_size
  if [ -n "${KEEP:-}" ]; then say "kept: $work"; else rm -rf "$work"; fi
done
say "all checks passed"
