# The images of tcellflow, one recipe. VARIANT names the lock file; all else is the same:
#   cpu    ONNX Runtime, no torch (the default)
#   gpu    ONNX Runtime for NVIDIA GPUs, with the CUDA libraries it needs
#   train  as cpu, with torch
# Any user id, a read-only root, no HOME and no network are fine. containers/build.sh builds them,
# containers/smoke.sh checks all of this. By hand: docker build -t localhost/tcellflow:0.1.0 .
ARG BASE_IMAGE=docker.io/library/debian:bookworm-slim

FROM ${BASE_IMAGE} AS dependencies
ARG VARIANT=cpu
# The certificates to trust, where a network has an authority of its own. Package indexes of one's
# own belong into the base image: /etc/pip.conf and /etc/uv/uv.toml.
ARG CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt
ENV PIP_CERT=${CA_BUNDLE} SSL_CERT_FILE=${CA_BUNDLE} PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 \
    UV_NO_CACHE=1 PYC_INVALIDATION_MODE=UNCHECKED_HASH
RUN apt-get update \
 && apt-get install -y --no-install-recommends binutils ca-certificates python3 python3-venv \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY requirements/build.lock requirements/
RUN python3 -m venv /opt/build \
 && /opt/build/bin/pip install -q --require-hashes -r requirements/build.lock \
 && python3 -m venv --without-pip /opt/tcellflow
COPY requirements/${VARIANT}.lock requirements/
# Compiled bytecode halves the start-up time; unchecked, since no file changes any more. The
# libraries' own tests are not needed, nor the debug symbols that the wheels of three of them carry
# (230 MB). Libraries in *.libs stay as they are: patched ones break when they are stripped.
RUN /opt/build/bin/uv pip install --python /opt/tcellflow/bin/python --require-hashes --compile-bytecode \
      -r requirements/${VARIANT}.lock \
 && cd /opt/tcellflow/lib/python3.11/site-packages \
 && find . -type d -name tests -prune -exec rm -rf {} + \
 && find hdf5plugin numcodecs pyarrow -name '*.so*' -exec strip --strip-unneeded {} + \
 && rm -f /opt/tcellflow/.lock \
 && chmod -R a+rX /opt/tcellflow

FROM dependencies AS project
COPY pyproject.toml README.md LICENSE ./
COPY tcellflow tcellflow
# Beside the environment, not in it: so a new version of the project is a small layer of its own.
RUN /opt/build/bin/pip wheel -q --no-deps --no-build-isolation --wheel-dir dist . \
 && /opt/build/bin/uv pip install --python /opt/tcellflow/bin/python --prefix /project --compile-bytecode \
      --no-deps --no-index dist/*.whl \
 && /opt/build/bin/cyclonedx-py environment --output-reproducible --pyproject pyproject.toml \
      --output-file /project/sbom.cdx.json /opt/tcellflow/bin/python \
 && rm -f /project/.lock \
 && chmod -R a+rX /project

FROM ${BASE_IMAGE}
# procps: workflow managers measure tasks with ps
RUN command -v python3 >/dev/null && command -v ps >/dev/null \
 || (apt-get update \
     && apt-get install -y --no-install-recommends ca-certificates procps python3 \
     && rm -rf /var/lib/apt/lists/*)
RUN useradd --uid 1000 --no-create-home --home-dir /nonexistent --shell /bin/bash tcellflow
COPY --from=dependencies /opt/tcellflow /opt/tcellflow
COPY --from=project /project /opt/tcellflow
# The caches point to the temporary folder; where it cannot be written, the command line
# points them to the working folder before anything heavy is imported. ONNX Runtime reports its use
# over the network unless it is told not to.
ENV PATH=/opt/tcellflow/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    LANG=C.UTF-8 PYTHONNOUSERSITE=1 PYTHONDONTWRITEBYTECODE=1 HF_HUB_OFFLINE=1 ORT_DISABLE_TELEMETRY=1 \
    NUMBA_CACHE_DIR=/tmp/tcellflow-cache/numba MPLCONFIGDIR=/tmp/tcellflow-cache/matplotlib \
    XDG_CACHE_HOME=/tmp/tcellflow-cache HF_HOME=/tmp/tcellflow-cache/huggingface
ARG VARIANT=cpu
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="tcellflow" \
      org.opencontainers.image.description="T-cell states, receptor tables and a report from one sample's single-cell files" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      tcellflow.variant="${VARIANT}"
USER 1000:1000
# No ENTRYPOINT: workflow managers start `/bin/bash -c ...` in the image.
CMD ["/bin/bash"]
