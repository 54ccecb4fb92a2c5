"""The facts about a system (a vendor's API) that the configuration needs. The systems are in systems/."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class System:
    """A system as the configuration sees it."""

    name: str
    """The value of `system:` in the configuration and of the `system` label."""
    base_url: str
    """The default of `base_url`."""
    token_header: str
    """The request header that carries the API token."""
    token_env: str
    """The environment variable with the token of an account, used when there is no configuration file."""
    collectors: tuple[str, ...]
    """All collectors of the system: the default and the allowed values of `collectors`."""
    filters: tuple[str, ...]
    """The allowed keys of `filters`."""
    options: tuple[str, ...] = ()
    """The allowed keys of an account beyond those of every system."""
    webhook_header: str = ""
    """The header of webhooks with the hex HMAC-SHA256 of the body; empty where none are known."""
    stuck_alert: str = "BatchMoreInFlightTooLong"
    """The alert about records that are stuck; by default the one about those of every system."""
