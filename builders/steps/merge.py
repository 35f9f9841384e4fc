"""Many conversations about one image into one."""

from collections import Counter
from collections.abc import Iterable, Iterator

from mix665k.builders.funnel import StepFunnel
from mix665k.builders.registry import step
from mix665k.builders.steps.derive import derive
from mix665k.schemas.conversation import IMAGE_TOKEN, Conversation, Pair


@step()
def merge_by_image(conversations: Iterable[Conversation], funnel: StepFunnel) -> Iterator[Conversation]:
    """Join the conversations of one image into one, in the order of first appearance.

    Those without an image, with several or with a system turn pass as they are. (Paper, appendix A.2.)
    """
    merged: dict[str, list[Conversation]] = {}
    for i, conversation in enumerate(conversations):
        alone = conversation.image is None or conversation.more_images or conversation.system is not None
        merged.setdefault(f"\n{i}" if alone else str(conversation.image), []).append(conversation)
    ids = Counter(group[0].id for group in merged.values())
    for group in merged.values():
        first = group[0]
        several = ids[first.id] > 1  # people's own files may give one id to several images
        if len(group) == 1:
            first.several = first.several and (several or first.image is None)
            yield first
            continue
        funnel.regroup("merged", conversations=1 - len(group))
        pairs = first.pairs + [pair for other in group[1:] for pair in _without_token(other.pairs)]
        yield derive(first, pairs, done=f"merged {len(group)}", several=several)


def _without_token(pairs: list[Pair]) -> list[Pair]:
    """The pairs of a conversation that no longer comes first: its image token has gone."""
    first = pairs[0]
    if IMAGE_TOKEN not in first.question:
        return pairs
    question = first.question.replace(f"{IMAGE_TOKEN}\n", "").replace(f"\n{IMAGE_TOKEN}", "").replace(IMAGE_TOKEN, "")
    return [Pair(question, first.answer, first.origin), *pairs[1:]]
