#!/bin/sh
# Build and push the images of a tag that release.sh has released: one command, both platforms, four tags.
# usage: image.sh TAG
# The variables: WORK, IMAGE, BUILD_CONTEXTS (name=value, separated by blanks), DOCKER_HOST, and DOCKER_CONFIG
# of somebody who is logged in.
set -eu
tag=$1
version=${tag#v}
minor=${version%.*}
cd "$WORK/$tag"

set --
for context in $BUILD_CONTEXTS; do
    set -- "$@" --build-context "$context"
done
docker buildx build --progress plain --push \
    --platform linux/amd64,linux/arm64 \
    --cache-from "type=registry,ref=$IMAGE:buildcache" \
    --cache-to "type=registry,ref=$IMAGE:buildcache,mode=max,image-manifest=true,oci-mediatypes=true" \
    --build-context dist=dist "$@" \
    --tag "$IMAGE:$version" --tag "$IMAGE:$minor" --tag "$IMAGE:${minor%.*}" --tag "$IMAGE:latest" \
    .
