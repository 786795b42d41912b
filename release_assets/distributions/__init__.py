"""Sdists and wheels: build, inspect, keep and isolate."""
