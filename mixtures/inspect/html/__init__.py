"""What an inspection found as one HTML file: tables, plots, and records with the boxes drawn on their images.

`page` puts it together from `templates/`: `plots` on their `axes`, and a `gallery` of records whose `pictures` are read
and whose `boxes` are placed. It needs no network: script, styles, plots and images are inside the file.
"""
