# The CPU image: tcellflow with ONNX Runtime, without torch. Any user id, a read-only root,
# no HOME and no network are fine. Build: docker build -t localhost/tcellflow .
# containers/smoke.sh builds it and checks all of this.
ARG BASE_IMAGE=docker.io/library/debian:bookworm-slim

FROM ${BASE_IMAGE} AS build
# Inside the stage, or pip would not see them. PIP_FIND_LINKS: a folder of wheels, if any.
# PIP_CERT: the certificates to trust, where a network has an authority of its own.
ARG PIP_FIND_LINKS=
ARG PIP_CERT=/etc/ssl/certs/ca-certificates.crt
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN command -v python3 >/dev/null && python3 -c 'import ensurepip' \
 || (apt-get update \
     && apt-get install -y --no-install-recommends ca-certificates python3 python3-venv \
     && rm -rf /var/lib/apt/lists/*)
WORKDIR /build
COPY requirements/cpu.lock requirements/build.lock requirements/
RUN python3 -m venv /opt/tcellflow && python3 -m venv /opt/build \
 && /opt/tcellflow/bin/pip install --require-hashes -r requirements/cpu.lock \
 && /opt/build/bin/pip install --require-hashes -r requirements/build.lock
COPY pyproject.toml README.md LICENSE ./
COPY tcellflow tcellflow
# pip leaves compiled bytecode, which halves the start-up time; the libraries' own tests and
# pip itself are not needed any more.
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /build/dist . \
 && /opt/tcellflow/bin/pip install --no-deps --no-index /build/dist/*.whl \
 && find /opt/tcellflow/lib -type d -name tests -path '*/site-packages/*' -prune -exec rm -rf {} + \
 && /opt/tcellflow/bin/pip uninstall -y -q pip setuptools \
 && chmod -R a+rX /opt/tcellflow

FROM ${BASE_IMAGE}
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="tcellflow" \
      org.opencontainers.image.description="T-cell states, receptor tables and a report from one sample's single-cell files" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}"
# procps: workflow managers measure tasks with ps
RUN command -v python3 >/dev/null && command -v ps >/dev/null \
 || (apt-get update \
     && apt-get install -y --no-install-recommends ca-certificates procps python3 \
     && rm -rf /var/lib/apt/lists/*)
RUN useradd --uid 1000 --no-create-home --home-dir /nonexistent --shell /bin/bash tcellflow
COPY --from=build /opt/tcellflow /opt/tcellflow
# The caches point to the temporary folder; where it cannot be written, the command line
# points them to the working folder before anything heavy is imported.
ENV PATH=/opt/tcellflow/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    LANG=C.UTF-8 PYTHONNOUSERSITE=1 PYTHONDONTWRITEBYTECODE=1 HF_HUB_OFFLINE=1 \
    NUMBA_CACHE_DIR=/tmp/tcellflow-cache/numba MPLCONFIGDIR=/tmp/tcellflow-cache/matplotlib \
    XDG_CACHE_HOME=/tmp/tcellflow-cache HF_HOME=/tmp/tcellflow-cache/huggingface
USER 1000:1000
# No ENTRYPOINT: workflow managers start `/bin/bash -c ...` in the image.
CMD ["/bin/bash"]
