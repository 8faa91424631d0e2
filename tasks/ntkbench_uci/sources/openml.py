"""Download a table from OpenML through scikit-learn's client, as comma-separated values."""

from __future__ import annotations

import csv
import socket
import warnings
from http.client import HTTPException
from io import StringIO
from typing import TYPE_CHECKING
from urllib.error import HTTPError

from ntkbench.plugin import DataError

from .resume import InterruptedDownloadError

if TYPE_CHECKING:
    from pathlib import Path


def openml_table(data_id: int, cache: Path, patience: float) -> bytes:
    """Return the table ``data_id`` with a header line; numbers have the digits that give them back exactly.

    scikit-learn retries after temporary failures, checks OpenML's own hash, and caches the answers in ``cache``.

    :raises OSError: if OpenML cannot be reached, or does not answer.
    :raises InterruptedDownloadError: if the download is interrupted.
    :raises DataError: if there is no such table, or the answer cannot be read.
    """
    from sklearn.datasets import fetch_openml

    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(patience)  # the client has none of its own
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about retries; the outcome is reported below
            fetched = fetch_openml(data_id=data_id, data_home=str(cache), as_frame=True, parser="liac-arff", delay=0.1)
    except HTTPError as error:
        if error.code in range(400, 500):
            raise DataError(f"OpenML {data_id}: the server answers {error.code} {error.reason}") from error
        raise
    except (HTTPException, EOFError) as error:
        raise InterruptedDownloadError(f"interrupted: {error}") from error
    except (ValueError, KeyError) as error:
        raise DataError(f"OpenML {data_id}: an answer that cannot be read: {error!r}") from error
    finally:
        socket.setdefaulttimeout(before)
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(fetched.frame.columns)
    writer.writerows(fetched.frame.astype(object).itertuples(index=False))
    return text.getvalue().encode()
