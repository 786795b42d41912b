"""The git remote of a project: its tags, a local mirror, and checkouts that are the same on every machine.

remote_tags   which commit each tag of the remote points to
mirror        a bare copy of the remote, shared by all steps of a project
checkout      the files of a commit, with a repository of their own where a build needs one
lfs           the files of a commit that Git LFS keeps elsewhere
command       git as a child process, and whose configuration it reads
"""

from release_assets.destinations.git.mirror import Commit, Mirror
from release_assets.destinations.git.remote_tags import observe_tags, parse_tags

__all__ = ["Commit", "Mirror", "observe_tags", "parse_tags"]
