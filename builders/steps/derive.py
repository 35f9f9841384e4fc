"""How steps make a conversation from another one."""

import msgspec

from mix665k.schemas.conversation import Conversation, Pair


def derive(conversation: Conversation, pairs: list[Pair], *, done: str, several: bool | None = None) -> Conversation:
    """A conversation with these pairs and otherwise like another; `done` is added to its history.

    `several` replaces the other's, where it is given.
    """
    return msgspec.structs.replace(
        conversation,
        pairs=pairs,
        several=conversation.several if several is None else several,
        history=(*conversation.history, done),
    )
