"""What is wrong where a file is no YAML, in words that help. Shows nothing of the line: a secret may stand there."""

import yaml

from mirrord.config.problem import Problem

_HINTS = (
    ("mapping values are not allowed", 'a ": " where none can be; put the text in quotes, or look at the indentation'),
    ("tab character", "a tab in the indentation; indent with spaces"),
    ("could not find expected ':'", 'a line without a ": "; a key needs one, and a list item begins with "- "'),
    ("did not find expected '-'", 'expected another "- " of this list; look at the indentation'),
    ("did not find expected key", "the indentation does not fit the lines before; line up the keys"),
    ("expected <block end>", "the indentation does not fit the lines before; line up the keys"),
    ("did not find expected ',' or ']'", 'a "[" that is not closed with "]", or a "," that is missing'),
    ("did not find expected ',' or '}'", 'a "{" that is not closed with "}", or a "," that is missing'),
    ("unexpected end of stream", "a quote that is not closed"),
    ("nesting depth", "nested too deep; a config needs a few levels"),
    ("alphabetic or numeric character", 'an unquoted "*" or "&" means something else in YAML; put it in quotes: "*"'),
)


def syntax_problem(error: yaml.YAMLError, file: str, content: str) -> Problem:
    """What the parser's error means to a person. It shows nothing of the line: a secret may stand there."""
    mark = getattr(error, "problem_mark", None)
    context = getattr(error, "context_mark", None)
    said = str(getattr(error, "problem", None) or "is not YAML")
    line = mark.line if mark else 0
    if context and ("unexpected end of stream" in said or "could not find expected ':'" in said):
        line = context.line  # where the quote was opened, or the key begins
    lines = content.split("\n")
    start = lines[line] if line < len(lines) else ""
    if "\t" in start[: len(start) - len(start.lstrip())]:
        return Problem(file, line + 1, "", "a tab in the indentation; indent with spaces")
    if "cannot start any token" in said:
        character = start[mark.column : mark.column + 1] if mark else ""
        hint = (
            "a tab; write spaces" if character == "\t" else f'a value can\'t begin with "{character}"; put it in quotes'
        )
        return Problem(file, line + 1, "", hint)
    hint = next(
        (hint for words, hint in _HINTS if words in said),
        f"not YAML: {said}; correct the line, or put its text in quotes",
    )
    return Problem(file, line + 1, "", hint)
