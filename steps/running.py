"""Make sure that what a stack says runs does run, from the bytes of that very digest.

A container's own word for its image is the text that it was made with. So the image that the engine knows by the digest
is compared with the one that the container was made from.
"""

from components.artifact import ImageReference
from steps.engine import STACK_LABEL, inspect, lack_of_memory


def contradiction(host: str, container: str, reference: ImageReference, stack: str) -> str | None:
    """Why a container is not what its stack says; None where it is.

    Args:
        host: address of the Docker Engine.
        container: id of the container in the stack's outputs.
        reference: the release that the stack says it runs.
        stack: full name of the stack, as its containers are labelled.

    Raises:
        StepError: the engine does not answer.
    """
    found = inspect(host, "container", [container])
    if not found:
        return f"there is no container {container[:12]} any more: run `pulumi refresh`, then `pulumi up`"
    it = found[0]
    owner = (it["Config"].get("Labels") or {}).get(STACK_LABEL)
    if owner != stack:
        return f"container {container[:12]} belongs to {owner or 'nobody'}, not to {stack}"
    if it["Config"]["Image"] != str(reference):
        return f"container {container[:12]} runs {it['Config']['Image']}, not {reference}: run `pulumi up`"
    images = inspect(host, "image", [str(reference)])
    if not images:
        return f"the engine has no image {reference} any more: run `pulumi refresh`, then `pulumi up`"
    if images[0]["Id"] != it["Image"]:
        return (
            f"container {container[:12]} was made from image {it['Image']}, which is not {reference}: run `pulumi up`"
        )
    state = it["State"]
    if not state["Running"] or state.get("Restarting"):
        lacks = lack_of_memory(it)
        return (
            f"container {container[:12]} does not run: it is {state.get('Status')} (exit code {state.get('ExitCode')})"
            + (f"; {lacks}" if lacks else "")
        )
    return None
