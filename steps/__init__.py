"""What the pipeline's `command` resources run: one small program a step, each a thin hand on a well-known tool.

A step reads its request from its command line and its passwords from standard input, prints progress and findings to
standard error and one line of JSON to standard output. It imports neither pulumi nor pydantic: a step starts in
milliseconds. It can be run by hand: `.venv/bin/python -m steps.scan --help`.
"""
