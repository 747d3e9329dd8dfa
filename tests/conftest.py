"""What this machine lacks is skipped with its reason; property tests draw the same examples everywhere."""

from __future__ import annotations

import os
import shutil
import signal
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("same", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("explore", deadline=None, max_examples=1000)  # pytest --hypothesis-profile=explore
settings.load_profile("same")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a background job: what tests start must hear of Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)

if os.environ.get("NEARKIN_DATA"):  # tests change their folder
    os.environ["NEARKIN_DATA"] = str(Path(os.environ["NEARKIN_DATA"]).resolve(strict=True))

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def lacks_data() -> str | None:
    folder = os.environ.get("NEARKIN_DATA")
    return None if folder else "needs data sets on disk: set NEARKIN_DATA to their folder"


def lacks_browser() -> str | None:
    if find_spec("playwright") is None:
        return "needs playwright: pip install 'nearkin[dev]'"
    if not any(map(shutil.which, BROWSERS)):
        return f"needs a browser on the path: one of {', '.join(BROWSERS)}"
    return None


def lacks_gpu() -> str | None:
    if find_spec("torch") is None:
        return "needs torch: pip install 'nearkin[train]'"
    import torch

    return None if torch.cuda.is_available() else "needs a CUDA device"


LACKS = {"data": lacks_data, "browser": lacks_browser, "gpu": lacks_gpu}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for marker, lacks in LACKS.items():
        marked = [item for item in items if item.get_closest_marker(marker)]
        reason = lacks() if marked else None
        for item in marked if reason else []:
            item.add_marker(pytest.mark.skip(reason=reason))
