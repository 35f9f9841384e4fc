"""Building a mixture: a recipe becomes a plan, the plan a folder of shards with a manifest.

`plan` resolves a recipe and checks all that it needs; `run` builds its sources, one process each, and writes the
manifest last; `source` takes one source from its raw files to its shards. `reuse_key` decides whether a source built
before is kept, `selection` which sources are left out; `display` is what a terminal shows.
"""
