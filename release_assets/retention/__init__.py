"""Bound what releases leave on disk, and keep everything that one needs to be resumed.

rules   which releases' files may go; pure
job     the job that removes them, and old caches, logs and runs, and its schedule
"""
