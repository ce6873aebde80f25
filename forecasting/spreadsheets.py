"""Protection of texts in CSV files against formula injection in spreadsheets.

A spreadsheet executes a cell that begins like a formula, whoever wrote its text. Such a text is
written with a leading apostrophe, which marks it as text; reading removes the apostrophe, so that
nothing is lost. Numbers and times are not texts and remain unchanged. See OWASP's "CSV Injection",
https://owasp.org/www-community/attacks/CSV_Injection.
"""

import re

_FORMULA = re.compile("'*(?:[\\s\ufeff]*[=+\\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n])")


def guarded(text: str) -> str:
    """Return a text for a cell that no spreadsheet interprets as a formula.

    Examples:
        >>> guarded("=1+1"), guarded("-5"), guarded("'=1+1"), guarded("1 = 1"), guarded("'tis")
        ("'=1+1", "'-5", "''=1+1", '1 = 1', "'tis")
    """
    return f"'{text}" if _FORMULA.match(text) else text


def unguarded(cell: str) -> str:
    """Return the text that `guarded` wrote into a cell.

    Examples:
        >>> unguarded("'=1+1"), unguarded("''=1+1"), unguarded("=1+1"), unguarded("'tis")
        ('=1+1', "'=1+1", '=1+1', "'tis")
    """
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
