"""A subset of a mixture that a file names, record by record.

`derived` writes a mixture of some records of another.
"""
