"""Which folder a step may trust: what is in it was put there by this user, and by nobody else."""

import os
import stat


def is_ours_alone(found: os.stat_result) -> bool:
    """Whether this is a folder of this user that nobody else may write to.

    Args:
        found: of the path itself, as `lstat` says it: what a link leads to is no folder of ours.
    """
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022
