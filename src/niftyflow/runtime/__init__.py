"""The composition root: the graph, the workspace, the wiring of one process, and its running."""
