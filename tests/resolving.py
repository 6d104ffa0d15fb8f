"""A resolver for tests: names lead where a test says."""

from __future__ import annotations


class Resolver:
    """Gives its answers in turn, and the last one from then on."""

    def __init__(self, *answers: tuple[str, ...] | OSError) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []
        """The hosts that were looked up."""

    def look_up(self, host: str) -> list[str]:
        self.asked.append(host)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, OSError):
            raise answer
        return [*answer]
