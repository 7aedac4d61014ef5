"""Slipway's components, in the order in which an artifact travels; import each from its own module.

Nothing is imported here: a program pays only for the components that it uses, and the steps only for `artifact`.
"""
