"""How steps make a conversation from another one."""

import msgspec

from mix665k.schemas.conversation import Conversation, Pair, count_tokens


def derive(conversation: Conversation, pairs: list[Pair], *, done: str, several: bool | None = None) -> Conversation:
    """A conversation with these pairs and otherwise like another; `done` is added to its history.

    `several` replaces the other's, where it is given. Of several images those remain whose tokens do, from the first.
    """
    images = conversation.images
    if len(images) > 1:
        images = images[: count_tokens(pairs)]
    return msgspec.structs.replace(
        conversation,
        image=images[0] if images else None,
        more_images=tuple(images[1:]),
        pairs=pairs,
        several=conversation.several if several is None else several,
        history=(*conversation.history, done),
    )
