"""Words out of a recording, to be put into a sentence: on one line, and nothing but characters."""


def readable(text: str) -> str:
    """Every character that is not one to be read as an escape sequence, line ends too."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
