"""What a mixture shares with evaluation sets, and a mixture without it.

`evaluation` reads each set, in the layout that `layouts` recognises; `questions` normalises texts, `image_keys` gives
one key to each image, whatever it is called. `overlap` looks through the mixture for these keys and texts, batch by
batch; `equal_images` compares image files by their bytes and pixels (`content`, in processes), and `splits` data sets
that split the same images differently. `summary` makes the numbers of `findings`, `show` prints them, and `dropping`
writes a mixture without the records that overlap. `run` puts these together. Layouts, collections and splits are
declared by the sources.
"""
