"""What a recipe draws from all its sources together: `balance` and `deduplicate`.

`shares` says how much of each source, `draw` takes the records by rank, `measure` gives their sizes. `near_duplicates`
finds records whose texts are nearly equal and whose pictures (`pictures`) are, too.
"""
