"""Comparing two mixtures, each a folder or a JSON file in LLaVA's own form, record by record.

What flows through: `digests` reduces each side to numbers, a row for each record (`prompts` takes its questions apart);
`source_guess` finds the source of each record of a JSON file; `matching` pairs the records that belong together;
`differences` finds the fields in which a pair differs; `summary` counts. `examples` reads a few records again to show
their texts. `compare` calls these in that order; `comparison` holds the result, `tables` prints it.

A new kind of difference goes into `differences.FIELDS` and, to be shown, into `examples`.
"""
