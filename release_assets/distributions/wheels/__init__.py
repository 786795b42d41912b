"""Wheels with compiled code: built for each platform or adopted, checked, installed and imported."""
