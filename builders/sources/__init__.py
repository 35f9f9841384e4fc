"""Sources: one file per data set, each turning its raw files into conversations.

A file has the forms of its raw records, an `ABOUT` with the facts, and one generator that yields `Conversation`,
`Dropped` or `Regrouped`. No source imports another: what they share is a module of `builders`.
"""
