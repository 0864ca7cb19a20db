"""`solon serve`: vLLM's server for a model, until Ctrl-C."""

import argparse

from solon.commands.arguments import Commands, add_settings


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("serve", help="vLLM's server for a model of a recipe, on this machine only")
    parser.add_argument(
        "model", metavar="RECIPE|MODEL", help="a recipe, a model folder, an id on the Hub, or `embedded`"
    )
    parser.add_argument(
        "--role", choices=("assistant", "judge"), default="assistant", help="which of a recipe's models"
    )
    parser.add_argument("--port", type=int, default=8000, help="where it listens (default: 8000)")
    add_settings(parser, of="the recipe, or of the model, as in dtype=float32")
    parser.set_defaults(command=_serve, resumes=False)


def _serve(given: argparse.Namespace) -> int:
    from solon.serve import serve, served_model

    served = served_model(given.model, role=given.role, overrides=given.settings)
    serve(served, port=given.port, say=lambda text: print(text, flush=True))
    return 0
