"""Tests of destinations that need no server but the test itself."""
