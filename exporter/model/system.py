"""What a system (a vendor's API) is to the rest of the program. The systems themselves are in systems/."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class System:
    """The facts about a system that the configuration needs."""

    name: str
    """The value of `system:` in the configuration and of the `system` label."""
    base_url: str
    """The default of `base_url`."""
    token_header: str
    """The request header that carries the API token."""
    token_env: str
    """The environment variable that makes an account of this system when there is no configuration file."""
    collectors: tuple[str, ...]
    """All collectors the system has: the default of `collectors`, and the values it may take."""
    filters: tuple[str, ...]
    """The keys that `filters` may have."""
    options: tuple[str, ...] = ()
    """The keys an account of this system may have beyond those of every account."""
