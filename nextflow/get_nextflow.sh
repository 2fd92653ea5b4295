#!/usr/bin/env bash
# Get the Nextflow that the pipeline is tested with, once; afterwards nothing needs the network.
#
#   nextflow/get_nextflow.sh FOLDER LAUNCHER    FOLDER becomes NXF_HOME; LAUNCHER: the `nextflow` command
#
# Version and checksum stand in requirements/nextflow.sha256. The jar comes from Maven Central where
# mvn is present, else through the launcher's own download; either way its checksum must be right.
# Exit codes: 0 Nextflow answers, 1 a file is not what it should be, 69 it cannot be had here
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
folder=$(mkdir -p "$1" && cd "$1" && pwd)
launcher=$2
read -r checksum jar <"$here/../requirements/nextflow.sha256"
NXF_VER=${jar#nextflow-}
NXF_VER=${NXF_VER%-one.jar}
export NXF_VER NXF_HOME=$folder NXF_ANSI_LOG=false NXF_DISABLE_CHECK_LATEST=true
place=$folder/framework/$NXF_VER

unavailable() { printf 'unavailable: %s\n' "$*" >&2; exit 69; }
is_whole() { [ -f "$place/$jar" ] && printf '%s  %s\n' "$checksum" "$place/$jar" | sha256sum --check --quiet -; }

command -v java >/dev/null || unavailable "Nextflow needs Java 17 or newer (Debian: apt-get install openjdk-17-jre-headless)"
if ! [ -f "$place/$jar" ]; then
  if command -v mvn >/dev/null; then
    mvn --batch-mode --quiet org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy \
      "-Dartifact=io.nextflow:nextflow:$NXF_VER:jar:one" "-DoutputDirectory=$place" ||
      unavailable "Maven could not fetch Nextflow $NXF_VER"
  else
    "$launcher" -version >/dev/null || unavailable "there is no mvn here, and the launcher could not fetch Nextflow $NXF_VER"
  fi
fi
is_whole || { rm -f "$place/$jar"; printf 'the checksum of %s is wrong; it was removed\n' "$jar" >&2; exit 1; }
# the first start writes the launcher's own cache, which tests that start side by side would race for
NXF_OFFLINE=true "$launcher" -version >/dev/null || unavailable "Nextflow does not start here"
