"""What an image says where the resource leaves it out, read from the registry by digest."""

from judging.configuration import Settings
from judging.images import Image
from verification.evidence import ImageConfigs, image_config


def image_configs(image: Image, settings: Settings) -> ImageConfigs:
    """What an image does on each of its platforms; its `problem` says why that is not known.

    Without a digest nothing is read: a tag may name another image by the time that the container is made.
    """
    try:
        reference = image.reference
    except ValueError as error:
        return ImageConfigs(image.text, problem=f"{image.path} cannot be read: {error}")
    if reference.digest is None:
        return ImageConfigs(image.text, problem=f"{image.path} is {image.text}, which has no digest to read it by")
    return image_config(reference, settings)
