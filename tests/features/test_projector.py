"""The projector's files, where TensorBoard would not tell of a mistake."""

import numpy as np
import pytest
from tensorboard.plugins.projector import ProjectorConfig

from cae.features.projector import CONFIG, make_sprite, num_points, thumbnail_size, write_projector


def write(folder, names, number=3, code_shape=(2, 1, 2)):
    codes = np.random.default_rng(0).normal(size=(number, *code_shape)).astype(np.float32)
    thumbnails = np.random.default_rng(1).random((number, 4, 6, 3))
    write_projector(folder, codes, thumbnails, {"image": names, "psnr_db": ["1"] * number}, "title")
    return codes


def test_names_cannot_break_the_table(tmp_path):
    write(tmp_path, ["tab\there", "line\nend\r", 'quo"te, ünï\u2028\udcff'])
    text = (tmp_path / "metadata.tsv").read_bytes().decode("utf-8")
    assert text.split("\n") == [
        "image\tpsnr_db",
        "tab\\there\t1",
        "line\\nend\\r\t1",
        'quo"te, ünï\\u2028\\udcff\t1',
        "",
    ]


def test_codes_of_maps_are_rows_and_are_read_back_as_tensorboard_does(tmp_path):
    codes = write(tmp_path, ["a", "b", "c"])
    rows = [line.split("\t") for line in (tmp_path / "tensors.tsv").read_text().splitlines()]
    np.testing.assert_allclose(np.array(rows, np.float32), codes.reshape(3, 4), rtol=1e-5)


def test_writing_again_replaces_everything_and_leaves_one_event_file(tmp_path):
    write(tmp_path, ["a", "b", "c"])
    before = {path.name for path in tmp_path.iterdir()}
    write(tmp_path, ["d", "e"], number=2)
    after = {path.name for path in tmp_path.iterdir()}
    assert len(before) == len(after) == 5
    assert sum(name.startswith("events.out.tfevents.") for name in after) == 1
    assert "d\t1" in (tmp_path / "metadata.tsv").read_text()


def test_a_write_that_fails_leaves_no_configuration_that_would_show_half(tmp_path):
    write(tmp_path, ["a", "b", "c"])
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        write_projector(tmp_path, np.zeros((2, 3)), np.zeros((2, 4, 6, 1)), {"image": ["a", "b"], "psnr_db": ["1"]}, "")
    assert not (tmp_path / CONFIG).exists()


def test_the_configuration_is_tensorboards_own(tmp_path):
    from google.protobuf import text_format

    write(tmp_path, ["a", "b", "c"])
    config = text_format.Parse((tmp_path / CONFIG).read_text(), ProjectorConfig())
    (embedding,) = config.embeddings
    assert list(embedding.tensor_shape) == [3, 4]
    assert list(embedding.sprite.single_image_dim) == [6, 4]  # width first


@pytest.mark.parametrize("size", [(28, 28), (1, 700), (4000, 3000), (64, 65)])
def test_no_sprite_is_larger_than_a_browser_draws(size):
    height, width = thumbnail_size(*size)
    assert 1 <= min(height, width) <= max(height, width) <= 64
    side = int(np.ceil(np.sqrt(num_points(1))))
    assert side * 64 <= 8192
    with pytest.raises(ValueError, match="at most 8192 pixels a side"):
        make_sprite(np.zeros((2, 64, 5000, 1), np.uint8))


def test_thumbnails_go_row_by_row_and_the_rest_is_white():
    thumbnails = np.arange(5).reshape(5, 1, 1, 1) / 5 * np.ones((5, 2, 3, 1))
    sprite = make_sprite(thumbnails)
    assert sprite.shape == (6, 9, 3)
    assert [sprite[2 * (i // 3), 3 * (i % 3), 0] for i in range(5)] == [0, 51, 102, 153, 204]
    assert (sprite[4:] == 255).all()
    assert (sprite[2:4, 6:] == 255).all()
