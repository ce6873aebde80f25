"""Files are written completely or not at all."""

import stat
from pathlib import Path

import pytest

from forecasting.files import replacing


def test_files_take_their_places_together(tmp_path: Path) -> None:
    first, second = tmp_path / "first.txt", tmp_path / "second.txt"
    first.write_text("old")
    with replacing(first, second, private=True) as files:
        for file in files:
            file.write_text("new")
        assert first.read_text() == "old"
    assert [one.name for one in sorted(tmp_path.iterdir())] == ["first.txt", "second.txt"]
    assert first.read_text() == second.read_text() == "new"
    assert stat.S_IMODE(first.stat().st_mode) == 0o600


def test_after_an_error_everything_is_as_it_was(tmp_path: Path) -> None:
    kept = tmp_path / "kept.txt"
    kept.write_text("old")

    def fail() -> None:
        with replacing(kept, tmp_path / "other.txt") as (file, _):
            file.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert [one.read_text() for one in tmp_path.iterdir()] == ["old"]


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "none" / "file.txt"):
        pass
