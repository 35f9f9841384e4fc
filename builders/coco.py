"""COCO's image names, which six sources of the mixture share."""

from schemas.conversation import Conversation, Pair


def coco_id(image_id: int) -> str:
    """The id as 12 digits, the way COCO names its files."""
    return f"{image_id:012d}"


def coco_image(image_id: int) -> str:
    """The image's place in the mixture: COCO's 2017 layout, also for pictures that a source took from train2014."""
    return f"coco/train2017/{image_id:012d}.jpg"


def coco_question(image_id: int, pair: Pair) -> Conversation:
    """One question about a COCO image, not merged with others yet."""
    name = coco_id(image_id)
    return Conversation(name, coco_image(image_id), [pair], name, several=True)
