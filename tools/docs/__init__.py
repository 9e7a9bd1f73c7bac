"""Reference pages generated from the code, so that they cannot say anything else than the program does.

`python -m tools.docs` (`make docs`) writes them; with `--check` (`make check`) it names those that are not current.
Nothing is started for it: no server, no database, no file outside `docs`.
"""
