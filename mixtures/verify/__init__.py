"""Proving a mixture: that it is intact, that its recipe gives it, that it equals a published file.

What flows through: `intact` reads each shard once, in processes side by side, and checks files, hashes, records, ids;
`counts` checks the funnel, the recipe's counts and the paper's. With raw files `rebuild` builds each source again,
without writing it, and `raw` compares row hashes, funnels and, with `sample`, the drawn records field by field.
`verification` holds the result, `tables` prints it. What could not be checked does not pass.

A new check is a `Check` in the list of `intact.examine` or `raw.check_raw`; all checks run even after one fails.
"""
