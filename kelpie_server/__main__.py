"""The command line: `kelpie serve`, `kelpie import`, `kelpie export`.

Heavy parts are imported when a command needs them, so that --help is quick.
"""

import argparse
import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from kelpie_core.errors import CallerError, KelpieError
from kelpie_server.config import LOG_LEVELS, VERSION, Config

_EXIT_CODES = """\
exit codes:
  0  done
  1  refused: the file, the id or an option is at fault, and nothing was changed
  2  the command line is wrong
  3  the database, the server or the network failed; trying again may help
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        options.command(options)
    except CallerError as error:
        return _failed(1, error)
    except (KelpieError, OSError) as error:
        return _failed(3, error)
    except KeyboardInterrupt:
        return _failed(3, "interrupted")
    return 0


def _failed(code: int, error: object) -> int:
    print(f"kelpie: {error}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kelpie",
        description="Agents with durable state, behind Letta's API.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"kelpie {VERSION}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_serve(commands)
    _add_import(commands)
    _add_export(commands)
    return parser


def _add_serve(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    defaults = Config()
    serve = commands.add_parser(
        "serve",
        help="serve the API",
        description="Serve the API from one database file. Needs no key and no network: the builtin echo model answers "
        "for every agent, whatever model it names. Stops on SIGTERM or Ctrl-C, after what is at work has ended.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    serve.add_argument("--host", default=defaults.host, help="address to listen on")
    serve.add_argument("--port", type=int, default=defaults.port, help="port to listen on, 0 for any that is free")
    serve.add_argument("--data", type=Path, default=defaults.data, metavar="PATH", help="the database file")
    serve.add_argument("--log-level", choices=LOG_LEVELS, default=defaults.log_level, help="what to log")
    serve.add_argument(
        "--model-default", default=defaults.model_default, metavar="HANDLE", help="model of agents that name none"
    )
    serve.add_argument(
        "--drain-seconds", type=float, default=defaults.drain_seconds, metavar="N", help="how long to wait at the end"
    )
    serve.add_argument(
        "--busy-wait-seconds",
        type=float,
        default=defaults.busy_wait_seconds,
        metavar="N",
        help="how long a message waits for an agent that is at work; 0 refuses it with 409",
    )
    serve.add_argument(
        "--import-bytes-max",
        type=int,
        default=defaults.import_bytes_max,
        metavar="N",
        help="how large an agent file may be",
    )
    serve.set_defaults(command=_serve, parser=serve)


def _add_import(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "import",
        help="store the agents of agent files",
        description="Store the agents of agent files (.af) of either generation and print their ids, a line each. "
        "Each file is stored whole or not at all.",
    )
    command.add_argument("files", nargs="+", type=Path, metavar="FILE", help="an agent file")
    _add_place(command)
    command.add_argument("--name", help="name of the agents, instead of the file's")
    command.add_argument("--model", metavar="HANDLE", help="model of the agents, instead of the file's")
    command.add_argument("--strip-messages", action="store_true", help="leave the histories out")
    command.add_argument("--no-copy-suffix", action="store_true", help="do not put _copy behind the file's names")
    command.add_argument("--keep-tools", action="store_true", help="do not change tools that exist under their name")
    command.set_defaults(command=_import, parser=command)


def _add_export(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "export",
        help="write an agent's file",
        description="Write an agent with its whole history as an agent file. A file is there whole or not at all.",
    )
    command.add_argument("id", metavar="ID", help="the agent's id, agent-...")
    _add_place(command)
    command.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="where to write it (default: standard output)"
    )
    command.set_defaults(command=_export, parser=command)


def _add_place(command: argparse.ArgumentParser) -> None:
    place = command.add_mutually_exclusive_group()
    place.add_argument(
        "--data",
        type=Path,
        default=Config().data,
        metavar="PATH",
        help="the database file, which no server may have open (default: %(default)s)",
    )
    place.add_argument("--url", help="a server to ask instead, as http://127.0.0.1:8283")


def _serve(options: argparse.Namespace) -> None:
    from kelpie_server.serving import serve

    try:
        config = Config(
            host=options.host,
            port=options.port,
            data=options.data,
            log_level=options.log_level,
            model_default=options.model_default or None,
            drain_seconds=options.drain_seconds,
            busy_wait_seconds=options.busy_wait_seconds,
            import_bytes_max=options.import_bytes_max,
        )
    except ValueError as error:
        options.parser.error(str(error.args[0]))
    asyncio.run(serve(config))


def _import(options: argparse.Namespace) -> None:
    for path in options.files:
        data = path.read_bytes()
        try:
            ids = _import_remotely(options, data) if options.url else asyncio.run(_import_here(options, data))
        except KelpieError:
            print(f"kelpie: {path} was not stored:", file=sys.stderr)
            raise
        print(*ids, sep="\n")


def _import_remotely(options: argparse.Namespace, data: bytes) -> tuple[str, ...]:
    from kelpie_server import remote

    return remote.import_file(options.url, data, _import_form(options))


async def _import_here(options: argparse.Namespace, data: bytes) -> tuple[str, ...]:
    import attrs

    from kelpie_core.limits import AGENT_FILE_BYTES_MAX
    from kelpie_core.wire.letta_query import import_options
    from kelpie_server.serving import opened

    form = {name: [value] for name, value in _import_form(options).items()}
    async with opened(Config(data=options.data)) as kelpie:
        # No limit on size: whoever can open the database has read the file into memory already.
        wanted = attrs.evolve(import_options(form), bytes_max=AGENT_FILE_BYTES_MAX)
        return await kelpie.transfer.import_file(data, wanted)


def _import_form(options: argparse.Namespace) -> dict[str, str]:
    given = {
        "name": options.name,
        "model": options.model,
        "strip_messages": "true" if options.strip_messages else None,
        "append_copy_suffix": "false" if options.no_copy_suffix else None,
        "override_existing_tools": "false" if options.keep_tools else None,
    }
    return {name: value for name, value in given.items() if value is not None}


def _export(options: argparse.Namespace) -> None:
    if options.output is None:
        _write(options, sys.stdout.buffer)
        return
    with _whole_or_nothing(options.output) as file:
        _write(options, file)


def _write(options: argparse.Namespace, file: BinaryIO) -> None:
    if options.url:
        from kelpie_server import remote

        for chunk in remote.export_file(options.url, options.id):
            file.write(chunk)
    else:
        asyncio.run(_write_from_here(options, file))
    file.flush()


async def _write_from_here(options: argparse.Namespace, file: BinaryIO) -> None:
    from kelpie_core.ids import check_id
    from kelpie_server.serving import opened

    agent_id = check_id("agent", options.id)
    async with opened(Config(data=options.data)) as kelpie:
        chunks: AsyncIterator[bytes] = kelpie.transfer.export_file(agent_id)
        async for chunk in chunks:
            file.write(chunk)


@contextlib.contextmanager
def _whole_or_nothing(path: Path) -> Iterator[BinaryIO]:
    """Give a file that takes its name only when it was written to the end."""
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
