# The exporter's image. `make image` builds it; docs/deployment.md says how to run it.

# The official image by tag and by digest; the Python that the tests run with. To build on another:
# --build-arg PYTHON_IMAGE=...
ARG PYTHON_IMAGE=python:3.11.16-slim-trixie@sha256:1042b61448fef4ba92d16a8c7eb4996d027568ce64792a7877fd88511e0af7c6

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY deploy/image/build-requirements.txt deploy/image/requirements.txt ./
# pip and setuptools stay in /opt/build, which the image does not get.
RUN python3 -m venv /opt/build \
    && /opt/build/bin/pip install --require-hashes --only-binary :all: --requirement build-requirements.txt \
    && python3 -m venv --without-pip /opt/batch-exporter \
    && /opt/build/bin/pip --python /opt/batch-exporter/bin/python install --no-compile \
        --require-hashes --only-binary :all: --requirement requirements.txt
COPY LICENSE README.md pyproject.toml ./
COPY exporter exporter
ARG SOURCE_DATE_EPOCH=0
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /opt/wheel . \
    && /opt/build/bin/pip --python /opt/batch-exporter/bin/python install --no-compile --no-deps --no-index \
        /opt/wheel/*.whl
# Bytecode without the time of its source, and one date for all files: the same sources give the same bytes.
RUN python3 -m compileall -q --invalidation-mode unchecked-hash /opt/batch-exporter/lib \
    && find /opt/batch-exporter -exec touch --no-dereference --date="@${SOURCE_DATE_EPOCH}" {} +

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="batch-exporter" \
    org.opencontainers.image.description="Prometheus exporter for batches and invocations of Inkit and PackageX" \
    org.opencontainers.image.version="0.2.0" \
    org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/batch-exporter /opt/batch-exporter
# The state. A new volume takes over owner and mode of what it is mounted on. A user that is not in /etc/passwd, as OpenShift
# and `docker run --user` have, is in the group 0.
ARG SOURCE_DATE_EPOCH=0
RUN install --directory --owner=10001 --group=0 --mode=770 /data && touch --date="@${SOURCE_DATE_EPOCH}" /data
ENV PATH=/opt/batch-exporter/bin:${PATH} PYTHONUNBUFFERED=1
USER 10001:10001
# Without `state.path` the state file is in the working directory.
WORKDIR /data
VOLUME /data
EXPOSE 10977
# http.client takes no proxy from the environment. The address is the default one: who serves elsewhere, or with TLS,
# gives the container another check.
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["python3", "-Ic", \
    "from http.client import HTTPConnection as C; c = C('127.0.0.1', 10977, timeout=3); c.request('GET', '/-/healthy'); exit(c.getresponse().status != 200)"]
ENTRYPOINT ["batch-exporter"]
CMD ["--config.file=/etc/batch-exporter/config.yaml"]
# Last, because it changes with each commit: build_info shows it.
ARG BATCH_EXPORTER_REVISION=unknown
LABEL org.opencontainers.image.revision="${BATCH_EXPORTER_REVISION}"
ENV BATCH_EXPORTER_REVISION=${BATCH_EXPORTER_REVISION}
