"""Finds secrets in names, values and command lines: by name, by shape, by entropy. It never returns a value."""
