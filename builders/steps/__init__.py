"""Steps: conversations in, conversations out; importing this package registers all of them.

A step is a generator `function(conversations, funnel, *, parameters)` under `@step()`. What it drops, merges or adds it
counts with the funnel, so that the funnel adds up; what it does to a conversation it notes in its history (`derive`).
`merge` joins, `split` cuts and repeats, `sample` draws (or takes `published_ids`), `budget` draws up to a size,
`prompt` adds a line, `listed` keeps what a file lists, `top` what it scores highest, `drop`, `cut` and `truncate`
shorten. A step must make sense for any source; what is peculiar to one is a parameter of that source.
"""

from mix665k.builders.steps import budget, cut, drop, listed, merge, prompt, sample, split, top, truncate  # noqa: F401
