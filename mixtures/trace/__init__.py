"""Following a record back to the raw records that it was made of.

What flows through: `record` finds the record in its shard; `lineage` reads the raw files that its origins lead to, as
its source declares (`lookups`), and puts the steps into words; `tables` prints it.

How an origin leads to raw records is declared by the source, never here.
"""
