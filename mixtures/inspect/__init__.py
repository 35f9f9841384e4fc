"""What is in a mixture.

`run` takes the checked batches of a mixture through `measure` (a row of numbers for each record, then their sums and
spreads), `answers` and `sample`; `findings` is the result, which `report` prints, `html` draws and `--format json`
writes. A new number goes into `findings` and `measure`, then into the two that show it.
"""
