"""Comparing two mixtures, or a mixture with a file in LLaVA's own form, record by record."""
