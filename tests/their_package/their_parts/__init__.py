"""Parts of somebody who uses recast: a package of its own, which a user names as trusted."""
