"""Where each pair of a record came from: raw files, raw records, and the steps applied."""
