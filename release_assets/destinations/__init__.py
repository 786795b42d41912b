"""The outside world: git, package index, GitHub, registry, buildx, cosign."""
