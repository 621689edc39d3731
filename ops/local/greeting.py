"""What `up` prints when everything runs: what to click, what to type, where things are."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

from base.settings import Settings
from ops.local.folder import DataFolder
from ops.local.screen import Screen
from ops.local.unprivileged import elsewhere


@dataclass(frozen=True)
class Demo:
    """What a newcomer tries the doors with; its API key is in a file of its own."""

    email: str
    tracking_id: str


def known_demo(folder: DataFolder) -> Demo | None:
    """The demo made on this or an earlier run, or `None`."""
    try:
        return Demo(**json.loads(folder.demo_file.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def facts(chosen: Settings, folder: DataFolder, demo: Demo | None) -> dict[str, str]:
    """The same for scripts; the key stays in its file."""
    found = {"url": chosen.url, "data_dir": str(folder.path), "logs": str(folder.logs)}
    if demo:
        found |= {
            "tracking_id": demo.tracking_id,
            "redirect_url": f"{chosen.url}/r/{demo.tracking_id}",
            "pixel_url": f"{chosen.url}/p/{demo.tracking_id}.gif",
            "beacon_url": f"{chosen.url}/e/{demo.tracking_id}",
            "key_file": str(folder.demo_key_file),
        }
    return found


def greet(
    chosen: Settings, folder: DataFolder, screen: Screen, demo: Demo | None, seconds: float
) -> None:
    """Say where the doors are, how to try each, and how to stop."""
    screen.say(f"\nHopfleet runs at {chosen.url} (started in {seconds:.1f} s).")
    if demo:
        screen.say(_try_it(chosen.url, demo, folder))
    screen.say(
        dedent(
            f"""
            data    {_places(folder)}
            logs    {folder.logs}
            shell   eval "$({_env_command(folder)})"   points other tools at these stores
            stop    Ctrl-C; the data stays
            """
        )
    )


def _env_command(folder: DataFolder) -> str:
    """`hopfleet env` as it must be typed in a new shell in this directory."""
    command = Path(sys.executable).with_name("hopfleet")
    here = Path.cwd()
    if command.is_relative_to(here):
        command = command.relative_to(here)
    default = folder.path == here / Settings.model_fields["data_dir"].default
    return ("" if default else f"HOPFLEET_DATA_DIR='{folder.path}' ") + f"{command} env"


def _places(folder: DataFolder) -> str:
    other = elsewhere(folder.path / "postgres")
    return f"{folder.path}" + (f", PostgreSQL's in {other}" if other else "")


def _try_it(url: str, demo: Demo, folder: DataFolder) -> str:
    which = demo.tracking_id
    return dedent(
        f"""
        A campaign to try, of {demo.email}:
          link    {url}/r/{which}
          pixel   <img src="{url}/p/{which}.gif" width="1" height="1" alt="">
          beacon  navigator.sendBeacon("{url}/e/{which}")

        The same by hand:
          curl -i '{url}/r/{which}?source=readme&sub1=first'
          curl -i '{url}/p/{which}.gif?event=conversion&order_id=A-1&amount=12.50' -o -
          curl -i '{url}/e/{which}' -H 'Content-Type: application/json' -d '{{"source":"page"}}'
          curl -i '{url}/v1/events' -H "Authorization: Bearer $(cat '{folder.demo_key_file}')" \\
               -H 'Content-Type: application/json' -d '{{"type":"click","tracking_id":"{which}"}}'
          curl -i '{url}/readyz'"""
    )
