import pytest

# Texts whose keys disagree, with the line that says so.
CONFLICTS = [
    # schedules
    (
        "training: {early_stopping: {patience: 3}, schedule: {kind: plateau, patience: 3}}",
        "1:79: training.schedule.patience: must be below that of early_stopping, 3, or training ends before the rate "
        "falls; received 3",
    ),
    (
        "training: {schedule: {kind: plateau, min_learning_rate: 0.01}}",
        "1:57: training.schedule.min_learning_rate: must be below the optimizer's learning_rate, which is 0.001; "
        "received 0.01",
    ),
    # linear path
    (
        "model: {init: klt}",
        "1:15: model.init: klt needs model.linear_path: block, whose maps it sets; received none",
    ),
    (
        "model: {init: pca, linear_path: block, decoder: {output_activation: linear}}",
        "1:15: model.init: pca needs model.linear_path: global, whose maps it sets; received block",
    ),
    (
        "model: {linear_path: block}",
        "1:22: model.linear_path: block needs model.decoder.output_activation: linear, so that the sum is the "
        "reconstruction; received sigmoid",
    ),
    (
        "model: {linear_path: block, bottleneck: dense, decoder: {output_activation: linear}}",
        "1:22: model.linear_path: block needs model.bottleneck: spatial, whose last layer starts at zero; received "
        "dense",
    ),
    (
        "model: {linear_path: global, bottleneck: none, decoder: {output_activation: linear}}",
        "1:22: model.linear_path: global needs model.bottleneck: spatial or dense, whose last layer starts at zero; "
        "received none",
    ),
    (
        "model: {linear_path: block, decoder: {output_activation: linear, tied_weights: true}}",
        "1:22: model.linear_path: needs a last layer that can start at zero; with tied_weights it has the encoder's "
        "kernel",
    ),
    (
        "{model: {init: klt, linear_path: block, decoder: {output_activation: linear}}, training: {start_from: a}}",
        "1:16: model.init: klt has no effect with start_from, which has all weights",
    ),
    # tied weights and options that they leave no choice of
    (
        "model: {encoder: {downsampling: space_to_depth}, decoder: {tied_weights: true}}",
        "1:33: model.encoder.downsampling: tied_weights needs max_pool, average_pool, strided_conv or "
        "learned_indices; received space_to_depth",
    ),
    (
        "model: {encoder: {code_filters: 8}, decoder: {tied_weights: true}}",
        "1:33: model.encoder.code_filters: must be null with tied_weights, whose stages begin with the encoder's "
        "channels",
    ),
    (
        "model: {encoder: {residual_style: pre_activation}, decoder: {tied_weights: true}}",
        "1:35: model.encoder.residual_style: tied_weights needs residual_style: post_activation, whose blocks can be "
        "read the other way; received pre_activation",
    ),
    (
        "model: {encoder: {convs_per_stage: [1, 2, 3]}}",
        "1:36: model.encoder.convs_per_stage: the list needs one number for each stage, and model.encoder.filters has "
        "2; received 3",
    ),
    (
        "model: {decoder: {convs_per_stage: [1]}}",
        "1:36: model.decoder.convs_per_stage: the list needs one number for each stage, and model.encoder.filters has "
        "2; received 1",
    ),
    (
        "model: {decoder: {tied_weights: true, shortcut: duplicate}}",
        "1:49: model.decoder.shortcut: tied_weights needs shortcut: none; received duplicate",
    ),
    (
        "model: {decoder: {tied_weights: true, residual_blocks: 1}}",
        "1:56: model.decoder.residual_blocks: has no effect with tied_weights, which takes the encoder's kernels",
    ),
    # upsampling
    (
        "model: {encoder: {downsampling: strided_conv}, decoder: {upsampling: max_unpool}}",
        "1:70: model.decoder.upsampling: max_unpool needs max_pool downsampling, which records the switches; "
        "received strided_conv",
    ),
    (
        "model: {encoder: {downsampling: average_pool}, decoder: {upsampling: [resize, max_unpool]}}",
        "1:79: model.decoder.upsampling.1: max_unpool needs max_pool downsampling, which records the switches; "
        "received average_pool",
    ),
    (
        "model: {decoder: {upsampling: learned_indices}}",
        "1:31: model.decoder.upsampling: learned_indices needs learned_indices downsampling, which records the "
        "switches; received max_pool",
    ),
    (
        "model: {encoder: {downsampling: learned_indices}, decoder: {upsampling: max_unpool}}",
        "1:73: model.decoder.upsampling: max_unpool needs max_pool downsampling, which records the switches; "
        "received learned_indices",
    ),
    (
        "model: {encoder: {filters: [4, 8], downsampling: learned_indices}, "
        "decoder: {upsampling: learned_indices, filters: [5, 3]}}",
        "1:116: model.decoder.filters: stages that learned_indices enlarges must be given as many channels as were "
        "pooled, 8, 4; received 8, 5",
    ),
    (
        "model: {decoder: {upsampling: {kind: max_unpool, switches: per_place, train_switches: fixed}}}",
        "1:31: model.decoder.upsampling: train_switches: fixed needs no switches; received switches: per_place, "
        "without effect",
    ),
    (
        "model: {decoder: {upsampling: {kind: max_unpool, train_switches: shuffled}}}\ntraining: {batch_size: 1}",
        "1:31: model.decoder.upsampling: train_switches: shuffled takes the switches of another image of the batch; "
        "received batch_size: 1",
    ),
    (
        "model: {encoder: {filters: [8, 16, 32]}, decoder: {upsampling: [resize, resize]}}",
        "1:64: model.decoder.upsampling: the list needs one kind for each stage, and model.encoder.filters has 3; "
        "received 2",
    ),
    (
        "model: {encoder: {filters: [6, 8]}, decoder: {upsampling: bilinear_additive}}",
        "1:59: model.decoder.upsampling: bilinear_additive needs filters that are multiples of 4 (the factor squared); "
        "received 6",
    ),
    (
        "model: {encoder: {filters: [8, 18], downsampling: {pool_size: 3}}, decoder: {upsampling: bilinear_additive}}",
        "1:90: model.decoder.upsampling: bilinear_additive needs filters that are multiples of 9 (the factor squared); "
        "received 8",
    ),
    # The last decoder stage has the filters of the first encoder stage.
    (
        "model: {encoder: {filters: [6, 8]}, decoder: {upsampling: [resize, bilinear_additive]}}",
        "1:68: model.decoder.upsampling.1: bilinear_additive needs filters that are multiples of 4 "
        "(the factor squared); received 6",
    ),
    (
        "model: {encoder: {filters: [8, 6]}, decoder: {upsampling: [bilinear_additive, resize]}}",
        "1:60: model.decoder.upsampling.0: bilinear_additive needs filters that are multiples of 4 "
        "(the factor squared); received 6",
    ),
    # decoder widths
    (
        "model: {encoder: {filters: [4, 8]}, decoder: {upsampling: resize, filters: [4]}}",
        "1:76: model.decoder.filters: needs one number for each stage, and model.encoder.filters has 2; received 1",
    ),
    (
        "model: {encoder: {filters: [4, 8]}, decoder: {upsampling: max_unpool, filters: [5, 3]}}",
        "1:80: model.decoder.filters: stages that max_unpool enlarges must be given as many channels as were pooled, "
        "8, 4; received 8, 5",
    ),
    (
        "model: {encoder: {filters: [4, 8]}, decoder: {upsampling: [resize, bilinear_additive], filters: [6, 4]}}",
        "1:68: model.decoder.upsampling.1: bilinear_additive needs filters that are multiples of 4 "
        "(the factor squared); received 6",
    ),
    (
        "model: {encoder: {normalization: group}, decoder: {filters: [12, 16]}}",
        "1:61: model.decoder.filters: groups must divide every stage's filters; 8 does not divide 12",
    ),
    ("match: parameters", "1:8: match: match has no effect without a grid, whose models it makes alike"),
    # tied weights
    (
        "model: {decoder: {tied_weights: true, upsampling: subpixel}}",
        "1:51: model.decoder.upsampling: tied_weights needs resize, max_unpool, fixed_unpool, conv_transpose "
        "or learned_indices, whose kernels can be the encoder's; received subpixel",
    ),
    (
        "model: {decoder: {tied_weights: true, upsampling: [resize, bilinear_additive]}}",
        "1:60: model.decoder.upsampling.1: tied_weights needs resize, max_unpool, fixed_unpool, conv_transpose "
        "or learned_indices, whose kernels can be the encoder's; received bilinear_additive",
    ),
    (
        "model: {decoder: {tied_weights: true, upsampling: {kind: conv_transpose, kernel_size: 5}}}",
        "1:87: model.decoder.upsampling.kernel_size: has no effect with tied_weights, which takes the encoder's "
        "kernels of 3x3; received 5",
    ),
    (
        "model: {decoder: {tied_weights: true, filters: [64, 32]}}",
        "1:48: model.decoder.filters: has no effect with tied_weights, which takes the encoder's kernels",
    ),
    # normalisation
    (
        "model: {encoder: {filters: [12, 16, 20], normalization: group}}",
        "1:28: model.encoder.filters: groups must divide every stage's filters; 8 does not divide 12, 20",
    ),
    (
        "model: {encoder: {normalization: {kind: group, groups: 64}}}",
        "1:56: model.encoder.normalization.groups: groups must divide every stage's filters; 64 does not divide 32",
    ),
    (
        "model: {encoder: {code_filters: 12, normalization: group}}",
        "1:33: model.encoder.code_filters: groups must divide every stage's filters; 8 does not divide 12",
    ),
    # without effect
    (
        "model: {encoder: {filters: [8], shortcut: space_to_channel}}",
        "1:43: model.encoder.shortcut: has no effect on a single stage of one convolution, which makes features of the "
        "image's own channels; received space_to_channel",
    ),
    (
        "model: {encoder: {residual_style: inner_activation}}",
        "1:35: model.encoder.residual_style: has no effect without residual_blocks; received inner_activation",
    ),
    # objective
    (
        "objective: {reconstruction: {}}",
        "1:29: objective.reconstruction: at least one weight must be above 0, or the output is not tied to the image",
    ),
    (
        "objective: {reconstruction: {mse: 0.0, bce: 0}}",
        "1:29: objective.reconstruction: at least one weight must be above 0, or the output is not tied to the image",
    ),
    (
        "model: {decoder: {output_activation: linear}}\nobjective: {reconstruction: {mse: 1, bce: 0.5}}",
        "2:43: objective.reconstruction.bce: bce needs output_activation: sigmoid, since it takes pixels as "
        "probabilities; received linear",
    ),
    (
        "objective: {reconstruction: {mse: 1}, huber_delta: 0.2}",
        "1:52: objective.huber_delta: huber_delta has no effect without a weight for huber",
    ),
    # training
    (
        "training: {epochs: 5, schedule: {kind: cosine, warmup_epochs: 6}}",
        "1:63: training.schedule.warmup_epochs: warmup_epochs must be at most training.epochs, which is 5; received 6",
    ),
    (
        "training: {optimizer: {name: sgd, nesterov: true}}",
        "1:45: training.optimizer.nesterov: nesterov: true needs a momentum above 0",
    ),
    # source
    ("data: {source: arrays}", "1:16: data.source: source: arrays needs a path"),
    ("data: idx", "1:7: data.source: source: idx needs a path"),
    ("data: {source: image_folder, path: null}", "1:16: data.source: source: image_folder needs a path"),
    ("data: tfrecord", "1:7: data.source: source: tfrecord needs a path"),
    ("data: {path: x}", "1:14: data.path: path has no effect with source: bundled"),
    (
        "data: {source: cifar10, test_path: x}",
        "1:36: data.test_path: test_path has no effect with source: cifar10, which has a test part of its own",
    ),
    (
        "data: {test_fraction: 0.2}",
        "1:23: data.test_fraction: test_fraction has no effect with source: bundled, which has a test part of its own",
    ),
    (
        "data: {source: idx, path: a, test_path: b, test_fraction: 0.2}",
        "1:59: data.test_fraction: test_fraction has no effect with test_path",
    ),
    (
        "data: {source: arrays, path: a.npz, test_array: b, test_fraction: 0.2}",
        "1:67: data.test_fraction: test_fraction has no effect with test_array",
    ),
    (
        "data: {source: arrays, path: a.npz, test_array: b, test_path: c}",
        "1:49: data.test_array: give test_array or test_path, not both",
    ),
    (
        "data: {source: cifar10, validation_path: x}",
        "1:42: data.validation_path: validation_path has no effect with source: cifar10",
    ),
    (
        "data: {source: idx, path: a, validation_path: b, validation_fraction: 0.2}",
        "1:71: data.validation_fraction: validation_fraction has no effect with validation_path",
    ),
    (
        "data: {source: arrays, path: a.npz, validation_array: b, validation_path: c}",
        "1:55: data.validation_array: give validation_array or validation_path, not both",
    ),
    (
        "data: {source: arrays, path: a.npy, validation_array: b}",
        "1:55: data.validation_array: validation_array has no effect with a .npy file, which holds one array",
    ),
    (
        "data: {source: arrays, path: a.NPY, array: b}",
        "1:44: data.array: array has no effect with a .npy file, which holds one array",
    ),
    # pictures in folders
    ("data: {source: image_folder, path: a, fit: patch}", "1:44: data.fit: fit: patch needs an image_size"),
    ("data: {source: image_folder, path: a, fit: crop}", "1:44: data.fit: fit: crop needs an image_size"),
    ("data: {source: tfrecord, path: a, fit: crop}", "1:40: data.fit: fit: crop needs an image_size"),
    (
        "data: {source: image_folder, path: a, image_size: [8, 8], random_patches: true}",
        "1:75: data.random_patches: random_patches needs fit: patch; received stretch",
    ),
    (
        "data: {source: image_folder, path: a, image_size: [8, 8], patches: 4}",
        "1:68: data.patches: patches: 4 needs fit: patch; received stretch",
    ),
    # sizes
    (
        "objective: {reconstruction: {ms_ssim: 1}}",
        "1:39: objective.reconstruction.ms_ssim: ms_ssim needs at least 161 pixels a side; "
        "received images of 28x28 pixels",
    ),
    (
        "data: {source: idx, path: a, image_size: [200, 160]}\nobjective: {reconstruction: {ms_ssim: 1}}",
        "2:39: objective.reconstruction.ms_ssim: ms_ssim needs at least 161 pixels a side; "
        "received images of 200x160 pixels",
    ),
    (
        "data: cifar100\nobjective: {corruption: {kind: masked_patches, patch_size: 33}}",
        "2:60: objective.corruption.patch_size: a masked patch must not be larger than the image; "
        "received patch_size: 33 for images of 32x32 pixels",
    ),
    (
        "data: {image_size: [20, 9], augmentation: {random_crop: 9}}",
        "1:57: data.augmentation.random_crop: random_crop must be less than the image's sides; "
        "received 9 for images of 20x9 pixels",
    ),
]

# The nearest texts in which all is well.
AGREEMENTS = [
    "model: {encoder: {filters: [8], code_filters: 12, normalization: group}, bottleneck: none}",
    "model: {encoder: {filters: [8], convs_per_stage: 2, shortcut: space_to_channel}}",
    "model: {encoder: {residual_style: pre_activation}, decoder: {residual_blocks: 1}}",
    "model: {encoder: {downsampling: max_pool}, decoder: {upsampling: [max_unpool, max_unpool]}}",
    "model: {encoder: {downsampling: learned_indices}, decoder: {upsampling: [learned_indices, carafe]}}",
    "model: {encoder: {downsampling: strided_conv}, decoder: {upsampling: [fixed_unpool, subpixel]}}",
    "model: {encoder: {filters: [8, 12]}, decoder: {upsampling: bilinear_additive}}",
    "model: {encoder: {filters: [9, 18], downsampling: {pool_size: 3}}, decoder: {upsampling: bilinear_additive}}",
    "model: {encoder: {filters: [6, 8]}, decoder: {upsampling: [bilinear_additive, resize]}}",
    "model: {encoder: {filters: [8, 6]}, decoder: {upsampling: [resize, bilinear_additive]}}",
    "model: {encoder: {filters: [12, 18], normalization: {kind: group, groups: 6}}}",
    "model: {decoder: {output_activation: linear}}\nobjective: {reconstruction: {mse: 1, bce: 0}}",
    "objective: {reconstruction: {mae: 0.5}}",
    "objective: {reconstruction: {huber: 1}, huber_delta: 0.2}",
    "training: {epochs: 5, schedule: {kind: cosine, warmup_epochs: 4.5}}",
    "training: {optimizer: {name: sgd, nesterov: true, momentum: 0.1}}",
    "data: {source: arrays, path: a.npz, array: x, test_array: b}",
    "data: {source: arrays, path: a.npy, test_path: b.npy}",
    "data: {source: idx, path: a, test_fraction: 0.2}",
    "data: {source: image_folder, path: a, validation_path: b, test_path: c, image_size: [8, 8]}",
    "data: {source: mnist, path: a}",
    "data: {source: tfrecord, path: a, test_path: b, cache: disk, channels: 1}",
    "data: {source: image_folder, path: a, fit: patch, image_size: [8, 9], random_patches: true}",
    "data: {source: image_folder, path: a}\nobjective: {reconstruction: {ms_ssim: 1}}",
    "data: {source: idx, path: a, image_size: [161, 200]}\nobjective: {reconstruction: {ms_ssim: 1}}",
    "data: cifar100\nobjective: {corruption: {kind: masked_patches, patch_size: 32}}",
    "data: {image_size: [20, 9], augmentation: {random_crop: 8}}",
]


@pytest.mark.parametrize(("text", "line"), CONFLICTS)
def test_keys_that_disagree_are_reported(problems, text, line):
    assert problems(text) == [f"a.yaml:{line}"]


@pytest.mark.parametrize("text", AGREEMENTS)
def test_keys_that_agree_are_accepted(load, text):
    load(text)


def test_disagreements_are_reported_all_at_once_beside_keys_that_are_wrong_by_themselves(problems):
    text = """\
model: {encoder: {downsampling: strided_conv}, decoder: {upsampling: max_unpool}}
training: {batch_size: x, optimizer: {name: sgd, nesterov: true}}
"""
    assert [line.split(": ")[1] for line in problems(text)] == [
        "model.decoder.upsampling",
        "training.batch_size",
        "training.optimizer.nesterov",
    ]


def test_the_override_is_blamed_when_it_disagrees_with_the_file(problems):
    text = "model: {encoder: {downsampling: max_pool}, decoder: {upsampling: max_unpool}}"
    assert problems(text, "model.encoder.downsampling=strided_conv") == [
        "--set model.encoder.downsampling=strided_conv: max_unpool needs max_pool downsampling, "
        "which records the switches; received strided_conv"
    ]
    assert problems("", "objective.huber_delta=0.1") == [
        "--set objective.huber_delta=0.1: huber_delta has no effect without a weight for huber"
    ]


def test_of_a_key_without_effect_beside_an_override_the_place_in_the_file_and_what_to_add_are_said(problems, load):
    text = "objective: {reconstruction: {psnr: 1}}\nmodel: {decoder: {filters: [8, 8]}}"
    assert problems(text, "objective.loss=mse") == [
        "--set objective.loss=mse: objective.reconstruction, set in a.yaml:1:29, has no effect with objective.loss; "
        "add --set 'objective.reconstruction={mse: 1.0}'"
    ]
    load(text, "objective.loss=mse", "objective.reconstruction={mse: 1.0}")
    (line,) = problems(text, "model.decoder.tied_weights=true")
    assert "model.decoder.filters, set in a.yaml:2:28, has no effect with tied_weights" in line
    assert line.endswith("add --set model.decoder.filters=null")
    load(text, "model.decoder.tied_weights=true", "model.decoder.filters=null")
    assert problems("objective: {loss: mse}", "objective.reconstruction={psnr: 1}") == [
        "--set objective.reconstruction={psnr: 1}: reconstruction has no effect with objective.loss; "
        "objective.loss is set in a.yaml:1:19"
    ]
    text = "data: {source: arrays, path: a.npy, test_path: b.npy}"
    assert problems(text, "data.test_fraction=0.3")[0].endswith("test_path; data.test_path is set in a.yaml:1:48")
    # Both from the command line: there is nothing to look for.
    assert problems("", "objective.loss=mse", "objective.reconstruction={psnr: 1}") == [
        "--set objective.reconstruction={psnr: 1}: reconstruction has no effect with objective.loss"
    ]


def test_a_key_without_effect_may_be_stated_at_its_default(load):
    load("data: {source: mnist, test_path: null, test_fraction: 0.1}\nobjective: {huber_delta: null}")
    load("data: {source: image_folder, path: a, fit: stretch, random_patches: false}")
    load("data: {source: arrays, path: a.npy, array: null, test_array: null}")
    load("training: {optimizer: {name: sgd, momentum: 0.0, nesterov: false}}")
