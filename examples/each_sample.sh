#!/usr/bin/env bash
# All samples of a sheet, one after the other, with tcellflow from PATH.
#
#   examples/each_sample.sh examples/samples.csv results
#
# The sheet is CSV without quotes: sample,gex,tcr,adt; a cell may be empty, and relative paths start
# at the sheet's folder. Started again, it goes on where it stopped. A sample that fails does not
# stop the others; their names are told at the end.
set -euo pipefail
sheet=$1 output=$2
cd "$(dirname "$sheet")"
case $output in /*) ;; *) output=$OLDPWD/$output ;; esac

failed=()
while IFS=, read -r sample gex tcr adt; do
  inputs=()
  [ -z "$gex" ] || inputs+=(--gex "$gex")
  [ -z "$tcr" ] || inputs+=(--tcr "$tcr")
  [ -z "$adt" ] || inputs+=(--adt "$adt")
  tcellflow run "${inputs[@]}" --prefix "$sample" -o "$output/$sample" </dev/null || failed+=("$sample")
done < <(tail -n +2 "$(basename "$sheet")" | tr -d '\r')

[ ${#failed[@]} = 0 ] || { echo "failed: ${failed[*]}" >&2; exit 1; }
