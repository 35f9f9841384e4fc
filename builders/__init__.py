"""Raw annotation files in, conversations out.

Importing this package registers every source and step; a new source needs its line here.
"""

from builders import (  # noqa: F401
    aokvqa,
    gqa,
    lcs558k,
    llava_instruct,
    llava_json,
    ocrvqa,
    okvqa,
    refcoco,
    sharegpt,
    steps,
    textcaps,
    tokens,
    vg,
    vqav2,
)
