"""The sources that the hardening rules cite."""

from functools import partial

from judging.rule import Source

CIS = partial(Source, "CIS Docker Benchmark", "1.6", url="https://www.cisecurity.org/benchmark/docker")
"""The benchmark's section 5 is about what a container is started with."""
KUBERNETES = partial(Source, "CIS Kubernetes Benchmark", "1.10", url="https://www.cisecurity.org/benchmark/kubernetes")
ENGINE = partial(Source, "Docker documentation", "", url="https://docs.docker.com/engine/containers/run/")
