"""Serves Slipway's components to the Pulumi engine, until the engine ends this process."""

import sys
from pathlib import Path


def serve() -> None:
    """Find Slipway above this folder, which is the one that Python looks for modules in, and serve it."""
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

    from pulumi.provider import main

    from plugin.provider import SlipwayProvider

    main(SlipwayProvider(), sys.argv[1:])


if __name__ == "__main__":
    serve()
