"""Any file in LLaVA's own form: people's own data, or a published mixture."""

from collections.abc import Iterator

from mix665k.builders.licences import YOURS
from mix665k.builders.llava_records import llava_conversations, llava_file, llava_lookups
from mix665k.builders.raw import RawFiles
from mix665k.builders.registry import About, ImageFolder, source
from mix665k.schemas.conversation import Conversation

ABOUT = About(
    title="a file in LLaVA's own JSON form",
    files=(llava_file("llava.json"),),
    licence=YOURS,
    image_licence=YOURS,
    images=(ImageFolder(folder="", names="as the file says"),),
    counts="your own",
    languages=(),
)


@source(ABOUT, lookups=llava_lookups(several=True), by_record=True)
def llava_json(raw: RawFiles, *, image_folder: str = "") -> Iterator[Conversation]:
    """The file's conversations as they are, with `image_folder` put before the image names."""
    return llava_conversations(raw, image_folder=image_folder, several=True)
