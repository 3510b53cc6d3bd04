"""Read what the tab shows from TensorBoard's data provider, with or without its fast reader."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tensorboard import errors
from tensorboard.context import RequestContext
from tensorboard.data import provider
from tensorboard.plugins.hparams import metadata as hparams_metadata
from tensorboard.plugins.scalar import metadata as scalar_metadata

from cae.files import why
from cae.runs.probe_images import (
    FIGURES,
    FIGURES_TAG,
    INPUTS_TAG,
    PICTURES_TAG,
    PLUGIN_NAME,
    SIMPLE_NOTES_TAG,
    SIMPLE_TAG,
    Probes,
    SimpleCode,
    curve_name,
)

# Of a run and a tag: each step to the keys of its blobs, by which a provider hands them out.
BlobKeys = dict[tuple[str, str], dict[int, list[str]]]

# As many as there are; a provider wants a number.
_ALL = 2**31 - 1
_PLAIN_KINDS = ("number_value", "string_value", "bool_value")
# Letters of what a parser says.
_MOST_SAID = 300
Value = TypeVar("Value")
# Folders whose events version 0.1.0 wrote, and TensorBoard shows as separate runs.
_PARTS = ("validation", "train", "evaluation")
# Between a run and the name of a simple code; no folder's path has it.
BESIDE = "//"


@dataclass(frozen=True)
class Reader:
    """What one request may read.

    Args:
        source: TensorBoard's data provider.
        context: of the request.
        experiment: TensorBoard's experiment, which is not ours: everything below its log directory.
        listed: what was listed last, kept between requests: to list a run's pictures takes longer than to read one.
    """

    source: provider.DataProvider
    context: RequestContext
    experiment: str
    listed: BlobKeys = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    """Runs of which something could not be read, to the reason: one damaged run must not hide the others."""

    def probes(self) -> dict[str, Probes]:
        """Each run's description of its probe images; runs without one have nothing to show."""
        listed = self._ask(self.source.list_blob_sequences, PLUGIN_NAME, INPUTS_TAG)
        return self._of_each(listed, run_of, lambda tags: Probes.from_json(tags[INPUTS_TAG].plugin_content))

    def pictures(self) -> dict[str, dict[int, float]]:
        """Each run's steps that have pictures, to the time of their writing."""
        found = self._list_blobs(PICTURES_TAG)
        return {run: {one.step: one.wall_time for one in data} for run, data in found.items()}

    def sheet(self, run: str, tag: str, step: int | None, place: int = 0) -> bytes | None:
        """A PNG file; None where there is none.

        Args:
            run: its name.
            tag: which sheets.
            step: of the sheet; None for the first.
            place: of the sheet within its step.
        """
        found = self._read_blob(run, tag, step, place)
        if found is None:
            # New since they were listed, or of a run that was trained afresh since.
            self._list_blobs(tag, run)
            found = self._read_blob(run, tag, step, place)
        return found

    def simple_codes(self, run: str | None = None) -> dict[str, tuple[float, list[SimpleCode]]]:
        """What an evaluation measured beside each run, or beside one, and the time of it."""
        found = self._ask(self.source.read_tensors, PLUGIN_NAME, SIMPLE_NOTES_TAG, run, downsample=_ALL)
        return self._of_each(found, run_of, lambda tags: _codes(tags[SIMPLE_NOTES_TAG][-1]))

    def reconstructions(self, run: str, step: int) -> bytes | None:
        """The sheet of a run's step, or of a simple code beside it, which has one step; None where there is none."""
        run, _, name = run.partition(BESIDE)
        if not name:
            return self.sheet(run, PICTURES_TAG, step)
        names = [one.name for one in self._simple_codes_beside(run)]
        return self.sheet(run, SIMPLE_TAG, None, names.index(name)) if name in names else None

    def figures(self, run: str) -> dict[int, dict[str, list[float]]]:
        """A run's steps to each figure of all its probe images; those of a simple code beside it at step 0."""
        run, _, name = run.partition(BESIDE)
        if name:
            return {0: one.figures for one in self._simple_codes_beside(run) if one.name == name}  # noqa: B035
        found = self._ask(self.source.read_tensors, PLUGIN_NAME, FIGURES_TAG, run, downsample=_ALL)
        return {
            one.step: {name: values.tolist() for name, values in zip(FIGURES, one.numpy, strict=True)}
            for tags in found.values()
            for one in tags[FIGURES_TAG]
        }

    def hyperparameters(self) -> dict[str, dict[str, Any]]:
        """Each run's hyperparameters, as training wrote them for TensorBoard's own table."""
        tag = hparams_metadata.SESSION_START_INFO_TAG
        listed = self._ask(self.source.list_tensors, hparams_metadata.PLUGIN_NAME, tag)
        return self._of_each(listed, run_of, lambda tags: _hyperparameters(tags[tag].plugin_content))

    def last_values(self) -> dict[str, dict[str, float]]:
        """Each run's curves, named `PART/TAG`, to their last values."""
        last = self._ask(self.source.read_last_scalars, scalar_metadata.PLUGIN_NAME)
        found: dict[str, dict[str, float]] = {}
        for events, tags in last.items():
            part = part_of(events)
            names = {tag: f"{part}/{tag}" if part else curve_name(tag) for tag in tags}
            values = {name: one.value for tag, one in tags.items() if (name := names[tag]) and one is not None}
            if values:
                found.setdefault(run_of(events), {}).update(values)
        return found

    def _simple_codes_beside(self, run: str) -> list[SimpleCode]:
        return self.simple_codes(run).get(run, (0.0, []))[1]

    def _ask(
        self, what: Callable[..., Any], plugin: str, tag: str | None = None, run: str | None = None, **more: int
    ) -> Mapping[str, Any]:
        """Ask the provider of all runs, or of one; where that fails, of each run alone."""

        def ask(runs: Sequence[str] | None) -> Mapping[str, Any]:
            chosen = provider.RunTagFilter(runs=runs, tags=None if tag is None else [tag])
            found: Mapping[str, Any] = what(
                self.context, experiment_id=self.experiment, plugin_name=plugin, run_tag_filter=chosen, **more
            )
            return found

        try:
            return ask(None if run is None else list(_folders(run)))
        except errors.PublicError:
            raise
        except Exception:  # providers raise whatever they stumble over
            runs = [one.run_name for one in self.source.list_runs(self.context, experiment_id=self.experiment)]
            found: dict[str, Any] = {}
            for events in runs:
                if run in (None, run_of(events)):
                    try:
                        found.update(ask([events]))
                    except Exception as error:
                        self._refuse(run_of(events), error)
            return found

    def _of_each(
        self, listed: Mapping[str, Any], name_of: Callable[[str], str], read: Callable[[Any], Value]
    ) -> dict[str, Value]:
        """What each run has, by its name; one that cannot be read is noted and left out."""
        found = {}
        for events, tags in listed.items():
            try:
                found[name_of(events)] = read(tags)
            except Exception as error:  # so do parsers of what a stranger wrote
                self._refuse(name_of(events), error)
        return found

    def _refuse(self, run: str, error: Exception) -> None:
        self.refused.setdefault(run, why(error)[:_MOST_SAID])

    def _list_blobs(self, tag: str, run: str | None = None) -> dict[str, Sequence[provider.BlobSequenceDatum]]:
        found = self._ask(self.source.read_blob_sequences, PLUGIN_NAME, tag, run, downsample=_ALL)
        data: dict[str, Sequence[provider.BlobSequenceDatum]] = {}
        for events, tags in found.items():  # a run that an earlier version began is in two folders
            data[run_of(events)] = [*data.get(run_of(events), []), *tags[tag]]
        for name, steps in data.items():
            self.listed[name, tag] = {one.step: [value.blob_key for value in one.values] for one in steps}
        return data

    def _read_blob(self, run: str, tag: str, step: int | None, place: int) -> bytes | None:
        """Read one that was listed; None where it was not, or is gone."""
        steps = self.listed.get((run, tag), {})
        keys = steps.get(min(steps, default=-1) if step is None else step, [])
        if place >= len(keys):
            return None
        try:
            blob: bytes = self.source.read_blob(self.context, blob_key=keys[place])
        except (errors.NotFoundError, LookupError):  # of fast data loading and of the other one
            return None
        return blob


def _codes(datum: provider.TensorDatum) -> tuple[float, list[SimpleCode]]:
    return datum.wall_time, [SimpleCode.from_json(content) for content in datum.numpy.ravel().tolist()]


def _hyperparameters(content: bytes) -> dict[str, Any]:
    """Numbers, texts and truth values; whatever else there is does not stand in a table."""
    parsed = hparams_metadata.parse_session_start_info_plugin_data(content)
    kinds = {name: one.WhichOneof("kind") for name, one in parsed.hparams.items()}
    plain = {name: getattr(parsed.hparams[name], kind) for name, kind in sorted(kinds.items()) if kind in _PLAIN_KINDS}
    # Whole numbers are written as text, which TensorBoard leaves as it is.
    return {
        name: int(value) if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,15}", value) else value
        for name, value in plain.items()
    }


def run_of(events: str) -> str:
    """The run that a folder of events belongs to; `.` where the log directory itself is the run.

    >>> run_of("experiment/name/validation"), run_of("validation"), run_of("experiment/name")
    ('experiment/name', '.', 'experiment/name')
    """
    folders = events.replace("\\", "/").split("/")
    if folders[-1] in _PARTS:
        folders = folders[:-1]
    return "/".join(folders) or "."


def part_of(events: str) -> str | None:
    """The part of a run that a folder of events is; None for the run directory itself, and for other folders.

    >>> part_of("experiment/name/train"), part_of("experiment/comparison")
    ('train', None)
    """
    last = events.replace("\\", "/").rpartition("/")[2]
    return last if last in _PARTS else None


def _folders(run: str) -> Iterator[str]:
    for part in ("", *_PARTS):
        folder = (part or run) if run == "." else f"{run}/{part}".rstrip("/")
        yield folder
        if "/" in folder:
            yield folder.replace("/", "\\")  # as TensorBoard names them on Windows
