"""What the agent or its commands object to, said in the language of whoever reads it."""

from __future__ import annotations

from collections.abc import Mapping

from edge.core.errors import AgentError
from edge.locale import known, text


class Complaint(AgentError):
    """The text ``agent.<key>`` with its arguments, and the hint ``agent-hint.<key>`` if any."""

    def __init__(self, key: str, **arguments: object) -> None:
        hint = f"agent-hint.{key}"
        super().__init__(
            text(f"agent.{key}", **arguments), hint=text(hint, **arguments) if known(hint) else ""
        )
        self.key = key
        self.arguments = arguments

    def body(self) -> dict[str, object]:
        """For the local socket: whoever asked puts it into words."""
        return {"error": self.key, "arguments": dict(self.arguments)}


def complaint_from(body: Mapping[str, object]) -> AgentError:
    """The complaint of an answer; of a newer agent perhaps one without words here."""
    key, arguments = str(body["error"]), body.get("arguments")
    if known(f"agent.{key}") and isinstance(arguments, dict):
        return Complaint(key, **arguments)
    return AgentError(key)
