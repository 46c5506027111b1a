"""How a command ends that fails: which exit code, and which sentence for the user."""

import sys

from pydantic import ValidationError

from service.cli.exits import Exit, Stop
from service.client.errors import ClientError, NotConfigured, ServerRefused
from service.errors import InvalidRequest, ServiceError
from service.wire.spec.refusals import rule_in_words
from service.wire.views.problems import Problem

REMEDY_NOT_INSTALLED = (
    "which is not installed here: a client does without, what runs or trains on this machine does "
    "not.\nInstall the rest: pip install 'metaopt[server]'"
)
REMEDY_UNREACHABLE = "Start one with `metaopt serve`, or name another in METAOPT_URL."

EXIT_OF_PROBLEM = {
    "result-not-ready": Exit.WAIT_TIMED_OUT,
    "result-impossible": Exit.STUDY_FAILED,
}


def stop_of(error: Exception) -> Stop | None:
    """The end that an error means, or None for a bug of ours."""
    match error:
        case ServerRefused():
            return Stop(exit_of_problem(error.problem), problem_text(error.problem))
        case NotConfigured():
            return Stop(Exit.USAGE, str(error))
        case ClientError():
            return Stop(Exit.UNREACHABLE, f"{error}\n{REMEDY_UNREACHABLE}")
        case InvalidRequest():
            lines = [f"{broken.field}: {broken.message}" for broken in error.errors]
            return Stop(Exit.USAGE, "\n".join(lines) or str(error))
        case ServiceError():
            return Stop(Exit.USAGE, str(error))
        case ValidationError():
            return Stop(Exit.USAGE, settings_text(error))
        case ModuleNotFoundError() if not is_ours(error):
            return Stop(Exit.USAGE, f"this needs {error.name}, {REMEDY_NOT_INSTALLED}")
    if _is_of_the_database(error):
        cause = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        return Stop(Exit.UNREACHABLE, f"the database cannot be used: {cause}")
    return None


def is_ours(error: ModuleNotFoundError) -> bool:
    """Tell whether a module of metaopt itself is missing, which no installation lacks."""
    return (error.name or "metaopt").partition(".")[0] in ("metaopt", "service", "migrations")


def _is_of_the_database(error: Exception) -> bool:
    """Whether SQLAlchemy raised it, which must have been loaded for that."""
    errors = sys.modules.get("sqlalchemy.exc")
    return errors is not None and isinstance(error, errors.SQLAlchemyError)


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
