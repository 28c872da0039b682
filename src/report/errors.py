"""The one exception crunch raises on purpose."""

from .words import printable

EXIT_FAILED = 125
EXIT_NOT_EXECUTABLE = 126
EXIT_NOT_FOUND = 127


class CrunchError(Exception):
    """What the user is told, in one sentence, and the status crunch ends with. Paths in it may hold anything: it is made printable."""

    def __init__(self, message: str, exit_status: int = EXIT_FAILED) -> None:
        super().__init__(message)
        self.message = printable(message)
        self.exit_status = exit_status
