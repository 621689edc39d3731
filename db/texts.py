"""Lists of texts on their way to PostgreSQL: quoted all at once instead of one by one.

A drain hands over some twenty arrays of thousands of texts; psycopg looks at each text with a
regular expression and calls two functions for it.
"""

from types import NoneType

from psycopg.types.array import ListDumper


class Texts(ListDumper):
    """psycopg's own, and its shortcut for flat lists of nothing but `str` and None."""

    def dump(self, obj: list[object]) -> bytes | bytearray | memoryview | None:
        """An array's text form; every text in quotes, so that none can be NULL or a bracket."""
        kinds = set(map(type, obj))
        if not kinds or not kinds <= {str, NoneType}:
            return super().dump(obj)
        texts: list[str | None] = obj  # type: ignore[assignment]
        joined = "".join(filter(None, texts))
        if "\0" in joined:
            return super().dump(obj)  # which refuses it; libpq would cut the rest off
        if "\\" in joined or '"' in joined:
            texts = [one and one.replace("\\", "\\\\").replace('"', '\\"') for one in texts]
        quoted = ",".join(["NULL" if one is None else f'"{one}"' for one in texts])
        return f"{{{quoted}}}".encode()
