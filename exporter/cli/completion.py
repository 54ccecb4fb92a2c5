"""Complete command lines in bash, zsh and fish. Loads nothing but the standard library.

The scripts are the same for every version. Like kingpin's, they run the typed program to get suggestions.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from exporter.cli.commands import ABOUT, COMMANDS, EVERYWHERE, GROUPS, WITH_VALUE, Flag, forms

SCRIPTS: Mapping[str, str] = {
    "bash": r"""# bash completion of batch-exporter. Load it: eval "$(batch-exporter --completion-script-bash)"
_batch_exporter() {
    local line="${COMP_LINE:0:COMP_POINT}" breaks="" head="" current word words
    read -d '' -ra words <<< "$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    current="${words[${#words[@]}-1]}"
    # readline replaces only what stands behind the last of its breaks.
    [[ $COMP_WORDBREAKS == *=* ]] && breaks+="="
    [[ $COMP_WORDBREAKS == *:* ]] && breaks+=":"
    [[ -n $breaks ]] && head="${current%"${current##*[$breaks]}"}"
    COMPREPLY=()
    while IFS= read -r word; do
        [[ -n $word && $word == "$current"* ]] && COMPREPLY+=("${word#"$head"}")
    done < <("${words[0]/#\~\//$HOME/}" --completion-bash "${words[@]:1}" 2> /dev/null)
}
complete -o default -F _batch_exporter batch-exporter
""",
    "zsh": r"""#compdef batch-exporter
# zsh completion of batch-exporter. Load it: eval "$(batch-exporter --completion-script-zsh)"
_batch_exporter() {
    local program=${(Q)words[1]} line
    local -a found
    program=${program/#\~\//$HOME/}
    local -a typed=("${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}")
    for line in "${(@f)$("$program" --completion-described "${typed[@]}" 2> /dev/null)}"; do
        [[ -n $line ]] && found+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
    done
    (( $#found )) && _describe batch-exporter found && return
    compset -P '--*='
    _files
}
# As a file of $fpath this is the function itself; read by eval or source, it only defines it.
if [[ $funcstack[1] == _batch-exporter ]]; then
    _batch_exporter "$@"
else
    compdef _batch_exporter batch-exporter
fi
""",
    "fish": r"""# fish completion of batch-exporter. Load it: batch-exporter --completion-script-fish | source
function __batch_exporter_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l program (string replace -r '^~/' "$HOME/" -- $words[1])
    set -e words[1]
    set -l found ($program --completion-described $words "$current" 2> /dev/null)
    if test -n "$found[1]"
        printf '%s\n' $found
        return
    end
    set -l value (string replace -r '^--[^=]*=' '' -- "$current")
    set -l head (string replace -r '^(--[^=]*=)?.*' '$1' -- "$current")
    for path in (__fish_complete_path "$value")
        printf '%s%s\n' $head $path
    end
end
complete -c batch-exporter -f -a '(__batch_exporter_complete)'
""",
}
"""What a shell reads, by its name."""


@dataclass(frozen=True, slots=True)
class _Typed:
    """The words before the one that is completed."""

    command: str
    """The command typed so far: empty, the first word of two, or a command."""
    value_of: str = ""
    """The flag that the word is the value of."""
    arguments: int = 0
    """The number of positional arguments after the command."""


def suggestions(words: Sequence[str], *, described: bool) -> str:
    """Return what may stand for the last of the words that follow the program's name, one a line.

    `described` adds a tab and what it does. There is nothing for the values of flags that take any, such as files.
    """
    *before, current = words or [""]
    lines = (f"{word}\t{about}" if described else word for word, about in _following(_read(before), current))
    return "\n".join(lines)


def _following(typed: _Typed | None, current: str) -> Iterator[tuple[str, str]]:
    name, equals, _ = current.partition("=")
    if typed is None:
        return
    if typed.value_of:
        yield from _values(_flags(typed.command).get(typed.value_of), "")
    elif current.startswith("-") and equals:
        yield from _values(_flags(typed.command).get(name), f"{name}=")
    elif current.startswith("-"):
        for flag, options in _flags(typed.command).items():
            shown = forms(flag, options) if current.startswith("--no-") else (flag,)
            yield from ((form, options.about) for form in shown)
    elif typed.arguments == 0:
        yield from _commands(typed.command)


def _read(words: Sequence[str]) -> _Typed | None:
    """Find the command among the words, and what the next word would be. None if it is neither a command nor a flag."""
    names: list[str] = []
    number = 0
    while number < len(words):
        word = words[number]
        if word == "--":
            return None
        if word in WITH_VALUE:
            if number + 1 == len(words):
                return _Typed(_command(names), value_of=word)
            number += 1
        elif not word.startswith("-"):
            names.append(word)
        number += 1
    return _Typed(_command(names), arguments=len(names) - len(_command(names).split()))


def _command(names: Sequence[str]) -> str:
    """Return the longest command that the words begin with, or empty."""
    for count in (2, 1):
        name = " ".join(names[:count])
        if len(names) >= count and (name in ABOUT or name in GROUPS):
            return name
    return ""


def _flags(command: str) -> Mapping[str, Flag]:
    if command in COMMANDS:
        return COMMANDS[command].all_flags
    return EVERYWHERE if command else COMMANDS["serve"].all_flags


def _commands(typed: str) -> Iterator[tuple[str, str]]:
    """Yield the words that may follow those of a command: all first words, or the second ones of two."""
    if typed in GROUPS:
        yield from ((name, ABOUT[f"{typed} {name}"]) for name in GROUPS[typed])
    elif typed in ("", "help"):
        first: dict[str, str] = {}
        for name, about in ABOUT.items():
            word = name.partition(" ")[0]
            first[word] = f"{word}: {' or '.join(GROUPS[word])} it." if word in GROUPS else about
        yield from ((word, about) for word, about in first.items() if word != typed)


def _values(flag: Flag | None, head: str) -> Iterator[tuple[str, str]]:
    if flag is not None:
        yield from ((f"{head}{choice}", flag.about) for choice in flag.choices)
