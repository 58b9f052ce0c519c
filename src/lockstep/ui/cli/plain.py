"""Text out of a file from a stranger, safe for a terminal."""


def plain(text: str) -> str:
    """Every character that is not one to be read, line ends apart, as an escape sequence."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


def line(text: str) -> str:
    """The same, line ends too: no name in it can look like a line of its own."""
    return plain(text).replace("\n", "\\n")


def quoted(data: bytes) -> str:
    """Bytes as the text they mostly are, between quotes, in characters to be read: all others, and
    what is no UTF-8, as escape sequences."""
    return f'"{"".join(map(_escaped, data.decode("utf-8", "surrogateescape")))}"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    if "\udc80" <= character <= "\udcff":  # a byte that is no UTF-8: see PEP 383
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character if character.isprintable() else ascii(character)[1:-1]
