"""Exit codes, and how an error becomes one.

0 done · 1 gate failed · 2 usage or spec error · 3 study failed or cancelled
4 wait timed out, the study goes on · 5 server unreachable or refused · 130 interrupted
70 a bug of ours: never mistaken for a verdict · 74 the machine: a full disk, a closed stdout
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from service.client.errors import ClientError, NotConfigured, ServerRefused
from service.errors import InvalidRequest, ServiceError
from service.wire.spec.refusals import rule_in_words
from service.wire.views.problems import Problem


class Exit(IntEnum):
    """What the shell is told."""

    DONE = 0
    GATE_FAILED = 1
    USAGE = 2
    STUDY_FAILED = 3
    WAIT_TIMED_OUT = 4
    UNREACHABLE = 5
    BUG = 70
    MACHINE = 74
    INTERRUPTED = 130


class Stop(Exception):
    """The command ends here: `message` goes to stderr, `code` to the shell."""

    def __init__(self, code: Exit, message: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message


EXIT_OF_PROBLEM = {
    "result-not-ready": Exit.WAIT_TIMED_OUT,
    "result-impossible": Exit.STUDY_FAILED,
}


@contextmanager
def stopping_on_errors() -> Iterator[None]:
    """Turn what can go wrong in a command into `Stop`, with a sentence for the user."""
    try:
        yield
    except ServerRefused as error:
        raise Stop(exit_of_problem(error.problem), problem_text(error.problem)) from None
    except NotConfigured as error:
        raise Stop(Exit.USAGE, str(error)) from None
    except ClientError as error:
        raise Stop(Exit.UNREACHABLE, f"{error}\n{REMEDY_UNREACHABLE}") from None
    except InvalidRequest as error:
        lines = [f"{broken.field}: {broken.message}" for broken in error.errors]
        raise Stop(Exit.USAGE, "\n".join(lines) or str(error)) from None
    except ServiceError as error:
        raise Stop(Exit.USAGE, str(error)) from None
    except SQLAlchemyError as error:
        cause = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise Stop(Exit.UNREACHABLE, f"the database cannot be used: {cause}") from None
    except ValidationError as error:
        raise Stop(Exit.USAGE, settings_text(error)) from None
    except SystemExit as ended:  # how typer ends a command whose reader has had enough: with 1
        if not isinstance(ended.__context__, BrokenPipeError):
            raise
        raise Stop(Exit.DONE) from None
    except OSError as error:
        where = f"{error.filename}: " if error.filename is not None else ""
        reason = error.strerror or str(error)
        raise Stop(Exit.MACHINE, f"this machine refuses: {where}{reason}") from None
    except MemoryError:
        raise Stop(Exit.MACHINE, "this machine refuses: it has no memory left") from None


REMEDY_UNREACHABLE = "Start one with `metaopt serve`, or name another in METAOPT_URL."


CALLERS_FAULTS = (
    errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EPERM, errno.EROFS, errno.ELOOP,
    errno.ENAMETOOLONG, errno.EINVAL, errno.ENXIO, errno.EEXIST, errno.ETXTBSY,
)  # fmt: skip


def unwritable(where: object, error: OSError) -> Stop:
    """How a command ends that cannot write: by the caller's fault, if another place would do."""
    code = Exit.USAGE if error.errno in CALLERS_FAULTS else Exit.MACHINE
    return Stop(code, f"{where} cannot be written: {error.strerror or error}")


def exit_of_problem(problem: Problem) -> Exit:
    """The exit code for a server's problem, by whose fault it is."""
    if problem.code in EXIT_OF_PROBLEM:
        return EXIT_OF_PROBLEM[problem.code]
    is_callers = problem.status in (400, 404, 409, 412, 413, 415, 422, 428)
    return Exit.USAGE if is_callers and not problem.code.startswith("http-") else Exit.UNREACHABLE


def problem_text(problem: Problem) -> str:
    """A problem as lines: each broken rule with its field, else the sentence."""
    lines = [f"{rule.field}: {rule.message}" for rule in problem.errors]
    if problem.code == "unauthenticated":
        lines = [f"{problem.detail} Set METAOPT_API_KEY."]
    return "\n".join([f"{problem.title}:", *lines]) if lines else problem.detail


def settings_text(error: ValidationError) -> str:
    """Broken settings, by the names of their variables."""
    return "\n".join(
        f"METAOPT_{'_'.join(str(part) for part in entry['loc']).upper()}: {rule_in_words(entry)}"
        for entry in error.errors(include_url=False)
    )
