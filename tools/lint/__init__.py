"""Rules of this project that no general linter knows, as small checks over the source tree.

Each rule tells what went wrong elsewhere, or would go wrong here, without it. `python -m tools.lint` runs them all.
"""
