#!/bin/sh
# Release a tag with the tools alone: what release-assets is measured against.
# usage: release.sh TAG
# The variables: WORK, REPOSITORY, UPLOAD_URL, TWINE_USERNAME, TWINE_PASSWORD, GITHUB_API, GITHUB_REPOSITORY,
# GITHUB_TOKEN, and those of image.sh.
set -eu
here=$(dirname "$0")
tag=$1

git clone --quiet --branch "$tag" "$REPOSITORY" "$WORK/$tag"
cd "$WORK/$tag"

python -m build --installer uv --outdir dist .
twine check --strict dist/*
twine upload --non-interactive --disable-progress-bar --repository-url "$UPLOAD_URL" dist/*

github() {
    printf 'Authorization: Bearer %s\n' "$GITHUB_TOKEN" |
        curl --fail --silent --show-error --header @- "$@"
}
upload_url=$(
    github --data "{\"tag_name\": \"$tag\", \"name\": \"Release $tag\", \"body\": \"$tag\"}" \
        "$GITHUB_API/repos/$GITHUB_REPOSITORY/releases" |
        sed -n 's/.*"upload_url": *"\([^{"]*\).*/\1/p'
)
for file in dist/*; do
    github --header 'Content-Type: application/octet-stream' --data-binary "@$file" \
        --output /dev/null "$upload_url?name=$(basename "$file")"
done

"$here/image.sh" "$tag"
