"""Every input has an output file of its own."""

import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cae.errors import ConfigError, UserError
from cae.inference.output_folder import OutputFolder, check_is_usable, picture_names


def test_names_stay_what_they_are_but_for_the_ending():
    assert picture_names(["a.jpg", "deep/er/b.WEBP", "c.png", "17", "no.ending"]) == [
        "a.png",
        "deep/er/b.png",
        "c.png",
        "17.png",
        "no.ending.png",
    ]


NAMES = st.lists(
    st.sampled_from(["a", "A", "b", "maps/a", "a.png", "x/a"]).flatmap(
        lambda stem: st.sampled_from(["", ".png", ".jpg", ".jpeg", ".png.jpg", ".2.png"]).map(lambda end: stem + end)
    ),
    unique=True,
)


@given(NAMES)
def test_no_two_files_meet_whatever_inputs_are_called(names):
    chosen = picture_names(names, ["maps"])
    written = [name.casefold() for name in chosen] + [f"maps/{name}".casefold() for name in chosen]
    assert len(set(written)) == 2 * len(names)
    assert all(name.endswith((".png", ".PNG")) for name in chosen)
    assert [os.path.dirname(name) for name in chosen] == [os.path.dirname(name) for name in names]


@pytest.mark.parametrize("name", ["../a.png", "/etc/a.png", "a/../../b", "", "a\0.png"])
def test_names_from_a_file_of_codes_cannot_lead_out_of_the_folder(name):
    with pytest.raises(UserError, match="must not lead out of the folder"):
        picture_names([name])


def test_gray_and_colour_are_kept(tmp_path):
    folder = OutputFolder(tmp_path, ["gray", "sub/colour.jpg"])
    gray = np.array([[[0.0], [0.5], [1.0]]], np.float32)
    folder.save(0, gray)
    folder.save(1, np.repeat(gray, 3, axis=-1))
    with Image.open(tmp_path / "gray.png") as picture:
        assert (picture.mode, np.asarray(picture).tolist()) == ("L", [[0, 128, 255]])
    with Image.open(tmp_path / "sub" / "colour.png") as picture:
        assert (picture.mode, picture.size) == ("RGB", (3, 1))


def test_nothing_is_lost_to_results(tmp_path):
    inputs = tmp_path / "photos"
    (inputs / "sub").mkdir(parents=True)
    (inputs / "a.png").touch()
    for out in (inputs, inputs / "sub", inputs / "new"):
        with pytest.raises(ConfigError, match="must not lie among the images"):
            check_is_usable(out, inputs, overwrite=True)
    with pytest.raises(ConfigError, match="must not lie among the images"):
        check_is_usable(inputs, inputs / "a.png", overwrite=True)
    check_is_usable(inputs / "new", inputs / "a.png", overwrite=False)
    with pytest.raises(ConfigError, match="holds files already; --overwrite"):
        check_is_usable(inputs, None, overwrite=False)
    check_is_usable(inputs, None, overwrite=True)
    with pytest.raises(UserError, match="is a file"):
        check_is_usable(inputs / "a.png", None, overwrite=True)
