"""The commands of `andon`: one module a group, each with `register(app)`; cli.py lists them."""
