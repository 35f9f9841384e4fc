"""How a mixture is stored, and whether it is intact.

`parquet` has the columns, the shards and the row hash; `integrity` compares shards with the manifest, and `validate`
records with the published schema, which `json_schemas` generates from the types. `llava_json` reads a file in LLaVA's
own form as the same rows. `prompt_kinds` tells a record's prompt and source, `published_counts` what the paper's file
holds.
"""
