"""The `slipway` command line: what pulumi itself has no word for. Each verb is a thin layer over components and steps.

A verb's module imports what it needs when it runs, so that `slipway --help` is quick; the program imports none of it.
"""
