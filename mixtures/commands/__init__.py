"""The commands of `mix`: each parses and calls one function. Heavy libraries are imported inside."""
