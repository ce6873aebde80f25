import re
import tomllib
from pathlib import Path

from questions.lint import lint, summary
from questions.load import read_set

GUIDE = Path(__file__).parents[2] / "docs" / "questions.md"


def test_the_set_in_the_guide_is_read_and_breaks_no_rule(tmp_path: Path) -> None:
    head, question, _ = re.findall(r"```toml\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    folder = tmp_path / "northfell"
    folder.mkdir()
    (folder / "set.toml").write_text(head, encoding="utf-8")
    (folder / "1-opening.toml").write_text(question, encoding="utf-8")
    findings = [found for found in lint(read_set(folder)) if found.severity != "note"]
    assert summary(findings) == "0 errors, 0 warnings, 0 waived, 0 rules to sign."


def test_the_waiver_and_the_signature_in_the_guide_are_read(set_folder: Path) -> None:
    *_, answers = re.findall(r"```toml\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    head = set_folder / "set.toml"
    head.write_text(f"{head.read_text('utf-8')}\n{answers}", encoding="utf-8")
    question_set = read_set(set_folder)
    assert tomllib.loads(answers)["waivers"][0]["rule"] == question_set.waivers[0].rule
    assert question_set.review is not None
    assert question_set.review.signed[0].by == "A. Curator"
