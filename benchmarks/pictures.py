"""The pictures of the README: two pages of the dashboard on the demo's portfolios, as a browser shows them.

    python -m benchmarks.pictures [--folder docs/pictures]

Runs the demo in a temporary folder, serves it, and takes the pictures with the Chromium that AFTERCLOSE_CHROMIUM names
or the PATH has.
"""

import argparse
import os
import shutil
import socket
import tempfile
import threading
from datetime import UTC, datetime
from pathlib import Path

import uvicorn
from playwright.sync_api import sync_playwright

from api.app import Options, create_app
from nightly import demo
from nightly.demo_database import demo_settings
from nightly.output.progress import Progress
from warehouse.database import Database, open_database
from warehouse.settings import load_settings

SIZE = {"width": 1180, "height": 820}
# Name of the picture, portfolio, and which of its pages.
PICTURES = (("portfolio", "Core Growth", ""), ("stress", "Core Growth", "/stress"))


def take_pictures(database: Database, folder: Path) -> None:
    """Serve the database on a free port and take every picture."""
    program = os.environ.get("AFTERCLOSE_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        raise SystemExit("no Chromium: `apt-get install chromium`, or name one with AFTERCLOSE_CHROMIUM")
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        server = uvicorn.Server(uvicorn.Config(create_app(Options(database.url)), log_config=None))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            with sync_playwright() as playwright:
                arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
                browser = playwright.chromium.launch(executable_path=program, args=arguments)
                for name, portfolio, page_of in PICTURES:
                    page = browser.new_page(viewport=SIZE)
                    page.goto(f"http://127.0.0.1:{port}/portfolios/{portfolio}{page_of}")
                    page.screenshot(path=folder / f"{name}.png")
                browser.close()
        finally:
            server.should_exit = True
            thread.join()


def main() -> None:
    """Make both pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("docs/pictures"))
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="afterclose-pictures-") as home:
        Path(home).chmod(0o755)
        settings = demo_settings(load_settings()).model_copy(update={"home": Path(home)})
        with open_database(settings, name=demo.DATABASE_NAME) as database:
            demo.load_sample(database, datetime.now(UTC))
            demo.run_sample(database, settings, datetime.now(UTC), Progress())
            take_pictures(database, folder)
    for picture in sorted(folder.glob("*.png")):
        print(f"{picture}: {picture.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
