"""The pictures: what is drawn where, in which colour."""

import numpy as np

from cae.visualization.layer_pictures import (
    Feature,
    centred,
    draw_activations,
    draw_feature,
    draw_kernels,
    signed_colors,
)
from cae.visualization.page import PagePicture, PageSection, make_page


def colors_of(picture):
    return {tuple(color) for color in picture.reshape(-1, 3).tolist()}


def test_signed_values_are_symmetric_around_zero():
    values = np.linspace(-1, 1, 9)
    np.testing.assert_allclose(centred(values) + centred(-values), 1.0)
    assert centred(np.zeros(3)).tolist() == [0.5] * 3
    assert signed_colors(np.array([0.0]), 3.0).tolist() == [[247, 247, 247]]


def test_a_map_shows_its_parts_left_and_their_projections_right():
    crop, projection = np.full((6, 4, 3), (1.0, 0.0, 0.0)), np.full((6, 4, 3), (0.0, -2.0, 2.0))
    picture = draw_feature(Feature("map 7", [crop] * 9, [projection] * 9))
    middle = picture.shape[1] // 2
    red, green_down_blue_up = (255, 0, 0), (128, 0, 255)
    assert red in colors_of(picture[:, :middle])
    assert red not in colors_of(picture[:, middle:])
    assert green_down_blue_up in colors_of(picture[:, middle:])
    assert green_down_blue_up not in colors_of(picture[:, :middle])


def test_what_lies_outside_of_the_image_is_no_shade_of_gray():
    crop = np.full((5, 5, 1), np.nan)
    picture = draw_feature(Feature("map 7", [crop], [crop]))
    inside = picture[30:40, 20:40]
    assert len(colors_of(inside)) == 1
    assert len(set(inside[0, 0].tolist())) > 1


def test_first_kernels_are_in_colour_and_gray_where_they_are_zero():
    kernel = np.zeros((3, 3, 3, 5))
    kernel[0, 0, 0, 0], kernel[1, 1, 2, 1] = 4.0, -4.0
    colors = colors_of(draw_kernels("stage_1_conv_1", kernel))
    assert {(255, 128, 128), (128, 128, 0), (128, 128, 128)} <= colors


def test_later_kernels_have_a_row_for_each_map_and_a_column_for_each_channel():
    kernel = np.zeros((2, 2, 4, 8))
    kernel[:, :, 3, 0], kernel[:, :, 0, 7] = 1.0, -1.0  # top right, bottom left
    picture = draw_kernels("stage_2_conv_1", kernel)[:-40]  # without the legend
    rows, columns = np.nonzero((picture == (103, 0, 31)).all(axis=-1))
    more_rows, more_columns = np.nonzero((picture == (5, 48, 97)).all(axis=-1))
    assert rows.max() < more_rows.min()
    assert columns.min() > more_columns.max()


def test_large_layers_are_drawn_no_wider_than_a_screen_or_two():
    for shape in ((3, 3, 512, 600), (7, 7, 64, 64), (1, 1, 256, 16), (64, 48, 8, 3)):
        assert max(draw_kernels("latent", np.ones(shape)).shape[:2]) < 2600


def test_maps_of_one_image_are_one_beside_the_other_and_of_one_scale():
    maps = np.stack([np.full((4, 4), value) for value in (0.0, 1.0, 2.0)], axis=-1)
    assert {(0, 0, 4), (252, 255, 164), (188, 55, 84)} <= colors_of(draw_activations("stage_1_pool", maps))
    assert {(103, 0, 31), (5, 48, 97)} <= colors_of(draw_activations("latent", maps - 1.0))
    draw_activations("latent", np.zeros((1, 1, 5)))


def test_names_on_the_page_are_text_and_never_markup():
    record = {"run": "<script>alert(1)</script>", "source": "a&b", "images": 1234, "method": "guided", "layers": {}}
    record["layers"]["latent"] = {"maps": 1, "shape": [2, 3, 1], "receptive_field": [4, 5], "statistics": []}
    picture = PagePicture("Features", 'said "so"', b"\x89PNG")
    page = make_page(record, ["1 of 1 maps of latent never responds"], [PageSection("latent", [picture])])
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "a&amp;b" in page
    assert 'alt="said &#34;so&#34;"' in page
    assert "1,234 images" in page
    assert "sees\n4x5 pixels" in page
