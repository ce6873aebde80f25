"""Text: validation, account names and number formats."""
