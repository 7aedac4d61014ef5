"""What an image says where the resource leaves it out, read from the registry by digest."""

from collections.abc import Mapping

from judging.configuration import Settings
from judging.images import Image
from judging.workload import Variable
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


def image_variables(image: Image, settings: Settings) -> Mapping[tuple[Variable, str], list[str]]:
    """The variables that an image has of its own and the build arguments in its history: the platforms that have each.

    Empty where they cannot be read: image-is-signed stops a digest whose registry does not answer, and a name without
    one. That nobody could look is no news here.
    """
    found: dict[tuple[Variable, str], list[str]] = {}
    for platform, config in sorted(image_configs(image, settings).platforms.items()):
        for place, entries in (("own environment", config.environment), ("history", config.arguments)):
            for entry in entries:
                name, _, value = entry.partition("=")
                found.setdefault((Variable(name, value, image.path), place), []).append(platform)
    return found
