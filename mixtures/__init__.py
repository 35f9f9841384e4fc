"""Building, storing and reading mixtures; the only packages that know Parquet and YAML are here."""
