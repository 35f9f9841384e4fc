"""What of the documentation is generated: from the code, and from commands run on made-up data."""
