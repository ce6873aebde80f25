"""The rules for questions, each with its check and its examples."""

from typing import Final

from questions.rules import evidence, form, moments, people, whole, wording
from questions.rules.rule import Case, Problem, Rule

__all__ = ["RULES", "Case", "Problem", "Rule"]

_MODULES: Final = (evidence, form, moments, whole, wording)

RULES: Final[tuple[Rule, ...]] = tuple(
    sorted(
        (
            *people.RULES,
            *(item for part in _MODULES for item in vars(part).values() if isinstance(item, Rule)),
        ),
        key=lambda rule: rule.code,
    )
)
