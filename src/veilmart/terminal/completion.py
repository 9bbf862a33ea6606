"""`veilmart --install-completion`: the shell completes commands and options."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from veilmart.errors import BadArgument
from veilmart.storage.files.names import shown_path
from veilmart.terminal.command import Common, command

if TYPE_CHECKING:
    from collections.abc import Callable


def installer(app: App) -> "Callable[..., int]":
    """The command that installs the completion of `app` for its user's shell."""

    @command
    def install_completion(
        *,
        shell: Annotated[
            Literal["bash", "zsh", "fish"] | None, Parameter(help="Default: the shell in use.")
        ] = None,
        output: Annotated[
            Path | None,
            Parameter(help="Only write this file. Default: the shell's own place, and its start."),
        ] = None,
        common: Common = Common(),
    ) -> None:
        """Let the shell complete commands and options; from the next shell on."""
        from cyclopts.completion.detect import ShellDetectionError

        from veilmart.storage.files.disk_errors import typed_file_errors  # imports the databases

        with typed_file_errors("The completion"):
            try:
                path = app.install_completion(
                    shell=shell, output=output, add_to_startup=output is None
                )
            except ShellDetectionError as fault:
                raise BadArgument("The shell is not known; pass --shell.") from fault
        common.terminal().result(
            {"file": path},
            lambda console: console.print(
                f"Written to {shown_path(path)}. Completion works in the next shell."
            ),
        )

    return install_completion
