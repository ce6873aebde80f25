"""Take the pictures of the documentation from a running demonstration.

`python tests/pages/take_pictures.py ADDRESS TOKEN`, with what `credence demo` prints.
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
PAGES = {
    "home": ("/", 1100),
    "question": ("/questions/2", 900),
    "document": ("/sets/russia-iran", 900),
    "leaderboard": ("/leaderboard?set=port-aldery", 1000),
}


def take(address: str, token: str) -> None:
    """Take every picture, as the owner of a token sees the pages."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--headless", "--no-sandbox"]
        )
        page = browser.new_page(base_url=address)
        page.goto("/sign-in")
        page.get_by_label("Password").fill(token)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(lambda url: "/sign-in" not in url)
        for name, (path, height) in PAGES.items():
            page.set_viewport_size({"width": 1280, "height": height})
            page.goto(path, wait_until="networkidle")
            page.screenshot(path=PICTURES / f"{name}.png")
        browser.close()


if __name__ == "__main__":
    take(*sys.argv[1:])
