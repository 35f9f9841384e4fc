"""Fetching raw files and images from their publishers: complete or not at all, and only what was asked for.

`downloads` makes a job of each download that a source declares and says how much of it is there; `download` does one
job: `resume` brings the bytes (`web` asks, `hub` locates a file of the Hub), their hash is checked, `fetched` writes it
down in `fetched.json`, `unpack` takes what is wanted out of an archive. `run` does all jobs in threads (`workers`),
within the room that `disk_space` has promised, then the images that have one address each (`addressed_images`). `show`
is what the terminal shows. A new publisher needs no change here: its source declares the download.
"""
