#!/usr/bin/env python3
"""Compares every quotation of the transcripts with the specification: citations.py CHECKOUT.

CHECKOUT is one of github.com/modelcontextprotocol/modelcontextprotocol. Markdown and white space are not compared; an
ellipsis stands for anything. What is quoted of other documents is counted, not compared.
"""

import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
CITATION = re.compile(r'(?P<page>[^§]+) §(?P<section>[^:]+)(?:: "(?P<quote>.*)")?')


def plain(markdown: str) -> str:
    text = re.sub(r"```\w*|<[^>]+>", "", markdown)
    text = re.sub(r"\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])", r"\1", text)
    return re.sub(r"\s+", " ", re.sub(r"\*\*|[_`]", "", text)).strip()


def section(page: str, name: str) -> str | None:
    """The text below a heading, up to the next of its level."""
    headings = [(found, plain(found[2])) for found in re.finditer(r"^(#+) (.*)$", page, re.MULTILINE)]
    for at, (heading, title) in enumerate(headings):
        if title == plain(name):
            deeper = len(heading[1])
            after = [found for found, _ in headings[at + 1 :] if len(found[1]) <= deeper]
            return plain(page[heading.end() : after[0].start() if after else len(page)])
    return None


def comments(path: pathlib.Path) -> list[tuple[int, str]]:
    """Each comment with its line; a line that is indented goes on with the one before."""
    found: list[tuple[int, str]] = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.startswith("#   "):
            found[-1] = (found[-1][0], found[-1][1] + " " + line[4:])
        elif line.startswith("# "):
            found.append((number, line[2:]))
    return found


def wrong(citation: re.Match[str], specification: pathlib.Path, revision: str) -> str | None:
    """What is wrong with a citation of this revision's text, or of the one that it names."""
    *other, name = citation["page"].split()
    page = specification / (other[0] if other else revision) / f"{name}.mdx"
    if not page.exists():
        return f"there is no page {page.name}"
    text = section(page.read_text(), citation["section"])
    if text is None:
        return f"there is no section {citation['section']}"
    begin = 0
    for part in (citation["quote"] or "").split("…"):
        begin = text.find(plain(part), begin)
        if begin < 0:
            return f"this is not there: {part}"
    return None


def main() -> int:
    specification = pathlib.Path(sys.argv[1]) / "docs/specification"
    compared, others, bad = 0, 0, 0
    for path in sorted(HERE.glob("*/*/*.transcript")):
        for line, text in comments(path):
            if "§" not in text:
                continue
            citation = CITATION.match(text)
            if text.startswith("JSON-RPC 2.0 §"):
                others += 1
                continue
            told = wrong(citation, specification, path.parent.parent.name) if citation else "unreadable"
            compared, bad = compared + 1, bad + bool(told)
            if told:
                print(f"{path.relative_to(HERE)}:{line}: {told}")
    print(f"{compared} quotations compared, {bad} of them wrong; {others} of other documents")
    return 1 if bad or not compared else 0


if __name__ == "__main__":
    sys.exit(main())
