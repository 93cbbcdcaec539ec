"""The command line: ``snapengine info | snapshot | sprite | cover | animate | serve``.

Exit status 0 on success, 2 on bad usage, 1 on a failure with one line on stderr. With ``--json``
the result goes to stdout as one JSON object; progress goes to stderr, and only to a terminal.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence

from ..errors import RequestError, SnapError
from .arguments import make_parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status. Never raises for what a user can do wrong."""
    parser = make_parser()
    try:
        arguments = parser.parse_args(argv)
    except SystemExit as stop:  # argparse: 0 after --help, 2 after bad usage
        return stop.code if isinstance(stop.code, int) else 2
    if arguments.run is None:
        parser.print_help(sys.stderr)
        return 2
    try:
        result = arguments.run(arguments)
        if arguments.json:
            print(json.dumps(result, indent=2))
        if sys.stdout is not None:  # closed by whoever started us
            sys.stdout.flush()
        return 0
    except RequestError as error:
        return _fail(arguments, error, 2)
    except SnapError as error:
        return _fail(arguments, error, 1)
    except OSError as error:
        # Our own output: its reader left (`| head`) or its disk is full. Python would complain
        # again while it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            print(f"snapengine: cannot write the result: {error.strerror}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("snapengine: interrupted", file=sys.stderr)
        return 130


def _fail(arguments: argparse.Namespace, error: SnapError, status: int) -> int:
    message = " ".join(error.message.split())
    if arguments.json:
        told = {"error": {"code": error.code, "stage": error.stage, "message": message}}
        print(json.dumps(told, indent=2))
    print(f"snapengine: {message}", file=sys.stderr)
    return status
