"""How texts and sizes are written for people."""


def shown(text: str) -> str:
    """Return a text whose unprintable characters, as names in files may have, are escapes."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def in_units(size: float) -> str:
    """Return a number of bytes as people read it, in powers of 1000."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"
