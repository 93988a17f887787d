"""The command line: `kelpie serve`, `kelpie doctor`, `kelpie import`, `kelpie export`.

Heavy parts are imported when a command needs them, so that --help is quick.
"""

import argparse
import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from kelpie_core.errors import CallerError, InvalidInput, KelpieError
from kelpie_server.config import VERSION, Config
from kelpie_server.settings import SettingError, read_config, secrets_of
from kelpie_server.settings_page import add_settings, given_flags

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
    _add_doctor(commands)
    _add_import(commands)
    _add_export(commands)
    return parser


def _add_serve(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    serve = commands.add_parser(
        "serve",
        help="serve the API",
        description="Serve the API from one database file. Needs no key and no network: the builtin echo model answers "
        "for every agent that names no other. Stops on SIGTERM or Ctrl-C, after what is at work has ended.",
    )
    add_settings(serve)
    serve.set_defaults(command=_serve, parser=serve)


def _add_doctor(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    doctor = commands.add_parser(
        "doctor",
        help="say what is wrong with a set-up",
        description="Look at everything that `kelpie serve` with the same settings will need: the disk, the database, "
        "the address, the tokens, the models' providers, the kernel. Ends with 1 if it would not work.",
    )
    add_settings(doctor, epilog=None)
    doctor.set_defaults(command=_doctor, parser=doctor)


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
        default=argparse.SUPPRESS,
        metavar="PATH",
        help=f"the database file, which no server may have open [KELPIE_DATA, default: {Config().data}]",
    )
    place.add_argument(
        "--url", help="a server to ask instead, as http://127.0.0.1:8283; its token is read from LETTA_API_KEY"
    )


def _serve(options: argparse.Namespace) -> None:
    from kelpie_server.serving import serve

    asyncio.run(serve(_config_of(options)))


def _doctor(options: argparse.Namespace) -> None:
    from kelpie_server.doctor import FAIL, examine
    from kelpie_server.logs import redactor

    config, failed = _config_of(options), False
    redact = redactor(secrets_of(config))
    for finding in examine(config):
        print(redact(str(finding)))
        failed = failed or finding.level == FAIL
    if failed:
        raise InvalidInput("a server with these settings would not work")


def _config_of(options: argparse.Namespace) -> Config:
    """Return the settings that file, environment and options give; end with 2 if they make no sense."""
    parser: argparse.ArgumentParser = options.parser
    file = getattr(options, "config", None)
    try:
        return read_config(given_flags(options), os.environ, file=Path(file) if file else None)
    except SettingError as error:
        parser.error(str(error))


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
    async with opened(_config_of(options)) as kelpie:
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
    async with opened(_config_of(options)) as kelpie:
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
