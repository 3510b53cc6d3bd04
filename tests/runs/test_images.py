"""Whether images are those that a run was begun with."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from cae.config import check_config
from cae.data.identity import identify, identify_parts
from cae.data.image_set import ArraySet, Splits
from cae.data.load import load_splits
from cae.errors import UserError
from cae.runs.directory import RunDirectory
from cae.runs.images import check_same_images, warn_of_other_images
from tests.conftest import make_images


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "photos").mkdir()
    for number, image in enumerate(make_images(30, 8, 8)[..., 0]):
        Image.fromarray(image).save(tmp_path / "photos" / f"{number:02}.png")
    return tmp_path / "photos"


def splits_of(folder):
    return load_splits(check_config({"data": {"source": "image_folder", "path": str(folder)}}).data)


@pytest.fixture
def run(folder, tmp_path):
    directory = RunDirectory(tmp_path / "e" / "run")
    directory.path.mkdir(parents=True)
    directory.environment.write_text(json.dumps({"images": identify_parts(splits_of(folder))}))
    return directory


def swap(folder):
    (folder / "00.png").rename(folder / "zz.png")


def replace_content(folder):
    for path in folder.iterdir():
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(path)


@pytest.mark.parametrize("change", [swap, replace_content])
def test_as_many_other_images_are_told(folder, run, change):
    check_same_images(run, splits_of(folder))
    assert warn_of_other_images(run, identify(splits_of(folder).train)) == []
    change(folder)
    with pytest.raises(UserError, match=r"as many training images, .*--overwrite"):
        check_same_images(run, splits_of(folder))
    (warning,) = warn_of_other_images(run, identify(splits_of(folder).train))
    assert warning.code == "other_images"


def test_a_file_more_divides_the_folder_in_another_way_and_is_told(folder, run):
    shutil.copy(folder / "00.png", folder / "a.png")
    with pytest.raises(UserError, match="24 training images then, 25 now"):
        check_same_images(run, splits_of(folder))
    assert "24 training images then, 25 now" in warn_of_other_images(run, identify(splits_of(folder).train))[0].message


def test_a_folder_may_move(folder, run):
    folder = folder.rename(folder.with_name("moved"))
    check_same_images(run, splits_of(folder))
    assert warn_of_other_images(run, identify(splits_of(folder).train)) == []


def test_other_test_images_are_no_reason_to_end_a_training():
    images = ArraySet(make_images(12, 4, 4))
    parts = [images.take(np.arange(first, first + 3)) for first in (0, 3, 6, 9)]
    before, after = (identify_parts(Splits(parts[0], parts[1], test)) for test in parts[2:])
    assert before["train"] == after["train"]
    assert before["validation"] == after["validation"]
    assert before["test"] != after["test"]


@pytest.mark.parametrize("environment", ["{}", "{", '{"images": {"train": 3}}'])
def test_a_run_that_says_nothing_of_its_images_goes_on(folder, run, environment):
    run.environment.write_text(environment)
    swap(folder)
    check_same_images(run, splits_of(folder))
    assert warn_of_other_images(run, identify(splits_of(folder).train)) == []


def test_of_runs_of_earlier_versions_numbers_are_compared(folder, run):
    run.environment.unlink()
    run.summary.write_text(json.dumps({"images": {"train": 25, "validation": 2, "test": 3, "skipped": {}}}))
    with pytest.raises(UserError, match="25 training images then, 24 now"):
        check_same_images(run, splits_of(folder))


def test_patches_are_known_by_their_pictures(folder):
    cut = {"source": "image_folder", "path": str(folder), "image_size": [4, 4], "fit": "patch", "patches": 3}
    whole, patches = (
        identify_parts(splits) for splits in (splits_of(folder), load_splits(check_config({"data": cut}).data))
    )
    for part, found in whole.items():
        assert patches[part] == {"number": 3 * found["number"], "digest": found["digest"]}
