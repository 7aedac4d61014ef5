"""The services that the embedded defaults run on: registries, BuildKit, a Docker Engine, emulation."""
