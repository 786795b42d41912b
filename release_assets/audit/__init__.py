"""Look again at what was released, compare it with what was recorded, and repair nothing.

drift   compare a release at its destinations with Dagster's records; pure
bases   compare base images with those that the images were built from
job     the job and the schedules that look, and record what they find as asset checks
"""
