"""The one exception crunch raises on purpose."""

EXIT_FAILED = 125
EXIT_NOT_EXECUTABLE = 126
EXIT_NOT_FOUND = 127


class CrunchError(Exception):
    """What the user is told, in one sentence, and the status crunch ends with."""

    def __init__(self, message: str, exit_status: int = EXIT_FAILED) -> None:
        super().__init__(message)
        self.message = message
        self.exit_status = exit_status
