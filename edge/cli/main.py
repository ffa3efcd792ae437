"""The ``tongluo`` command: global options, lazy sub-commands, and one place that turns errors into
exit codes.

Exit codes: 0 done; 1 it did not work (the text says why); 2 the command or a file is wrong;
3 no agent runs, or it refused; 130 interrupted.
"""

from __future__ import annotations

import importlib
import sys
from typing import ClassVar

import click

from edge.core.errors import AgentError, ConfigError, TongluoError
from edge.locale import text

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_NO_AGENT = 3
EXIT_INTERRUPTED = 130


class LazyGroup(click.Group):
    """Imports a command's file when it is used.

    A status must not pay for the uplink's libraries.
    """

    names: ClassVar[tuple[str, ...]] = (
        "ports",
        "scan",
        "identify",
        "set-address",
        "new",
        "run",
        "check",
        "proof",
        "apply",
        "backtest",
        "status",
        "watch",
        "wire",
        "read",
        "ack",
        "answer",
        "calls",
        "report",
        "reset",
        "alarms",
        "shelve",
        "unshelve",
        "inhibit",
        "uninhibit",
        "out-of-service",
        "in-service",
        "drill",
        "walk-test",
        "journal",
        "audit",
        "replay",
        "receive",
        "link",
    )

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of a working day, not of the alphabet."""
        return [name for name in self.names if name != "link"]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name."""
        if cmd_name not in self.names:
            return None
        name = cmd_name.replace("-", "_")
        module = importlib.import_module(f"edge.cli.{name}")
        command: click.Command = getattr(module, name)
        command.help = text(f"help.{cmd_name}")
        return command


@click.group(
    cls=LazyGroup,
    context_settings={"auto_envvar_prefix": "TONGLUO", "help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 failed, 2 wrong command or file, 3 no agent, 130 interrupted.",
)
@click.version_option(package_name="tongluo", prog_name="tongluo")
def cli() -> None:
    """The village gong: hears sensors, sounds sirens, tells the district.

    铜锣：监听传感器，一秒内拉响广播，并通过任何可用链路上报区县。
    """


def entry() -> None:
    """The console script."""
    sys.exit(main(sys.argv[1:]))


def main(arguments: list[str]) -> int:
    """Run one command; returns the exit code."""
    try:
        result = cli.main(arguments, prog_name="tongluo", standalone_mode=False)
    except click.exceptions.Abort:
        return EXIT_INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except TongluoError as error:
        click.echo(f"{text('cli.error')}: {error}", err=True)
        if error.hint:
            click.echo(f"{text('cli.hint')}: {error.hint}", err=True)
        return _exit_code(error)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # the reader of our output has had enough (| head)
        sys.stderr.close()
        return EXIT_FAILED
    return result if isinstance(result, int) else 0


def _exit_code(error: TongluoError) -> int:
    if isinstance(error, ConfigError):
        return EXIT_USAGE
    if isinstance(error, AgentError):
        return EXIT_NO_AGENT
    return EXIT_FAILED


if __name__ == "__main__":
    entry()
