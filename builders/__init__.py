"""Raw annotation files in, conversations out: `bind` a recipe, read with `raw`, a source, then steps; see README.md.

Importing this package registers every source and step; a new source needs its line here.
"""

import mix665k.builders.steps  # noqa: F401
from mix665k.builders.plugins import load_installed
from mix665k.builders.sources import (  # noqa: F401
    aokvqa,
    gqa,
    lcs558k,
    llava_instruct,
    llava_json,
    ocrvqa,
    okvqa,
    refcoco,
    sharegpt,
    textcaps,
    vg,
    vqav2,
)

load_installed()
