"""Rules that only a person can check, who signs for them in the set's `[review]`."""

from typing import Final

from questions.rules.rule import Rule

RULES: Final = (
    Rule(
        "Q13",
        "terms defined",
        "error",
        "P",
        "Every noun and verb that decides the answer is defined.",
        bad='"delivered", and nothing more',
        good="\"delivered: on the buyer's soil and in the buyer's hands\"",
    ),
    Rule(
        "Q14",
        "clairvoyance",
        "error",
        "P",
        "Two readers who know the future would resolve three hypothetical scenarios alike.",
        bad='"Is the operator neutral between the two cities?"',
        good="a list of the acts that make the answer Yes",
    ),
    Rule(
        "Q17",
        "source or fact",
        "warning",
        "P",
        "The question says whether it forecasts the source's statement or the fact itself.",
        bad="silence on a register that is known to lag",
        good='"The register\'s entry governs, even if passengers say otherwise."',
    ),
    Rule(
        "Q22",
        "title matches",
        "error",
        "P",
        "The title is neither stronger nor weaker than the criteria.",
        bad='a title that says "abandons" over criteria that say "postpones"',
        good="the same verb in both",
    ),
    Rule(
        "Q33",
        "effort",
        "warning",
        "P",
        "A curator resolves the question in about fifteen minutes.",
        bad="a search through the literature",
        good="one table, at one address",
    ),
)
