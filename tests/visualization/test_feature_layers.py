"""Which layers and maps can be chosen, and how."""

import numpy as np
import pytest

from cae.config.model import ModelSection
from cae.errors import ConfigError
from cae.plan import make_plan
from cae.visualization.feature_layers import choose_layers, find_feature_layers
from cae.visualization.map_choice import parse_maps


def layers_for(bottleneck="none", **encoder):
    section = ModelSection.model_validate({"encoder": {"filters": [4, 6], **encoder}, "bottleneck": bottleneck})
    return find_feature_layers(make_plan(section, (28, 20, 3)))


def names(layers):
    return [layer.name for layer in layers]


def test_convolutions_stages_and_the_code_are_layers():
    layers = layers_for({"kind": "spatial", "channels": 3}, convs_per_stage=2, dropout=0.5, normalization="batch")
    stages = [f"stage_{n}_{part}" for n in (1, 2) for part in ("conv_1", "conv_2", "pool")]
    assert names(layers) == [*stages, "latent"]
    assert [layer.num_maps for layer in layers] == [4, 4, 4, 6, 6, 6, 3]
    assert [layer.kernel is None for layer in layers] == [False, False, True] * 2 + [False]
    assert [layer.is_rectified for layer in layers] == [True] * 6 + [False]


def test_the_inside_of_a_residual_block_is_reached_without_its_skip():
    layers = layers_for("none", residual_blocks=1, downsampling="strided_conv", normalization="batch")
    assert names(layers) == [
        f"stage_{n}_{part}" for n in (1, 2) for part in ("conv_1", "residual_1_conv_1", "residual_1")
    ]
    inside, block = layers[4:]
    assert [operation.name for operation in inside.path[-3:]] == [
        f"stage_2_residual_1_conv_1{part}" for part in ("", "_norm", "_relu")
    ]
    assert inside.path[-4].name == "stage_2_conv_1_relu"
    # Without a bottleneck, the code is the block's output.
    assert [operation.name for operation in block.path[-2:]] == ["stage_2_residual_1", "latent"]
    assert block.kernel.name == "stage_2_residual_1_conv_2"


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("stage_2", "stage_2_pool"),
        ("latent", "stage_2_pool"),
        ("stage_1_conv_1_relu", "stage_1_conv_1"),
        ("stage_1", "stage_1_pool"),
    ],
)
def test_a_stage_an_operation_and_a_code_without_bottleneck_name_their_layer(name, found):
    assert names(choose_layers(layers_for(), name)) == [found]


def test_an_unknown_layer_is_answered_with_those_there_are():
    layers = layers_for()
    assert choose_layers(layers, None) == layers
    with pytest.raises(ConfigError) as error:
        choose_layers(layers, "stage_9")
    assert all(layer.name in str(error.value) for layer in layers)
    assert "stage_9" in str(error.value)


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("all", [0, 1, 2, 3, 4]),
        ("top:2", [3, 1]),
        ("top:9", [3, 1, 4, 0, 2]),
        ("0", [0]),
        ("4,1-3,2", [4, 1, 2, 3]),
    ],
)
def test_maps_are_chosen_by_number_or_by_strength(text, chosen):
    assert parse_maps(text).choose(np.array([1.0, 5.0, 0.0, 7.0, 5.0])) == chosen


@pytest.mark.parametrize("text", ["", "top:", "top:0", "top:-1", "5-3", "-1", "1,,2", "1;2", "some", "1.5", "9" * 30])
def test_what_is_no_choice_of_maps_is_refused(text):
    with pytest.raises(ConfigError, match="top:N"):
        parse_maps(text)


def test_maps_out_of_range_are_answered_with_the_range():
    parse_maps("0,3-4").check("latent", 5)
    parse_maps("top:99").check("latent", 5)
    with pytest.raises(ConfigError, match=r"latent has the maps 0 to 4\. Received: 5 "):
        parse_maps("0,3-999999999").check("latent", 5)
