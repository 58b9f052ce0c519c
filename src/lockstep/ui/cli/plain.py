"""Text out of a file from a stranger, safe for a terminal."""


def plain(text: str) -> str:
    """Every character that is not one to be read, line ends apart, as an escape sequence."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)
