"""Lists of texts on their way to PostgreSQL: quoted all at once instead of one by one.

A drain hands over some twenty arrays of thousands of texts; psycopg looks at each text with a
regular expression and calls two functions for it.
"""

from psycopg.types.array import ListDumper


class Texts(ListDumper):
    """psycopg's own, and its shortcut for flat lists of nothing but `str`."""

    def dump(self, obj: list[object]) -> bytes | bytearray | memoryview | None:
        """An array's text form; every element in quotes, so that none can be NULL or a bracket."""
        if set(map(type, obj)) != {str}:
            return super().dump(obj)
        texts: list[str] = obj  # type: ignore[assignment]
        joined = '","'.join(texts)
        if "\0" in joined:
            return super().dump(obj)  # which refuses it; libpq would cut the rest off
        if "\\" in joined or joined.count('"') != 2 * (len(texts) - 1):
            joined = '","'.join([one.replace("\\", "\\\\").replace('"', '\\"') for one in texts])
        return f'{{"{joined}"}}'.encode()
