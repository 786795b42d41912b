# The code location: release-assets with git, the docker client and buildx, run by a user without rights.
# It talks to an engine that you give it (DOCKER_HOST, or a socket that group 999 may use), never to its own.
#
#   docker build -t release-assets .
#   docker run -v release-assets:/var/lib/release-assets -e PYPI_TOKEN … -p 127.0.0.1:4000:4000 release-assets
#
# Behind a proxy with a certificate authority of its own:
#   docker build --secret id=ca_bundle,src=ca.pem --build-arg SSL_CERT_FILE=/run/secrets/ca_bundle .

FROM python:3.12-slim AS packages
ARG SSL_CERT_FILE
WORKDIR /source
COPY requirements.lock .
# uv in its locked version, then everything else by uv: seconds instead of a minute.
RUN --mount=type=secret,id=ca_bundle \
    sed -n '/^uv==/,/[^\\]$/p' requirements.lock > uv.txt \
 && python -m venv /opt/uv \
 && /opt/uv/bin/pip install --quiet --disable-pip-version-check --no-cache-dir --require-hashes -r uv.txt
COPY pyproject.toml README.md ./
COPY release_assets release_assets
RUN --mount=type=secret,id=ca_bundle \
    python -m venv --without-pip /opt/release-assets \
 && /opt/uv/bin/uv pip install --quiet --no-cache --compile-bytecode --python /opt/release-assets/bin/python \
    --constraint requirements.lock .

FROM python:3.12-slim
RUN apt-get update \
 && apt-get install --yes --no-install-recommends git openssh-client docker-cli docker-buildx \
 && rm -rf /var/lib/apt/lists/*
RUN groupadd --gid 999 engine \
 && useradd --uid 1000 --groups engine --create-home release \
 && install -d -o release /var/lib/release-assets
COPY --from=packages /opt/release-assets /opt/release-assets
COPY --chown=release dagster.yaml /var/lib/release-assets/
ENV PATH=/opt/release-assets/bin:$PATH \
    DAGSTER_HOME=/var/lib/release-assets \
    PYTHONUNBUFFERED=1
USER release
WORKDIR /var/lib/release-assets
EXPOSE 4000
HEALTHCHECK --start-period=30s CMD ["dagster", "api", "grpc-health-check", "-p", "4000"]
CMD ["dagster", "code-server", "start", "-h", "0.0.0.0", "-p", "4000", "-m", "release_assets.definitions"]
