"""Publishing a mixture: to the Hugging Face Hub in one commit, or into a folder.

`repository` checks the mixture, leaves out sources, and yields the files: shards, records with their images in them
(`with_images`), recipe, licences, `croissant` metadata, the card, and the manifest last. They go to the Hub
(`schemas.hub`) or into a folder; `storage.held_folders` keeps a temporary one for a run. `published` is what the
command reports.
"""
