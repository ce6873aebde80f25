"""The wheel, in an environment and a folder that know nothing of the checkout."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from hatchling import build

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The interpreter of an environment with the wheel, its worker, and the locked versions."""
    folder = tmp_path_factory.mktemp("wheel")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        wheel = folder / build.build_wheel(str(folder))
    uv, made = Path(sys.executable).with_name("uv"), folder / "environment"
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, made], check=True)
    installed = str(made / "bin" / "python")
    what = [f"credence-forecasts[worker] @ {wheel.as_uri()}", "-c", ROOT / "requirements.lock"]
    subprocess.run([uv, "pip", "install", "--quiet", "--python", installed, *what], check=True)
    return installed


@pytest.mark.parametrize("install", ["sqlite"], indirect=True)
def test_it_serves_draws_its_pages_and_fits(install: Any, tmp_path: Path, python: str) -> None:
    made = install(tmp_path, python)
    token = made.run("init", "--token")
    where = "from service import demo; print(demo.__path__[0])"
    place = subprocess.run(
        [python, "-c", where], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout.strip()
    assert not Path(place).is_relative_to(ROOT)
    made.run("import", f"{place}/replication_surveys", "--set", "studies")
    assert "accepted" in made.run("fit")
    ours = tmp_path / "ours"
    ours.mkdir()
    (ours / "questions.csv").write_text(
        "question_id,title,outcome,open_time,close_time,resolve_time,domain\nrain,Rain?,,,,,\n"
    )
    (ours / "forecasts.csv").write_text(
        "forecaster_id,question_id,time,probability\nann,rain,,0.4\n"
    )
    made.run("import", str(ours), "--set", "ours")
    with made.serving("--no-worker") as address, httpx.Client(base_url=address) as client:
        page = client.get("/sign-in")
        assert page.status_code == 200
        files = re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text)
        assert {re.sub(r"\?.*", "", file).rpartition(".")[2] for file in files} >= {"css", "js"}
        assert {client.get(file).status_code for file in files} == {200}
        client.headers["Authorization"] = f"Bearer {token}"
        assert client.get("/api/v1/sets/power-systems").status_code == 200
        asked = client.get("/api/v1/questions", params={"set": "ours"}).json()["items"][0]
        answer = client.post(
            f"/api/v1/questions/{asked['id']}/forecasts", json={"probability": 0.3}
        )
        assert answer.status_code == 201
        (fit,) = client.get("/api/v1/fits").json()["items"]
        assert answer.json()["aggregate"]["fit_id"] == fit["id"]
