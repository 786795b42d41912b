"""The outside world: git, package index, GitHub, GitLab, registry, buildx, cosign."""
