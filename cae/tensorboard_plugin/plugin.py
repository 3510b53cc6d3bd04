"""The tab's server side: a few routes that read what training wrote, and the files of its page."""

from __future__ import annotations

import functools
import ipaddress
import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path
from typing import Any

from tensorboard import errors
from tensorboard.backend import http_util
from tensorboard.plugins import base_plugin
from werkzeug import wrappers

from cae.errors import UserError
from cae.files import why
from cae.runs.probe_images import INPUTS_TAG, PLUGIN_NAME, color_scales
from cae.tensorboard_plugin.listing import find_comparison, list_runs, read_comparison
from cae.tensorboard_plugin.reader import BlobKeys, Reader

_TAB = "Decoders"
_TYPES = {".js": "text/javascript", ".css": "text/css"}
# Sheets in one answer: as many as the page asks for (MOST_AT_ONCE in static/api.js).
_MOST_AT_ONCE = 16
# In the place of a host's name.
_EVERYBODY = "*"
# What a sheet shows; behind reconstructions as they stand in a run's inputs.
_SHEETS = ("reconstruction", "input", "corrupted")

Answer = Callable[[Reader, wrappers.Request], wrappers.Response]


class DecodersPlugin(base_plugin.TBPlugin):
    """Compares decoders picture by picture.

    Args:
        context: TensorBoard's.
        always_active: show the tab before there is anything to show in it.
    """

    plugin_name = PLUGIN_NAME

    def __init__(self, context: base_plugin.TBContext, *, always_active: bool = False) -> None:
        self._source = context.data_provider
        self._logdir = Path(os.path.expanduser(context.logdir or ""))
        self._always_active = always_active
        self._own_host = _served_host(context.flags)
        self._listed: BlobKeys = {}
        self._pool = ThreadPoolExecutor(_MOST_AT_ONCE)

    def is_active(self) -> bool:
        # Where training has written something, TensorBoard finds the tab active without asking.
        return self._always_active

    def frontend_metadata(self) -> base_plugin.FrontendMetadata:
        return base_plugin.FrontendMetadata(es_module_path="/static/index.js", tab_name=_TAB)

    def get_plugin_apps(self) -> dict[str, Any]:
        answers: dict[str, Answer] = {
            "/runs": self._runs,
            "/scales": self._scales,
            "/sheet": self._sheet,
            "/sheets": self._sheets,
            "/figures": self._figures,
            "/comparison": self._comparison,
        }
        apps = {route: self._make_app(answer) for route, answer in answers.items()}
        # Files are listed, not looked up by what a request says: nothing else can be asked for.
        files = [*resources.files("cae.tensorboard_plugin").joinpath("static").iterdir()]
        files.append(resources.files("cae.pages").joinpath("templates", "report.css"))
        for file in files:
            kind = _TYPES.get(Path(file.name).suffix)
            if kind is not None:
                apps[f"/static/{file.name}"] = self._make_app(functools.partial(_serve_file, file.read_bytes(), kind))
        return apps

    def _make_app(self, answer: Answer) -> Any:
        """Make a WSGI application of a route; errors become JSON with a message for people."""

        @wrappers.Request.application
        def app(request: wrappers.Request) -> wrappers.Response:
            try:
                if refusal := self._refuse(request):
                    return refusal
                return answer(self._reader(request), request)
            except (errors.PublicError, UserError) as error:
                code = error.http_code if isinstance(error, errors.PublicError) else 422
                return http_util.Respond(request, {"error": str(error)}, "application/json", code=code)
            except OSError as error:
                told = f"{error.filename or 'a file'}: cannot be read: {error.strerror or error}"
                return http_util.Respond(request, {"error": told}, "application/json", code=500)
            except Exception as error:  # readers of events raise whatever they stumble over
                told = f"cannot be answered, since event files are damaged: {why(error)}"
                return http_util.Respond(request, {"error": told}, "application/json", code=500)

        return app

    def _refuse(self, request: wrappers.Request) -> wrappers.Response | None:
        """The answer to a request that would change something, or names this machine by a foreign host name.

        A page of another site can have its own name lead to this machine, and then read what is answered here.
        """
        if request.method not in ("GET", "HEAD"):
            told = {"error": f"Only GET and HEAD are answered. Received: {request.method}."}
            response = http_util.Respond(request, told, "application/json", code=405)
            response.headers["Allow"] = "GET, HEAD"
            return response
        name = _host_name(request.environ.get("HTTP_HOST", ""))
        if self._own_host == _EVERYBODY or _is_loopback(name) or (name and name == self._own_host):
            return None
        told = {
            "error": f"Only this machine's own names are answered. Received: {name!r}. Start TensorBoard with --host."
        }
        return http_util.Respond(request, told, "application/json", code=403)

    def _reader(self, request: wrappers.Request) -> Reader:
        # Imports a library that warns of its age.
        from tensorboard import plugin_util

        context, experiment = plugin_util.context(request.environ), plugin_util.experiment_id(request.environ)
        return Reader(self._source, context, experiment, self._listed)

    def _runs(self, reader: Reader, request: wrappers.Request) -> wrappers.Response:
        return http_util.Respond(request, list_runs(reader, self._logdir), "application/json")

    def _scales(self, reader: Reader, request: wrappers.Request) -> wrappers.Response:
        return http_util.Respond(request, color_scales(), "application/json")

    def _sheet(self, reader: Reader, request: wrappers.Request) -> wrappers.Response:
        run, kind = _argument(request, "run"), _argument(request, "kind")
        if kind not in _SHEETS:
            raise errors.InvalidArgumentError(f"`kind` must be one of {', '.join(_SHEETS)}. Received: kind={kind!r}.")
        at = ""
        if kind == "reconstruction":
            step = _whole_number(_argument(request, "step"))
            sheet, at = reader.reconstructions(run, step), f" at step {step}"
        else:
            sheet = reader.sheet(run, INPUTS_TAG, None, _SHEETS.index(kind) - 1)
        if sheet is None:
            raise errors.NotFoundError(f"{run} has no {kind} pictures{at}.")
        return http_util.Respond(request, sheet, "image/png")

    def _sheets(self, reader: Reader, request: wrappers.Request) -> wrappers.Response:
        """Several runs' pictures in one answer, each behind its length in four bytes, 0 where there are none.

        Fast data loading takes as long for one as for many at the same time: most of it is waiting.
        """
        runs, steps = request.args.getlist("run"), request.args.getlist("step")
        if not 0 < len(runs) == len(steps) <= _MOST_AT_ONCE:
            raise errors.InvalidArgumentError(
                f"There must be as many `run` as `step`, 1 to {_MOST_AT_ONCE}. Received: {len(runs)} and {len(steps)}."
            )
        places = [(run, _whole_number(step)) for run, step in zip(runs, steps, strict=True)]
        found = self._pool.map(lambda place: reader.reconstructions(*place) or b"", places)
        content = b"".join(len(sheet).to_bytes(4, "big") + sheet for sheet in found)
        return http_util.Respond(request, content, "application/octet-stream")

    def _figures(self, reader: Reader, request: wrappers.Request) -> wrappers.Response:
        return http_util.Respond(request, reader.figures(_argument(request, "run")), "application/json")

    def _comparison(self, reader: Reader, request: wrappers.Request) -> wrappers.Response:
        """The sections of a comparison's report, as HTML in which all names are escaped."""
        experiment = request.args.get("experiment", "")
        # Only of experiments that have runs: a request cannot lead out of the log directory.
        if experiment not in list_runs(reader, self._logdir)["comparisons"]:
            raise errors.NotFoundError(f"{experiment or self._logdir}: these runs have not been compared.")
        path = find_comparison(self._logdir, experiment)
        if path is None:
            raise errors.NotFoundError(f"{experiment}: the comparison has been removed.")
        return http_util.Respond(request, _sections(path, path.stat().st_mtime_ns), "text/html")


@functools.lru_cache(maxsize=4)
def _sections(record: Path, written: int) -> str:
    """A report's sections; drawing takes a second, so that they are kept for as long as the record is the same."""
    # It takes half a second to import: not before somebody looks.
    from cae.comparison.report.page import render_sections

    return render_sections(read_comparison(record))


def _serve_file(content: bytes, kind: str, reader: Reader, request: wrappers.Request) -> wrappers.Response:
    return http_util.Respond(request, content, kind)


def _served_host(flags: Any) -> str:
    """The host name that TensorBoard was started for; `_EVERYBODY` where it was started for all."""
    host = str(getattr(flags, "host", None) or "").strip("[]").lower()
    is_open = getattr(flags, "bind_all", False) or host in ("0.0.0.0", "::")
    return _EVERYBODY if is_open else host


def _host_name(header: str) -> str:
    """The name in a Host header, without the port.

    >>> _host_name("LocalHost:6006"), _host_name("[::1]:6006"), _host_name("evil.example")
    ('localhost', '::1', 'evil.example')
    """
    found = re.fullmatch(r"(?:\[([^\]]*)\]|([^:]*))(?::[0-9]*)?", header)
    return (found[1] or found[2] or "").lower() if found else ""


def _is_loopback(name: str) -> bool:
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _argument(request: wrappers.Request, name: str) -> str:
    value = request.args.get(name)
    if not value:
        raise errors.InvalidArgumentError(f"`{name}` is missing.")
    return value


def _whole_number(step: str) -> int:
    try:
        return int(step)
    except ValueError as error:
        raise errors.InvalidArgumentError(f"`step` must be a whole number. Received: step={step!r}.") from error
