"""A mixture in the forms that other trainers read: LLaVA's own JSON, or `messages` and `images` (JSON lines, Parquet).

`export` writes batch by batch into a file that appears when it is complete. A new form is a writer of batches there.
`folders` does the same for folders that hold the pictures too: tar files (`webdataset`), or what `datasets` saves
(`saved`).
"""
