"""Where pictures come from: the one way in which every command that takes `--images` gets their bytes.

`places` tells what a path is: a folder of files, or shards, Parquet (`parquet`) or tar files (`tars`), whose pictures
are found by an index made once (`shards`). Nothing is unpacked.
"""
