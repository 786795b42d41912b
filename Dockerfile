# The code location: release-assets with git, git-lfs, the docker client and buildx, run by a user without rights.
# It has no engine of its own: give it one with DOCKER_HOST, or a socket and its group.
#
#   docker build -t release-assets .
#   docker run -p 127.0.0.1:4000:4000 -e PYPI_TOKEN -e GITHUB_TOKEN -e DOCKER_USERNAME -e DOCKER_TOKEN \
#     -v "$PWD/defs:/defs:ro" -e RELEASE_ASSETS_DEFS=/defs -v release-assets:/var/lib/release-assets \
#     -v /var/run/docker.sock:/var/run/docker.sock --group-add "$(stat -c %g /var/run/docker.sock)" release-assets
#
# Behind a proxy with a certificate authority of its own:
#   docker build --secret id=ca_bundle,src=ca.pem --build-arg SSL_CERT_FILE=/run/secrets/ca_bundle .

FROM python:3.12-slim

RUN apt-get update \
 && apt-get install --yes --no-install-recommends bubblewrap ca-certificates docker-buildx docker-cli git git-lfs openssh-client \
 && rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/dpkg.log

RUN useradd --uid 1000 --create-home release \
 && install --directory --owner=release --group=release /var/lib/release-assets
COPY --chown=release:release dagster.yaml /var/lib/release-assets/
WORKDIR /var/lib/release-assets

ENV VIRTUAL_ENV=/opt/release-assets \
    PATH=/opt/release-assets/bin:$PATH \
    DAGSTER_HOME=/var/lib/release-assets \
    PYTHONUNBUFFERED=1

# The locked versions of what runs: pip brings uv, uv brings everything else, in seconds instead of a minute.
ARG SSL_CERT_FILE
RUN --mount=type=secret,id=ca_bundle \
    --mount=type=bind,source=requirements.lock,target=/source/requirements.lock \
    --mount=type=bind,source=pyproject.toml,target=/source/pyproject.toml \
    python -m venv --without-pip "$VIRTUAL_ENV" \
 && sed -n '/^uv==/,/[^\\]$/p' /source/requirements.lock > /tmp/uv.txt \
 && pip --python "$VIRTUAL_ENV" install --quiet --disable-pip-version-check --no-cache-dir --no-compile \
    --require-hashes -r /tmp/uv.txt \
 && rm /tmp/uv.txt \
 && uv pip install --quiet --no-cache --compile-bytecode --require-hashes \
    --constraint /source/requirements.lock \
    --extra alerts --extra kubernetes --extra postgres --extra s3 --extra webhook -r /source/pyproject.toml

# The code comes last, since it changes most: what is above stays in the cache.
RUN --mount=type=secret,id=ca_bundle \
    --mount=type=bind,target=/source \
    uv pip install --quiet --no-cache --compile-bytecode --no-deps /source

USER release
EXPOSE 4000
HEALTHCHECK --start-period=30s --start-interval=2s CMD ["dagster", "api", "grpc-health-check", "-p", "4000"]
CMD ["dagster", "code-server", "start", "-h", "0.0.0.0", "-p", "4000", "-m", "release_assets.definitions"]
