"""What a release would do now: what is observed and recorded, and what follows from it."""
