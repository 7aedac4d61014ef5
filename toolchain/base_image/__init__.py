"""A stand-in for ``python:3.12-slim``, made of Debian packages, for where the official image is out of reach."""
