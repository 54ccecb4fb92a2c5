"""Detect texts that are no token: placeholders, unexpanded variables, whole headers.

Messages never quote the text, because what looks like a placeholder may hold a secret.
"""

import re
from collections.abc import Callable

_VARIABLE = re.compile(r"\$[A-Za-z_]\w*|%\w+%|.*(?:\$\{|\$\(|#\{|\{\{).*|@\w+@|__\w+__")
_VARIABLE_NAME = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*_(?:TOKEN|KEY|SECRET)")
_BRACKETS = re.compile(r"<.*>|\[.*\]|\{.*\}|\(.*\)|.*<[A-Za-z][\w .-]*>.*|ENC\[.*")
_NOTHING = re.compile(r"[.…*_\-?#]+|[xX]{3,}")
_QUOTES = re.compile(r"([\"'`]).*\1|[\"'`].*|.*[\"'`]$")
_SCHEME = re.compile(r"(?:bearer|token|basic|apikey|api-key|digest)[\s:=]", re.IGNORECASE)
_NAMED = re.compile(
    r"export\s|[\w-]*(?:authorization|token|api[-_]?key)\s*:"  # export X=…, or a header
    r"|[A-Za-z]\w*[_-](?:token|key|secret)\s*=[^=]",
    re.IGNORECASE,
)
_WORDS = re.compile(
    r"(?:change|replace|edit|fill|fix)(?:me|this|it|in|here|later|please|now)+"
    r"|(?:insert|put|paste|enter|add|set|replace(?:with)?)?your\w*?(?:token|key|secret|here)"
    r"|(?:insert|put|paste|enter|add)?(?:the|an?|my)?(?:inkit|packagex|px)?(?:api)?(?:token|key|secret)(?:goes)?here"
    r"|(?:(?:the|an?|my|our|some)?(?:inkit|packagex|px|vendor)?(?:api|access|auth|bearer)?(?:token|key|secret))"
    r"|secret(?:key|token)|pass(?:word|wd|phrase)?|credentials?|example|sample|dummy|fake|foo|bar|foobar|string|value"
    r"|todo|tbd|fixme|placeholder|redacted|removed|masked|null|none|nil|undefined|notset|unset"
)


def problem(token: str) -> str | None:
    """Return what is wrong with the text as a token, and the fix; None if it can be one."""
    return next((message for matches, message in _KINDS if matches(token)), None)


def stands_for_another(text: str) -> bool:
    """Return whether the text is a placeholder or the name of a variable, whatever it was to be."""
    return any(message in (_PLACEHOLDER, _REFERENCE) and matches(text) for matches, message in _KINDS)


def _is_placeholder(token: str) -> bool:
    return _WORDS.fullmatch(re.sub(r"[\W_]", "", token).lower()) is not None


def _has_space(token: str) -> bool:
    return any(space in token for space in " \t\xa0")


def _whole(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda token: pattern.fullmatch(token) is not None


def _begins(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda token: pattern.match(token) is not None


_REFERENCE = (
    "the token is the name of a variable, which is not expanded here: "
    "name the variable in api_token_env, or put the token in a file and name that in api_token_file"
)
_PLACEHOLDER = (
    "the token is a placeholder: put the token itself in its place, "
    "or put the token in a file and name that in api_token_file"
)
_KINDS: tuple[tuple[Callable[[str], bool], str], ...] = (
    (_whole(_QUOTES), "the token has quotes around it: give it without them"),
    (_whole(_VARIABLE), _REFERENCE),
    (_whole(_NOTHING), _PLACEHOLDER),
    (_whole(_BRACKETS), _PLACEHOLDER),
    (_is_placeholder, _PLACEHOLDER),
    (_whole(_VARIABLE_NAME), _REFERENCE),
    (
        _begins(_SCHEME),
        "the token begins with the name of a scheme, such as Bearer: give the token alone, as it is sent without one",
    ),
    (_begins(_NAMED), "the token has the name of a header or a variable before it: give the token alone"),
    (_has_space, "the token has a space in it: give the token alone"),
)
