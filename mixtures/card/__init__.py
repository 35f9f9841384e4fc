"""The card of a mixture, the README that a build writes and the Hub shows.

`card` fills `card.md.jinja`: `front_matter` for `datasets` and the Hub's viewer, `limits` for what a reader should be
warned of, `sizes` from the footers of the shards. Everything in it is in the manifest or declared by a source.
"""
