"""`skillmix view`: read runs, watch them and spot-check the judge in a browser, on this machine only."""

from __future__ import annotations

import socket
import webbrowser
from pathlib import Path

import rich_click as click

from ..errors import BadInputError
from ..labels import DEFAULT, Labels
from . import options, show


@click.command()
@click.argument("runs", nargs=-1, type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--labels",
    type=click.Path(path_type=Path, dir_okay=False),
    default=DEFAULT,
    show_default=True,
    help="Where people's labels are kept.",
)
@click.option("--rater", default="", help="Your name, as it stands beside your labels.")
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="0: a free one.")
@click.option("--browser/--no-browser", default=True, show_default=True, help="Whether to open a browser.")
@options.show_private
def view(
    runs: tuple[Path, ...], labels: Path, rater: str, port: int, browser: bool, show_private: bool
) -> None:
    """Read RUNS (run folders, or folders that hold them; default results/runs) in a browser.

    Shows finished runs and those that go on. In spot-check people read one text at a time, blind to the
    model and the judge's verdict, and decide each rubric item by a key; each label is on disk at once, and
    `skillmix calibrate` reads them. The server answers this machine only.

    Examples:

      skillmix view

      skillmix view results/runs/A results/runs/B --rater ada
    """
    try:
        import uvicorn

        from ..shelf import Shelf
        from ..view import application, new_token
    except ImportError:
        raise BadInputError("`skillmix view` needs its extra: pip install 'skillmix-eval[view]'.") from None

    roots = runs or (Path("results/runs"),)
    for root in roots:
        if not root.is_dir():
            raise BadInputError(f"{root} is no folder; give run folders, or a folder that holds them.")
    place = _listen(port)
    port = place.getsockname()[1]
    token = new_token()
    app = application(Shelf(roots, show_private), Labels(labels), token, port, rater)
    address = f"http://127.0.0.1:{port}/?token={token}"
    show.out.print(show.escape(f"Open {address}"), soft_wrap=True)
    show.out.print("Control-C ends it; every label is on disk already.")
    if browser:
        webbrowser.open(address)
    config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False)
    uvicorn.Server(config).run(sockets=[place])


def _listen(port: int) -> socket.socket:
    place = socket.socket()
    place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        place.bind(("127.0.0.1", port))
        place.listen()  # a browser that is quicker than the server waits
    except OSError as error:
        place.close()
        raise BadInputError(
            f"Port {port} cannot be had ({error.strerror}); give another --port, or 0."
        ) from None
    return place
