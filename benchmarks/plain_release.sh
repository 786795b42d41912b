#!/usr/bin/env bash
# Release one tag without Dagster, as a release workflow does: the same tools, servers and files, one step
# after the other. Every value comes from the environment; secrets reach only the tools that need them.
set -euo pipefail

version=${TAG#v}
IFS=. read -r major minor _ <<< "$version"

git -c advice.detachedHead=false clone --quiet --depth 1 --branch "$TAG" "$REPOSITORY" source
cd source

python -m build --installer uv --outdir ../dist .
twine check ../dist/*
TWINE_USERNAME=__token__ TWINE_PASSWORD=$PYPI_TOKEN \
  twine upload --non-interactive --disable-progress-bar --repository-url "$UPLOAD_URL" ../dist/*

api() {
  curl --silent --show-error --fail --header @<(printf 'Authorization: Bearer %s' "$GITHUB_TOKEN") "$@"
}
releases=$GITHUB_API_URL/repos/$GITHUB_REPOSITORY/releases
id=$(api --json "{\"tag_name\": \"$TAG\", \"name\": \"Release $TAG\", \"draft\": true}" "$releases" |
  python -c 'import json, sys; print(json.load(sys.stdin)["id"])')
for file in ../dist/*; do
  api --header 'Content-Type: application/octet-stream' --data-binary @"$file" \
    "$releases/$id/assets?name=$(basename "$file")" > /dev/null
done
api --request PATCH --json '{"draft": false}' "$releases/$id" > /dev/null

registry=${IMAGE%%/*}
docker login --username "$DOCKER_USERNAME" --password-stdin "$registry" <<< "$DOCKER_TOKEN" > /dev/null
# One build for both platforms, so that BuildKit runs them at the same time.
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) docker buildx build \
  --platform linux/amd64,linux/arm64 --push --progress plain \
  --build-context dist=../dist ${BASE_CONTEXT:+--build-context "$BASE_CONTEXT"} \
  --cache-from "type=registry,ref=$IMAGE:buildcache" \
  --cache-to "type=registry,ref=$IMAGE:buildcache,mode=max,image-manifest=true,oci-mediatypes=true,ignore-error=true" \
  --tag "$IMAGE:$version" --tag "$IMAGE:$major.$minor" --tag "$IMAGE:$major" --tag "$IMAGE:latest" \
  .
