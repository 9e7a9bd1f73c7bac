"""The command line: one file a group of commands; `app.py` gathers them and turns errors into exit codes."""
