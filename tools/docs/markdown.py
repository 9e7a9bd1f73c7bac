"""The little Markdown that generated pages are made of."""

from __future__ import annotations

MADE = "<!-- Written by `make docs` from the code: change it there. -->"


def page(title: str, text: str, *parts: str) -> str:
    """Return a page with its title, a sentence and its parts."""
    return "\n\n".join([f"# {title}", MADE, text, *parts]) + "\n"


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return a Markdown table, without the columns that are empty in every row."""
    used = [column for column in range(len(head)) if column == 0 or any(row[column] for row in rows)]
    kept = [tuple(line[column] for column in used) for line in [head, *rows]]
    lines = [kept[0], tuple("---" for _ in used), *kept[1:]]
    return "\n".join("| " + " | ".join(_cell(text) for text in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
