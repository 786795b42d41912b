"""The checks of images and manifest lists, and those that the audit verifies again."""
