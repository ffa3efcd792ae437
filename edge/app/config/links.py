"""Uplinks: encrypted unless local, certificate files that exist, a key that nobody else reads."""

from __future__ import annotations

import ipaddress
import stat
from pathlib import Path

from edge.app.config.draft import Draft
from edge.app.config.items import Item
from edge.app.config.model import LinkConfig
from edge.app.config.source import show_file
from edge.locale import text

_FILES = ("ca_file", "cert_file", "key_file")
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def check_links(draft: Draft) -> None:
    """TLS, certificate files, and the permissions of private keys."""
    for link in draft.links:
        tls = link.get("tls", bool)
        if tls is None:
            continue
        host = link.get("host", str)
        if not tls and host is not None and not _is_loopback(host):
            link.report("tls", "tls-required", host=host, allowed=", ".join(_LOOPBACK))
        for key in _FILES:
            if not tls and link.given(key):
                link.report(key, "not-applicable", reason=text("reason.no-tls"))
            elif tls and not link.given(key):
                link.report(key, "missing-key", hint=text("hint.tls"))
            elif tls:
                _check_file(link, key)


def _is_loopback(host: str) -> bool:
    try:
        return str(ipaddress.ip_address(host)) in _LOOPBACK
    except ValueError:
        return host.lower() in _LOOPBACK


def _check_file(link: Item[LinkConfig], key: str) -> None:
    file = link.get(key, Path)
    if file is None:
        return
    found = show_file(file)
    try:
        status = file.stat()
        if not stat.S_ISREG(status.st_mode):
            link.report(key, "file-special", found=found)
            return
        with file.open("rb") as stream:
            stream.read(1)
    except FileNotFoundError:
        link.report(key, "no-file", found=found)
        return
    except OSError as error:
        link.report(key, "file-unreadable", found=found, reason=error.strerror or str(error))
        return
    if status.st_size == 0:
        link.report(key, "file-empty", found=found)
    mode = stat.S_IMODE(status.st_mode)
    if key == "key_file" and mode & _OTHERS:
        hint = text("hint.chmod", file=found)
        link.report(key, "key-exposed", found=found, mode=f"{mode:04o}", allowed="0600", hint=hint)
