"""What a call of the client can fail with.

ClientError
├── NotConfigured       a variable of the environment cannot be used; nobody was asked
├── ServerUnreachable   no answer, or not from a metaopt server; nothing is known
└── ServerRefused       an answer that is a problem: `error.problem` says which
"""

from service.wire.views.problems import Problem


class ClientError(Exception):
    """A call failed; the message is a sentence for the user."""


class NotConfigured(ClientError):
    """A variable of the environment that names the server or the key cannot be used."""


class ServerUnreachable(ClientError):
    """No metaopt server answered at the URL."""


class ServerRefused(ClientError):
    """The server answered with a problem."""

    def __init__(self, problem: Problem) -> None:
        """Say the problem's detail, and keep the problem."""
        super().__init__(problem.detail)
        self.problem = problem
