"""The server of `release-assets webhook`: it looks at once when GitHub reports an event; /metrics."""
