"""The records of a mixture that a file names, and a mixture of these alone.

`named_records` reads the file, whatever its form, and `content` the mixture, as columns. `matching` finds the record
of each entry and guesses none; `positions` knows whose rows a position counts, `ranking` chooses by scores. `run` puts
them together for `mix select` and for a recipe's `select`. `derived` writes a mixture of some records of another.
"""
