"""Tiles cover a picture, and put together they are the picture."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cae.inference.any_size import cover, process_in_tiles


@st.composite
def coverings(draw):
    multiple = draw(st.sampled_from([1, 2, 3, 4, 8]))
    tile = multiple * draw(st.integers(1, 12))
    overlap = draw(st.integers(0, tile - multiple))
    margin = draw(st.integers(0, max(0, (overlap - 1) // 2)))
    return draw(st.integers(1, 200)), tile, overlap, multiple, margin


@settings(max_examples=200, deadline=None)
@given(coverings())
def test_weights_add_up_to_one_at_every_pixel_and_neighbours_overlap_enough(covering):
    length, tile, overlap, multiple, margin = covering
    axis = cover(length, tile, overlap, multiple=multiple, margin=margin)
    total = np.zeros(max(length, axis.starts[-1] + tile))
    for start, weights in zip(axis.starts, axis.weights, strict=True):
        total[start : start + tile] += weights
    np.testing.assert_allclose(total[:length], 1.0, atol=1e-6)
    assert axis.starts[0] == 0
    assert axis.starts[-1] + tile >= length
    assert all(start % multiple == 0 for start in axis.starts)
    assert all(0 < later - start <= tile - overlap for start, later in zip(axis.starts, axis.starts[1:], strict=False))
    assert axis.starts[-1] < length  # no tile shows nothing but what is beyond the side


@settings(max_examples=200, deadline=None)
@given(coverings())
def test_what_may_have_seen_that_a_tile_ends_counts_nothing(covering):
    length, tile, overlap, multiple, margin = covering
    axis = cover(length, tile, overlap, multiple=multiple, margin=margin)
    for number, weights in enumerate(axis.weights):
        if number > 0:
            assert not weights[:margin].any()
        if number < len(axis.starts) - 1 and margin:
            assert not weights[-margin:].any()


@pytest.mark.parametrize(("height", "width", "tile", "overlap"), [(1, 1, 8, 2), (23, 57, 8, 5), (64, 9, 16, 0)])
def test_a_model_that_changes_nothing_gives_every_picture_back_exactly(height, width, tile, overlap):
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    axes = cover(height, tile, overlap, margin=1 if overlap > 2 else 0), cover(width, tile, overlap)
    sizes = []

    def keep(tiles):
        sizes.append(tiles.shape)
        return tiles

    result = process_in_tiles(image, *axes, keep, batch_size=3)
    assert result.dtype == np.float32
    np.testing.assert_array_equal(np.rint(result * 255).astype(np.uint8), image)
    np.testing.assert_allclose(result, image / 255.0, atol=3e-7)
    assert {shape[1:] for shape in sizes} == {(tile, tile, 3)}
    assert max(shape[0] for shape in sizes) <= 3


def test_a_step_between_two_tiles_becomes_a_smooth_passage():
    rows, columns = cover(1, 1, 0), cover(24, 16, 8)
    levels = iter([0.0, 1.0])
    blended = process_in_tiles(
        np.zeros((1, 24, 1), np.uint8), rows, columns, lambda tiles: tiles + next(levels), batch_size=1
    )[0, :, 0]
    assert not blended[:8].any()
    np.testing.assert_array_equal(blended[16:], 1)
    assert (np.diff(blended[8:16]) > 0).all()
    np.testing.assert_allclose(blended[8:16] + blended[8:16][::-1], 1, atol=1e-6)  # as much of one as of the other


def test_progress_is_told_to_the_end():
    told = []
    axes = cover(20, 8, 2), cover(8, 8, 2)
    process_in_tiles(np.zeros((20, 8, 1), np.uint8), *axes, lambda tiles: tiles, 2, lambda *done: told.append(done))
    assert told[-1] == (3, 3)


@pytest.mark.parametrize(("overlap", "multiple"), [(8, 1), (-1, 1), (6, 4)])
def test_tiles_that_would_not_advance_are_refused(overlap, multiple):
    with pytest.raises(ValueError, match=rf"`overlap` must be from 0 to {8 - multiple}.*Received: overlap={overlap}"):
        cover(30, 8, overlap, multiple=multiple)


def test_margins_that_leave_no_overlap_are_refused():
    with pytest.raises(ValueError, match=r"less than half of the overlap. Received: 3 of 6"):
        cover(30, 8, 6, margin=3)
