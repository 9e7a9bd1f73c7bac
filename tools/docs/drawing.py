"""The pictures on the page about the architecture, drawn from the table that the process itself is wired by."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tools.docs.markdown import table

PAGE = Path("explanation", "architecture.md")
DEAD_LETTERS = "dlq."
CLASSES = (
    "classDef layer fill:#dbeafe,stroke:#1d4ed8,color:#0f172a",
    "classDef topic fill:#fef3c7,stroke:#b45309,color:#0f172a",
    "classDef store fill:#dcfce7,stroke:#15803d,color:#0f172a",
    "classDef outside fill:#f1f5f9,stroke:#475569,color:#0f172a",
)


def redrawn(page: str) -> str:
    """Return the page with its generated blocks as the graph is now.

    Raises:
        ValueError: the markers of a block are not there.
    """
    graph = importlib.import_module("niftyflow.runtime.graph").GRAPH
    blocks = {"topics": topics(graph), "calls": calls(graph), "stores": stores(graph), "layers": layers(graph)}
    for name, text in blocks.items():
        begin, end = f"<!-- {name}: drawn by `make docs` from runtime/graph.py -->", f"<!-- end of {name} -->"
        marked = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        if not marked.search(page):
            raise ValueError(f"{PAGE} has no place for {name}: put {begin} and {end} into it")
        page = marked.sub(lambda _, whole=f"{begin}\n\n{text}\n\n{end}": whole, page)
    return page


def topics(graph: Sequence[Any]) -> str:
    """Return the flowchart of what layers give one another by topics; dotted: each reader has all of it by itself."""
    lines = [_layer(node) for node in graph if node.reads or node.writes]
    names = dict.fromkeys(topic for node in graph for topic in _written(node))
    lines += [f"{_id('topic', name)}([{name}]):::topic" for name in names]
    lines += ["broker[/broker, simulator or demo/]:::outside", f"broker --> {_id('layer', 'ingestion')}"]
    for node in graph:
        lines += [f"{_id('layer', node.name)} --> {_id('topic', topic)}" for topic in _written(node)]
        for reading in node.reads:
            arrow = "-.->" if reading.group is None else "-->"
            lines.append(f"{_id('topic', reading.topic)} {arrow} {_id('layer', node.name)}")
    return _flowchart("TB", lines)


def calls(graph: Sequence[Any]) -> str:
    """Return the flowchart of who asks whom, with the questions."""
    asking = [
        (node, answering, ", ".join(question for question in node.asks if question in answering.answers))
        for node in graph for answering in graph
    ]  # fmt: skip
    asking = [(node, answering, questions) for node, answering, questions in asking if questions]
    page = [node for node in graph if node.name == "presentation"]
    shown = {node.name: node for pair in asking for node in pair[:2]} | {node.name: node for node in page}
    lines = [_layer(node) for node in shown.values()]
    lines += [f'{_id("layer", node.name)} -. "HTTP, sockets" .-> {_id("layer", "gateway")}' for node in page]
    lines += [
        f'{_id("layer", node.name)} -. "{questions}" .-> {_id("layer", answering.name)}'
        for node, answering, questions in asking
    ]
    return _flowchart("LR", lines)


def stores(graph: Sequence[Any]) -> str:
    """Return the flowchart of who uses which store; layers that use the same ones are drawn together."""
    storage = next(node for node in graph if node.name == "storage")
    lines = [f'subgraph {_id("layer", storage.name)} ["{storage.layer} {storage.name}: {storage.title}"]']
    lines += [f"  {_id('store', name)}[({name} store)]:::store" for name in storage.stores]
    lines += ["end", f"class {_id('layer', storage.name)} outside"]
    users: dict[tuple[str, ...], list[Any]] = {}
    for node in graph:
        if node.stores and node is not storage:
            users.setdefault(tuple(sorted(node.stores)), []).append(node)
    for together in users.values():
        name = _id("users", "_".join(node.name for node in together))
        lines.append(f'{name}["{"<br/>".join(_title(node) for node in together)}"]:::layer')
        lines += [f"{name} --- {_id('store', store)}" for store in together[0].stores]
    return _flowchart("LR", lines)


def layers(graph: Sequence[Any]) -> str:
    """Return the table of the layers in their order."""
    rows = [
        (
            str(node.layer or ""), f"`{node.name}`", node.title,
            ", ".join(_names(reading.topic for reading in node.reads if reading.group is not None)
                      + [f"{name} (by itself)" for name in
                         _names(reading.topic for reading in node.reads if reading.group is None)]),
            ", ".join(_names(_written(node))), ", ".join(node.stores), ", ".join(_names(node.answers)),
        )
        for node in sorted(graph, key=lambda node: (node.layer or len(graph), node.name))
    ]  # fmt: skip
    return table(("", "layer", "what it does", "reads", "writes", "stores", "answers"), rows)


def _written(node: Any) -> list[str]:
    return [topic for topic in node.writes if not topic.startswith(DEAD_LETTERS)]


def _names(words: Iterable[str]) -> list[str]:
    return [f"`{word}`" for word in words]


def _layer(node: Any) -> str:
    return f'{_id("layer", node.name)}["{_title(node)}<br/>{node.title}"]:::layer'


def _title(node: Any) -> str:
    return f"{node.layer} {node.name}" if node.layer else str(node.name)


def _id(kind: str, name: str) -> str:
    return f"{kind}_{re.sub('[^a-z0-9]', '_', name)}"


def _flowchart(direction: str, lines: Iterable[str]) -> str:
    return "\n".join(["```mermaid", f"flowchart {direction}", *(f"  {line}" for line in (*lines, *CLASSES)), "```"])
