# The image of helm/andon: what requirements-image.lock names, the project, and the machine code of its kernels.
#
#   docker build --tag andon:0.1.0 .

FROM python:3.13-slim-bookworm AS build
WORKDIR /src
RUN python -m venv /opt/andon/venv
ENV PATH=/opt/andon/venv/bin:$PATH ANDON_CACHE=/opt/andon/cache
COPY requirements-image.lock ./
RUN pip install --no-cache-dir --disable-pip-version-check --require-hashes --only-binary :all: -r requirements-image.lock
COPY pyproject.toml README.md LICENSE ./
COPY streams ./streams
COPY topologies ./topologies
COPY schemas ./schemas
RUN pip install --no-cache-dir --disable-pip-version-check --no-index --no-deps --no-build-isolation .
# Compiled for the CPU of the machine that builds; on another kind of CPU a pod compiles its own.
RUN python -m streams.shell.kernels

FROM python:3.13-slim-bookworm
COPY --from=build /opt/andon /opt/andon
ENV PATH=/opt/andon/venv/bin:$PATH ANDON_CACHE=/var/cache/andon PYTHONDONTWRITEBYTECODE=1
# A number, so that Kubernetes can see that it is not root; the folder for machine code is a volume where the file system is read-only.
RUN install -d -o 10001 -g 10001 /var/cache/andon
USER 10001:10001
WORKDIR /tmp
ENTRYPOINT ["andon"]
