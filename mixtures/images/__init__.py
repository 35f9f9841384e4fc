"""Whether the images that a mixture names can be used, and fixing those that can be fixed.

`naming` lists the images of a mixture; `checking` decodes each (`decoding`, in processes), then looks for the missing
ones in the mapping of the user (`mapping`) and under similar names (`similar_names`). With `--fix`, `fixing` converts,
renames or copies. `summary` counts the verdicts by source into the report of `findings`, `report_tables` prints it. A
new finding is a word in `findings` and a line in `decoding`.
"""
