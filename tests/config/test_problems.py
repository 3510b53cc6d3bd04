import time

import pytest
import yaml

from cae.config.schema_walk import root_shape


def test_a_misspelt_key_is_reported_where_it_stands(problems):
    text = """\
model:
  encoder:
    filters: [8]

  decoder:
    upsamplng: resize
"""
    assert problems(text) == ["a.yaml:6:5: model.decoder.upsamplng: unknown key; did you mean upsampling?"]


def test_all_problems_are_reported_at_once_from_top_to_bottom(problems):
    text = """\
training: {epochs: 0, precision: float16}
seed: 1.0
seed: 2
model:
  decoder: {upsampling: max_unpool, outputactivation: tanh}
  encoder:
    downsampling: average_pool
    filters: [8, -1]
objective: {reconstruction: {mse: 0}}
"""
    assert problems(text, "logging.probe_images=65") == [
        "a.yaml:1:20: training.epochs: must be an integer of at least 1 or auto; received 0",
        "a.yaml:1:34: training.precision: must be one of float32, mixed_bfloat16, mixed_float16, auto; "
        'received "float16"; did you mean mixed_float16?',
        "a.yaml:2:7: seed: must be an integer from 0 to 2147483647; received 1.0; write 1",
        "a.yaml:3:1: seed: the key is given twice, first in line 2, column 1",
        "a.yaml:5:25: model.decoder.upsampling: max_unpool needs max_pool downsampling, "
        "which records the switches; received average_pool",
        "a.yaml:5:37: model.decoder.outputactivation: unknown key; did you mean output_activation?",
        "a.yaml:8:18: model.encoder.filters.1: must be an integer of at least 1; received -1",
        "a.yaml:9:29: objective.reconstruction: at least one weight must be above 0, "
        "or the output is not tied to the image",
        "--set logging.probe_images=65: must be an integer from 1 to 64; received 65",
    ]


def only(lines):
    (line,) = lines
    return line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        # wrong types
        ("seed: '3'", '1:7: seed: must be an integer from 0 to 2147483647; received "3"; write it without quotes'),
        ("seed: true", "1:7: seed: must be an integer from 0 to 2147483647; received true"),
        ("seed:", "1:6: seed: must be an integer from 0 to 2147483647; received null"),
        ("name: 3",
         "1:7: name: must be a folder name: at most 128 letters, digits and ._=,+- that start with a letter, "
         "a digit or _; received 3"),
        ("data: {channels: true}", "1:18: data.channels: must be one of 1, 3, or null; received true"),
        ("data: {channels: 2}", "1:18: data.channels: must be one of 1, 3, or null; received 2"),
        ("training: {xla: on}", '1:17: training.xla: must be auto, true or false; received "on"; write true'),
        ("training: {xla: atuo}",
         '1:17: training.xla: must be auto, true or false; received "atuo"; did you mean auto?'),
        ("training: {deterministic: 1}", "1:27: training.deterministic: must be true or false; received 1; write true"),
        ("training: {deterministic: no}",
         '1:27: training.deterministic: must be true or false; received "no"; write false'),
        ("training: {batch_size: 1_000}",
         '1:24: training.batch_size: must be an integer of at least 1 or auto; received "1_000"; write 1000'),
        ("model: {encoder: {dropout: '0,5'}}",
         '1:28: model.encoder.dropout: must be a number of at least 0 and below 1; received "0,5"; write 0.5'),
        ("model: {decoder: {tied_weights: 1}}",
         "1:33: model.decoder.tied_weights: must be true or false; received 1; write true"),
        ("training: 3", "1:11: training: must be a mapping with keys from epochs, steps, batch_size, optimizer, "
         "schedule, global_clipnorm, ema, precision, strategy, xla, deterministic, early_stopping, "
         "start_from, checkpoint_minutes; received 3"),
        ("logging:", "1:9: logging: must be a mapping with keys from probe_images, image_epochs, histograms, "
         "tensorboard; received null; leave the key out for its defaults"),
        ("grid: [1]", "1:7: grid: must be a mapping; received [1]"),
        # out of range, not finite
        ("model: {encoder: {dropout: 1}}",
         "1:28: model.encoder.dropout: must be a number of at least 0 and below 1; received 1"),
        ("model: {encoder: {kernel_size: 32}}",
         "1:32: model.encoder.kernel_size: must be an integer from 1 to 31; received 32"),
        ("training: {optimizer: {learning_rate: .nan}}",
         "1:39: training.optimizer.learning_rate: must be a number above 0; received .nan; numbers must be finite"),
        ("training: {optimizer: {learning_rate: 1e999}}",
         "1:39: training.optimizer.learning_rate: must be a number above 0; received .inf; numbers must be finite"),
        ("data: {validation_fraction: 1.0}",
         "1:29: data.validation_fraction: must be a number above 0 and below 1; received 1.0"),
        # lists
        ("model: {encoder: {filters: 32}}", "1:28: model.encoder.filters: must be a list of 1 to 12 items, "
         "each an integer of at least 1; received 32; write [32]"),
        ("model: {encoder: {filters: []}}", "1:28: model.encoder.filters: must be a list of 1 to 12 items, "
         "each an integer of at least 1; received []"),
        ("data: {image_size: [28]}", "1:20: data.image_size: must be a list of two integers of at least 1, "
         "[height, width], or null; received [28]"),
        ("data: {image_size: [28, 28, 1]}", "1:20: data.image_size: must be a list of two integers of at least 1, "
         "[height, width], or null; received [28, 28, 1]"),
        ("data: {image_size: [28, 0]}", "1:25: data.image_size.1: must be an integer of at least 1; received 0"),
        ("logging: {image_epochs: never}", "1:25: logging.image_epochs: must be auto, an integer of at least 1, "
         'or a list of one or more items, each an integer of at least 1; received "never"'),
        ("logging: {image_epochs: [1, 0]}",
         "1:29: logging.image_epochs.1: must be an integer of at least 1; received 0"),
        ("model: {decoder: {upsampling: []}}", "1:31: model.decoder.upsampling: must be one of resize, max_unpool, "
         "fixed_unpool, conv_transpose, subpixel, bilinear_additive, carafe, dysample, haar, learned_indices, or a "
         "mapping with `kind`, or a list of such choices; received []"),
        # choices
        ("model: {bottleneck: dens}", "1:21: model.bottleneck: must be one of none, spatial, dense, or a mapping "
         'with `kind`; received "dens"; did you mean dense?'),
        ("model: {bottleneck: {kind: dens, units: 3}}", "1:28: model.bottleneck.kind: must be one of none, spatial, "
         'dense; received "dens"; did you mean dense?'),
        ("model: {bottleneck: {kind: 3}}",
         "1:28: model.bottleneck.kind: must be one of none, spatial, dense; received 3"),
        ("model: {bottleneck: {kind: }}", "1:27: model.bottleneck.kind: must be one of none, spatial, dense; "
         "received null"),
        ("model: {bottleneck: 3}", "1:21: model.bottleneck: must be one of none, spatial, dense, or a mapping with "
         "`kind`; received 3; write {kind: spatial, channels: 3}"),
        ("model: {encoder: {filters: [8, 16]}, decoder: {upsampling: [resize, max_unpol]}}",
         "1:69: model.decoder.upsampling.1: must be one of resize, max_unpool, fixed_unpool, conv_transpose, subpixel, "
         'bilinear_additive, carafe, dysample, haar, learned_indices, or a mapping with `kind`; received "max_unpol"; '
         "did you mean max_unpool?"),
        ("data: {source: fashion-mnist}", "1:16: data.source: must be one of bundled, mnist, fashion_mnist, cifar10, "
         'cifar100, image_folder, arrays, idx, tfrecord, memory; received "fashion-mnist"; did you mean '
         "fashion_mnist?"),
        ("training: {optimizer: AdamW}", "1:23: training.optimizer: must be one of adam, adamw, sgd, rmsprop, "
         "nadam, adamax, lamb, lion, muon, adafactor, adagrad, adadelta, ftrl, keras, "
         'or a mapping with `name`; received "AdamW"; did you mean adamw?'),
        ("model: {encoder: {filters: [8]}, decoder: {upsampling: [nearest]}}",
         "1:57: model.decoder.upsampling.0: must be one of resize, max_unpool, fixed_unpool, conv_transpose, subpixel, "
         'bilinear_additive, carafe, dysample, haar, learned_indices, or a mapping with `kind`; received "nearest"; '
         "did you mean {kind: resize, interpolation: nearest}?"),
        # keys of another choice
        ("model: {decoder: {upsampling: {kind: resize, kernel_size: 4}}}",
         "1:46: model.decoder.upsampling.kernel_size: kernel_size has no effect with kind: resize; "
         "it belongs to conv_transpose, subpixel and haar"),
        ("model: {decoder: {upsampling: {interpolation: bilinear}}}",
         "1:32: model.decoder.upsampling.interpolation: interpolation has no effect with kind: conv_transpose "
         "(the default); it belongs to resize"),
        ("model: {encoder: {filters: [8, 16]}, decoder: {upsampling: [resize, {kind: max_unpool, kernel_size: 3}]}}",
         "1:88: model.decoder.upsampling.1.kernel_size: kernel_size has no effect with kind: max_unpool; "
         "it belongs to conv_transpose, subpixel and haar"),
        ("model: {encoder: {downsampling: {kind: strided_conv, pool_size: 2}}}",
         "1:54: model.encoder.downsampling.pool_size: pool_size has no effect with kind: strided_conv; "
         "it belongs to max_pool, average_pool, space_to_depth and learned_indices"),
        ("model: {encoder: {downsampling: learned_indices}, decoder: {upsampling: {kind: learned_indices, "
         "switches: per_place}}}",
         "1:97: model.decoder.upsampling.switches: switches has no effect with kind: learned_indices; "
         "did you mean model.encoder.downsampling.switches? Here it belongs to max_unpool"),
        ("model: {encoder: {downsampling: {kind: max_pool, switches: per_place}}}",
         "1:50: model.encoder.downsampling.switches: switches has no effect with kind: max_pool; "
         "it belongs to learned_indices, and in model.decoder.upsampling to max_unpool"),
        ("data: {fit: crop}", "1:8: data.fit: fit has no effect with source: bundled (the default); "
         "it belongs to image_folder and tfrecord"),
        ("training: {optimizer: {name: sgd, beta_1: 0.5}}",
         "1:35: training.optimizer.beta_1: beta_1 has no effect with "
         "name: sgd; it belongs to adam, adamw, nadam, adamax, lamb and lion"),
        ("training: {schedule: {warmup_epochs: 1}}",
         "1:23: training.schedule.warmup_epochs: warmup_epochs has no effect "
         "with kind: constant (the default); it belongs to cosine"),
        # unknown keys
        ("training: {learning_rate: 0.1}",
         "1:12: training.learning_rate: unknown key; did you mean training.optimizer.learning_rate?"),
        ("filters: [8]", "1:1: filters: unknown key; did you mean model.decoder.filters or model.encoder.filters?"),
        ("model: {encoder: {downsampling: {kind: learned_indices, train_switches: shuffled}}}",
         "1:57: model.encoder.downsampling.train_switches: unknown key; "
         "did you mean model.decoder.upsampling.train_switches (kind: max_unpool and learned_indices) or switches "
         "here?"),
        ("model: {encoder: {downsampling: {kind: max_pool, unpool: repeat}}}",
         "1:50: model.encoder.downsampling.unpool: unknown key; "
         "did you mean model.decoder.upsampling.unpool (kind: max_unpool)?"),
        ("grid: {model.encoder.downsampling.train_switches: [own]}",
         "1:8: grid.model.encoder.downsampling.train_switches: unknown key; did you mean "
         "model.decoder.upsampling.train_switches (kind: max_unpool and learned_indices) or "
         "model.encoder.downsampling.switches?"),
        ("model: {decoder: {interpolation: bilinear}}",
         "1:19: model.decoder.interpolation: unknown key; "
         "did you mean model.decoder.upsampling.interpolation (kind: resize)?"),
        ("model: {decoder: {upsampling: {kind: resize, pool_size: 3}}}",
         "1:46: model.decoder.upsampling.pool_size: unknown key; did you mean model.encoder.downsampling.pool_size?"),
        ("training: {optimizer: {warmup_epochs: 2}}",
         "1:24: training.optimizer.warmup_epochs: unknown key; "
         "did you mean training.schedule.warmup_epochs (kind: cosine)?"),
        ("training.epochs: 3",
         "1:1: training.epochs: unknown key; dotted keys are for --set and grid; here mappings stand within mappings"),
        ("logging: {batch-size: 3}", "1:11: logging.batch-size: unknown key; "
         "did you mean training.batch_size?"),
        ("training: {batch-size: 3}", "1:12: training.batch-size: unknown key; did you mean batch_size?"),
        ("model: {decoder: {upsampling: {kind: bilinear_additive, window: 3}}}",
         "1:57: model.decoder.upsampling.window: unknown key; kind: bilinear_additive has no other keys"),
        ("model: {bottleneck: {kind: dense, width: 3}}",
         "1:35: model.bottleneck.width: unknown key; allowed are units and kind"),
        ("data: {augmentation: {flip: true}}",
         "1:23: data.augmentation.flip: unknown key; "
         "allowed are horizontal_flip, vertical_flip, diagonal_flip, random_crop"),
    ],
)  # fmt: skip
def test_a_message_says_the_rule_and_what_was_received(problems, text, line):
    assert problems(text) == [f"a.yaml:{line}"]


# These take any keys.
CONFIGS = [("training", "optimizer"), ("training", "schedule"), ("objective", "loss")]
FREE = [("grid",), ("tune", "values"), *((*place, "config") for place in CONFIGS)]


@pytest.mark.parametrize("path", [path for path in root_shape().paths() if path not in FREE], ids=".".join)
def test_a_wrong_value_is_reported_at_its_own_key_whatever_the_key(problems, path):
    value = {"nonsense": 0}
    for length in range(len(path), 0, -1):
        value = {path[length - 1]: value}
        options = root_shape().at(path[: length - 1]).options
        if options and path[length - 1] != options.by:  # make a choice that has the key
            owners = options.owners(path[length - 1])
            value[options.by] = next((owner for owner in reversed(owners) if owner != "memory"), "memory")
        if options and options.by == "source":
            value.setdefault(*(("images", {}) if value["source"] == "memory" else ("path", "images")))
    (line,) = problems(yaml.safe_dump(value))
    key = ".".join(path)
    assert f": {key}: must be " in line or f": {key}.nonsense: unknown key; " in line


def test_a_key_named_like_its_kind_is_found(problems):
    assert problems("model: {decoder: {upsampling: {kind: resize, resize: {interpolation: 3}}}}") == [
        "a.yaml:1:46: model.decoder.upsampling.resize: unknown key; allowed are interpolation and kind"
    ]


def test_long_values_and_keys_are_shortened(problems):
    line = only(problems(f"seed: {'x' * 10_000}"))
    assert len(line) < 200
    line = only(problems(f"{'x' * 500}: 1"))
    assert len(line) < 300


def test_a_choice_by_another_key_is_told_of_the_key_here(problems):
    for text, key, meant in (
        ("data: {type: image_folder, path: photos, fit: crop}", "data.type", "source"),
        ("model: {bottleneck: {type: dense, units: 8}}", "model.bottleneck.type", "kind"),
        ("training: {optimizer: {kind: sgd, nesterov: true}}", "training.optimizer.kind", "name"),
        (
            "model: {decoder: {upsampling: {name: resize, interpolation: bicubic}}}",
            "model.decoder.upsampling.name",
            "kind",
        ),
    ):
        line = only(problems(text))
        assert line.endswith(f" {key}: unknown key; did you mean {meant}?")
    # A configuration that is changed on the command line has made its choice already.
    assert "did you mean kind?" in only(problems("model: {bottleneck: {kind: dense, units: 8, type: spatial}}"))


def test_one_mistake_is_one_problem(problems):
    # The list is as long as the filters that were meant, and the source that was meant needs no path.
    text = "model: {encoder: {filtrs: [8, 16, 32]}, decoder: {upsampling: [resize, resize, resize]}}"
    assert len(problems(text)) == 1
    assert len(problems("data: {source: mnit, test_fraction: 0.2}")) == 1
    # The source of which the path has no effect is the default, which a misspelt key leaves in place.
    for source in ("sorce: image_folder", "Source: image_folder"):
        assert problems(f"data: {{{source}, path: photos, fit: crop}}") == [
            f"a.yaml:1:8: data.{source.partition(':')[0]}: unknown key; did you mean source?"
        ]
    assert len(problems("data: {source: image_folder, pth: photos}")) == 1
    assert len(problems("training: {optimizer: {nmae: sgd, nesterov: true}}")) == 1
    assert len(problems("data: {source: mnist, sorce: image_folder, fit: crop}")) == 2
    assert (
        len(problems("model: {encoder: {filters: [8, x, 32]}, decoder: {upsampling: [resize, resize, resize]}}")) == 1
    )
    assert len(problems("objective: {reconstruction: {huber: x, mse: 1}, huber_delta: 1}")) == 1
    assert len(problems(f"model: {{encoder: {{filters: [{'9' * 200}]}}}}")) == 1


def test_thousands_of_problems_are_cut_off_quickly(problems):
    text = "".join(f"key_{number}: 1\n" for number in range(2000))
    start = time.process_time()
    lines = problems(text)
    assert time.process_time() - start < 3.0
    assert len(lines) == 101
    assert lines[-1] == "... and more"
