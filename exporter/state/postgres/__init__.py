"""The state in a PostgreSQL database, for replicas. Only the modules in here need psycopg, which may be missing."""

import difflib

from exporter.model.database_url import parameter_names
from exporter.model.record import StateError

MISSING = "PostgreSQL needs psycopg, which is not installed: pip install '.[postgres]'"


def require(where: str = "state.url") -> None:
    """Import psycopg. Raises StateError if it is not installed. `where` names the URL in the message."""
    try:
        import psycopg  # noqa: F401
    except ImportError as error:
        raise StateError(f"{where}: {MISSING}") from error


def problem(url: str) -> str | None:
    """Return why libpq refuses the URL, in which `model.database_url` finds nothing wrong; None if it does not.

    Nothing is connected to, and nothing of the URL is quoted.
    """
    try:
        from psycopg import Error
        from psycopg.conninfo import conninfo_to_dict
        from psycopg.pq import Conninfo
    except ImportError:
        return MISSING
    try:
        conninfo_to_dict(url)
    except Error:
        known = [option.keyword.decode() for option in Conninfo.get_defaults()]
        for place, name in enumerate(parameter_names(url), 1):
            if name not in known:
                close = difflib.get_close_matches(name, known, 1)
                hint = f'; did you mean "{close[0]}"?' if close else ""
                return f'libpq does not know parameter {place} after the "?"{hint}'
        return "libpq can't read it: write it as postgresql://user@host:5432/database?sslmode=verify-full"
    return None
