"""A stand-in for ``python:3.12-slim``, made of this machine's own Debian packages where the official image is out of reach."""
