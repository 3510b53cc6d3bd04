import os
from pathlib import Path

import pytest

from cae.config import ConfigError, RunConfig, load_config
from cae.config.training import Adam, AdamW, CosineSchedule, EarlyStopping, RmsProp, Sgd
from cae.kinds.catalogue import ConvTranspose, MaxPool, MaxUnpool, Resize, StridedConv, Subpixel

# Word for word the example of the interface contract.
EVERY_KEY = """\
experiment: fashion_mnist        # run directory: RUNS_DIR/experiment/name
name: conv_transpose
seed: 0
data:
  source: fashion_mnist          # words below
  path: null                     # file or folder; relative to the configuration file
  image_size: [28, 28]           # [height, width]
  channels: 1                    # 1 or 3
  validation_fraction: 0.1       # of the training part
  test_path: null                # a separate test file or folder
  test_fraction: 0.1             # held out first, only when the source has no test part
model:
  encoder: {filters: [32, 64], convs_per_stage: 1, kernel_size: 3, activation: relu, normalization: none, downsampling: {kind: max_pool}}
  bottleneck: {kind: spatial, channels: 16}   # or {kind: dense, units: 64}, or {kind: none}
  decoder: {upsampling: {kind: conv_transpose, kernel_size: 4}, tied_weights: false, output_activation: sigmoid}
objective: {reconstruction: {mse: 1.0}, corruption: {kind: none}, latent_l1: 0.0}
training: {epochs: 10, batch_size: 128, optimizer: {name: adam, learning_rate: 1.0e-3}, schedule: {kind: constant}, precision: float32, strategy: auto, xla: auto, deterministic: false, early_stopping: null}
logging: {probe_images: 16, image_epochs: auto, histograms: false}
grid: {}                         # dotted keys to lists of values
"""  # noqa: E501


def upsampling_of(config):
    return config.model.decoder.upsampling


def test_the_example_with_every_key_loads_unchanged(load):
    config = load(EVERY_KEY)
    assert (config.experiment, config.name, config.seed) == ("fashion_mnist", "conv_transpose", 0)
    assert (config.data.source, config.data.path, config.data.image_size) == ("fashion_mnist", None, (28, 28))
    assert (config.data.channels, config.data.test_fraction) == (1, 0.1)
    assert config.model.encoder.filters == (32, 64)
    assert config.model.encoder.downsampling == MaxPool(pool_size=2)
    assert upsampling_of(config) == ConvTranspose(kernel_size=4)
    assert config.training.optimizer == Adam(learning_rate=1e-3)
    assert config.training.early_stopping is None
    assert config.grid == {}


def test_the_same_example_may_state_every_source(load):
    for source in ("bundled", "mnist", "cifar10", "cifar100"):
        config = load(EVERY_KEY.replace("source: fashion_mnist", f"source: {source}"))
        assert config.data.source == source


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "{}", "model: {}", "data: {source: bundled}"])
def test_what_a_file_does_not_say_has_its_default(load, text):
    assert load(text) == RunConfig()


def test_a_bare_word_is_short_for_the_choice_with_its_defaults(load):
    text = """
    data: mnist
    model:
      encoder: {downsampling: strided_conv, normalization: batch, filters: [8, 16, 32]}
      bottleneck: dense
      decoder: {upsampling: [resize, {kind: conv_transpose, kernel_size: 2}, subpixel]}
    objective: {corruption: gaussian}
    training: {optimizer: adamw, schedule: cosine}
    """
    config = load(text)
    assert config.data.source == "mnist"
    assert config.model.encoder.downsampling == StridedConv(strides=2)
    assert config.model.encoder.normalization.kind == "batch"
    assert config.model.bottleneck.units == 64
    assert upsampling_of(config) == (Resize(interpolation="nearest"), ConvTranspose(kernel_size=2), Subpixel())
    assert config.objective.corruption.stddev == 0.1
    assert config.training.optimizer == AdamW()
    assert config.training.schedule == CosineSchedule()


def test_a_choice_that_is_not_stated_is_the_default_one(load):
    text = """
    data: {channels: 3}
    model:
      encoder: {downsampling: {pool_size: 3}, normalization: {}}
      bottleneck: {channels: 5}
      decoder: {upsampling: [{kernel_size: 5}, {}]}
    objective: {corruption: {}}
    training: {optimizer: {beta_1: 0.5}, schedule: {}}
    """
    config = load(text)
    assert (config.data.source, config.data.channels) == ("bundled", 3)
    assert config.model.encoder.downsampling == MaxPool(pool_size=3)
    assert config.model.encoder.normalization.kind == "none"
    assert (config.model.bottleneck.kind, config.model.bottleneck.channels) == ("spatial", 5)
    assert upsampling_of(config) == (ConvTranspose(kernel_size=5), ConvTranspose(kernel_size=4))
    assert config.objective.corruption.kind == "none"
    assert config.training.optimizer == Adam(beta_1=0.5)
    assert config.training.schedule.kind == "constant"


def test_a_number_may_be_written_without_its_point(load):
    config = load("training: {optimizer: {learning_rate: 1}}")
    assert config.training.optimizer.learning_rate == 1.0
    assert type(config.training.optimizer.learning_rate) is float


# --- overrides -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "written",
    ["{kind: conv_transpose, kernel_size: 3}", "{kernel_size: 3}", "resize", "{interpolation: bilinear, kind: resize}"],
)
def test_an_override_of_the_kind_drops_the_keys_of_the_old_kind(load, written):
    text = f"model: {{decoder: {{upsampling: {written}}}}}"
    assert upsampling_of(load(text, "model.decoder.upsampling.kind=max_unpool")) == MaxUnpool()
    assert upsampling_of(load(text, "model.decoder.upsampling=max_unpool")) == MaxUnpool()
    assert upsampling_of(load(text, "model.decoder.upsampling={kind: max_unpool}")) == MaxUnpool()


def test_an_override_of_the_kind_works_where_the_file_says_nothing(load):
    for text in ("", "model: {}", "model: {decoder: {}}"):
        assert upsampling_of(load(text, "model.decoder.upsampling.kind=max_unpool")) == MaxUnpool()


def test_an_override_that_repeats_the_kind_keeps_its_keys(load):
    text = "model: {decoder: {upsampling: {kind: conv_transpose, kernel_size: 3}}}"
    assert upsampling_of(load(text, "model.decoder.upsampling.kind=conv_transpose")) == ConvTranspose(kernel_size=3)
    text = "model: {decoder: {upsampling: {kernel_size: 3}}}"
    assert upsampling_of(load(text, "model.decoder.upsampling.kind=conv_transpose")) == ConvTranspose(kernel_size=3)


def test_an_override_of_one_key_leaves_the_others(load):
    config = load("training: {optimizer: {name: sgd, momentum: 0.9}}", "training.optimizer.learning_rate=0.5")
    assert config.training.optimizer == Sgd(momentum=0.9, learning_rate=0.5)


def test_overrides_mean_the_same_in_any_order(load):
    text = "training: {optimizer: {name: adam, beta_1: 0.5}}"
    name, momentum = "training.optimizer.name=rmsprop", "training.optimizer.momentum=0.9"
    assert load(text, name, momentum).training.optimizer == RmsProp(momentum=0.9)
    assert load(text, momentum, name).training.optimizer == RmsProp(momentum=0.9)
    whole = "training.optimizer={name: sgd, learning_rate: 0.3}"
    assert load(text, whole, momentum).training.optimizer == Sgd(momentum=0.9, learning_rate=0.3)
    assert load(text, momentum, whole).training.optimizer == Sgd(momentum=0.9, learning_rate=0.3)


def test_of_the_same_key_given_twice_the_last_counts(load):
    assert load("seed: 1", "seed=2", "seed=3").seed == 3


def test_a_key_given_within_a_section_is_not_dropped_by_another_override_of_the_choice(problems):
    assert problems("", "training.optimizer={name: sgd, momentum: 0.9}", "training.optimizer.name=adam") == [
        "--set training.optimizer={name: sgd, momentum: 0.9}: training.optimizer.momentum: "
        "momentum has no effect with name: adam; it belongs to sgd, rmsprop and muon"
    ]


def test_an_override_replaces_a_section_as_a_whole(load):
    config = load("objective: {reconstruction: {mse: 1.0, mae: 2.0}}", "objective.reconstruction={bce: 1.0}")
    assert config.objective.reconstruction.weights == {"bce": 1.0}


def test_the_value_of_an_override_is_yaml(load):
    config = load(
        "",
        "training.optimizer.learning_rate=1e-3",
        "model.encoder.filters=[8, 16]",
        "training.early_stopping={patience: 3}",
        "name='2024'",
        "data.image_size=",
        "training.deterministic=true",
        "experiment=a=b",
    )
    assert config.training.optimizer.learning_rate == 0.001
    assert config.model.encoder.filters == (8, 16)
    assert config.training.early_stopping == EarlyStopping(patience=3)
    assert (config.name, config.data.image_size, config.experiment) == ("2024", None, "a=b")
    assert config.training.deterministic is True


def test_an_override_reaches_into_lists_by_index(load):
    text = """
    model: {encoder: {filters: [8, 16, 32]}, decoder: {upsampling: [resize, max_unpool, {kernel_size: 3}]}}
    """
    config = load(
        text,
        "model.encoder.filters.1=24",
        "model.decoder.upsampling.0.interpolation=bilinear",
        "model.decoder.upsampling.1=subpixel",
        "model.decoder.upsampling.2.kind=resize",
    )
    assert config.model.encoder.filters == (8, 24, 32)
    assert upsampling_of(config) == (Resize(interpolation="bilinear"), Subpixel(), Resize())


def test_an_index_reaches_into_a_default_list_too(load):
    assert load("", "model.encoder.filters.0=8").model.encoder.filters == (8, 64)


def test_a_kind_for_a_list_of_kinds_is_refused(problems):
    assert problems("model: {decoder: {upsampling: [resize, resize]}}", "model.decoder.upsampling.kind=max_unpool") == [
        "--set model.decoder.upsampling.kind=max_unpool: model.decoder.upsampling is a list here; "
        "set it as a whole, or one item with model.decoder.upsampling.0 and so on"
    ]


def test_an_index_that_a_list_does_not_have_is_refused(problems):
    assert problems("", "model.encoder.filters.2=8") == [
        "--set model.encoder.filters.2=8: model.encoder.filters has 2 items here, the first with index 0"
    ]
    assert problems("", "model.decoder.upsampling.0.kind=resize") == [
        "--set model.decoder.upsampling.0.kind=resize: model.decoder.upsampling.0: unknown key; "
        "model.decoder.upsampling is not a list"
    ]


def test_early_stopping_can_be_switched_on_and_off(load):
    on = load("training: {early_stopping: null}", "training.early_stopping.patience=3")
    assert on.training.early_stopping == EarlyStopping(patience=3)
    off = load("training: {early_stopping: {patience: 3}}", "training.early_stopping=null")
    assert off.training.early_stopping is None


@pytest.mark.parametrize("override", ["", "=", "=3", "seed", "training..epochs=3", ".seed=3", "seed.=3"])
def test_an_override_without_key_or_value_is_refused(problems, override):
    assert problems("", override) == [
        f"--set {override}: must be KEY=VALUE with a dotted key, for example training.epochs=20"
    ]


def test_overrides_are_reported_with_what_was_typed(problems):
    assert problems("seed: -1", "training.epochs=0", "trainig.epochs=3", "model.encoder.filters=[1, x]", "seed=[") == [
        "a.yaml:1:7: seed: must be an integer from 0 to 2147483647; received -1",
        '--set model.encoder.filters=[1, x]: model.encoder.filters.1: must be an integer of at least 1; received "x"',
        "--set seed=[: not YAML: a value is missing here",
        "--set trainig.epochs=3: trainig: unknown key; did you mean training?",
        "--set training.epochs=0: must be an integer of at least 1 or auto; received 0",
    ]


def test_an_override_inside_a_number_is_reported_as_what_it_makes(problems):
    assert problems("training: {epochs: 3}", "training.epochs.x=3") == [
        "--set training.epochs.x=3: training.epochs: must be an integer of at least 1 or auto; received {x: 3}"
    ]


# --- extends ---------------------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Write files by name into folders that are made as needed; the current folder is above them."""
    monkeypatch.chdir(tmp_path)

    def write(**texts):
        for name, text in texts.items():
            path = Path(*name.split("__")).with_suffix(".yaml")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    return write


def test_a_file_extends_another_key_by_key(files):
    files(
        base="seed: 1\nmodel: {encoder: {filters: [8, 16], kernel_size: 5}}",
        variant="extends: base.yaml\nmodel: {encoder: {filters: [4]}}\nname: variant",
    )
    config = load_config("variant.yaml")
    assert (config.seed, config.name) == (1, "variant")
    assert config.model.encoder.filters == (4,)
    assert config.model.encoder.kernel_size == 5


def test_files_extend_each_other_in_a_chain_through_folders(files):
    files(
        a="extends: sub/b.yaml\nseed: 3",
        sub__b="extends: ../c.yaml\nseed: 2\nname: b",
        c="extends: null\nseed: 1\nname: c\nexperiment: c",
    )
    config = load_config("a.yaml")
    assert (config.seed, config.name, config.experiment) == (3, "b", "c")


def test_an_extending_file_that_changes_the_kind_drops_the_old_kinds_keys(files):
    files(
        base="""
model: {decoder: {upsampling: {kind: conv_transpose, kernel_size: 3}}}
training: {optimizer: {name: adam, learning_rate: 0.5, beta_1: 0.5}}
""",
        same="extends: base.yaml\nmodel: {decoder: {upsampling: conv_transpose}}\ntraining: {optimizer: {beta_2: 0.9}}",
        other="extends: base.yaml\nmodel: {decoder: {upsampling: {kind: resize, interpolation: bilinear}}}\n"
        "training: {optimizer: sgd}",
    )
    same, other = load_config("same.yaml"), load_config("other.yaml")
    assert upsampling_of(same) == ConvTranspose(kernel_size=3)
    assert same.training.optimizer == Adam(learning_rate=0.5, beta_1=0.5, beta_2=0.9)
    assert upsampling_of(other) == Resize(interpolation="bilinear")
    assert other.training.optimizer == Sgd()


def test_another_source_keeps_what_every_source_has(files):
    files(
        base="data: {source: image_folder, path: pictures, image_size: [8, 9], fit: crop, max_pixels: 5, channels: 1}",
        variant="extends: base.yaml\ndata: {source: arrays, path: a.npz, array: x}",
    )
    data = load_config("variant.yaml").data
    assert (data.source, data.image_size, data.channels, data.array) == ("arrays", (8, 9), 1, "x")
    data = load_config("base.yaml", ["data.source=idx"]).data
    assert (data.source, data.image_size, data.path) == ("idx", (8, 9), os.path.abspath("pictures"))


def test_lists_are_replaced(files):
    files(
        base="model: {encoder: {filters: [8, 16]}, decoder: {upsampling: [resize, {kernel_size: 3}]}}",
        variant="extends: base.yaml\nmodel: {decoder: {upsampling: [max_unpool, subpixel]}}",
        one="extends: base.yaml\nmodel: {decoder: {upsampling: {kind: resize}}}",
    )
    assert upsampling_of(load_config("variant.yaml")) == (MaxUnpool(), Subpixel())
    assert upsampling_of(load_config("one.yaml")) == Resize()


def test_a_problem_in_an_extended_file_names_that_file(files, tmp_path):
    files(sub__base="seed: x\nmodel:\n  encodr: {}", variant="extends: sub/base.yaml\nnam: y")
    with pytest.raises(ConfigError) as caught:
        load_config("variant.yaml", ["training.epochs=0"])
    assert str(caught.value).splitlines() == [
        'sub/base.yaml:1:7: seed: must be an integer from 0 to 2147483647; received "x"',
        "sub/base.yaml:3:3: model.encodr: unknown key; did you mean encoder?",
        "variant.yaml:2:1: nam: unknown key; did you mean name?",
        "--set training.epochs=0: must be an integer of at least 1 or auto; received 0",
    ]


def test_circles_of_files_are_refused(files):
    files(a="extends: b.yaml", b="seed: 1\nextends: sub/../a.yaml", own="extends: own.yaml")
    with pytest.raises(ConfigError) as caught:
        load_config("a.yaml")
    assert str(caught.value) == "b.yaml:2:10: extends: a.yaml -> b.yaml -> a.yaml goes in a circle"
    with pytest.raises(ConfigError, match=r"own.yaml:1:10: extends: own.yaml -> own.yaml goes in a circle"):
        load_config("own.yaml")


def test_a_chain_that_is_too_long_is_refused(files):
    files(**{f"f{number}": f"extends: f{number + 1}.yaml" for number in range(20)})
    with pytest.raises(ConfigError, match="goes in a circle"):
        load_config("f0.yaml")


@pytest.mark.parametrize("value", ["3", "[base.yaml]", "''", "{a: b}", "true"])
def test_extends_must_name_a_file(problems, value):
    (line,) = problems(f"extends: {value}")
    assert line.startswith("a.yaml:1:10: extends: must be the name of a file; received ")


def test_an_extended_file_that_is_missing_is_reported_where_it_is_named(files):
    files(configs__base="", configs__a="seed: x\nextends: bas.yaml")
    with pytest.raises(ConfigError) as caught:
        load_config("configs/a.yaml")
    assert str(caught.value).splitlines() == [
        'configs/a.yaml:1:7: seed: must be an integer from 0 to 2147483647; received "x"',
        "configs/a.yaml:2:10: extends: configs/bas.yaml: no such file; did you mean configs/base.yaml?",
    ]


# --- files -----------------------------------------------------------------------------------------------


def message_for(path):
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    return str(caught.value)


def test_a_missing_file_is_reported_with_near_names(files):
    files(configs__quickstart="", configs__other="", local="")
    assert message_for("configs/quikstart.yaml") == (
        "configs/quikstart.yaml: no such file; did you mean configs/quickstart.yaml?"
    )
    assert message_for("configs/quickstart") == (
        "configs/quickstart: no such file; did you mean configs/quickstart.yaml?"
    )
    assert message_for("quickstart.yaml") == "quickstart.yaml: no such file; did you mean configs/quickstart.yaml?"
    assert message_for(Path("configs", "zzz")) == (
        "configs/zzz: no such file; there is configs/other.yaml, configs/quickstart.yaml"
    )
    assert message_for("config/quickstart.yaml") == ("config/quickstart.yaml: no such file; there is no folder config")


def test_a_missing_file_in_an_empty_folder_is_just_missing(files):
    assert message_for("a.yaml") == "a.yaml: no such file"


def test_a_folder_is_no_configuration(files):
    files(configs__quickstart="")
    assert message_for("configs") == "configs: a folder; name a file; there is configs/quickstart.yaml"


def test_what_cannot_be_a_name_is_reported(files):
    assert message_for("a\0b") == "a\\x00b: cannot be read: no name of a file"
    assert message_for("x" * 5000).endswith("cannot be read: File name too long")


def test_what_the_system_refuses_is_reported_in_its_words(files):
    files(a="")
    assert message_for("a.yaml/b.yaml").startswith("a.yaml/b.yaml: cannot be read: Not a directory")


@pytest.mark.parametrize(("text", "shown"), [("- a\n- b", '["a", "b"]'), ("hello", '"hello"'), ("3", "3")])
def test_the_top_must_be_a_mapping(problems, text, shown):
    assert problems(text) == [
        f"a.yaml:1:1: must be a mapping, with keys such as data, model and training; received {shown}"
    ]


def test_what_cannot_be_read_is_the_only_thing_reported_of_a_file(problems):
    assert problems("seeed: 1\nmodel: [", "training.epoch=1") == ["a.yaml:2:9: not YAML: a value is missing here"]


# --- paths of images -------------------------------------------------------------------------------------


def test_paths_of_images_start_from_the_file_that_states_them(files, tmp_path):
    files(
        base__base="data: {source: image_folder, path: pictures, test_path: ../test}",
        sub__variant="extends: ../base/base.yaml\ndata: {test_path: other}",
    )
    data = load_config("sub/variant.yaml").data
    assert data.path == str(tmp_path / "base" / "pictures")
    assert data.test_path == str(tmp_path / "sub" / "other")
    assert load_config("base/base.yaml").data.test_path == str(tmp_path / "test")


def test_paths_of_overrides_start_from_the_current_folder(files, tmp_path):
    files(sub__a="data: {source: arrays, path: x.npy}")
    assert load_config("sub/a.yaml").data.path == str(tmp_path / "sub" / "x.npy")
    assert load_config("sub/a.yaml", ["data.path=y.npy"]).data.path == str(tmp_path / "y.npy")
    data = load_config("sub/a.yaml", ["data={source: idx, path: z, test_path: /t}", "data.validation_path=v"]).data
    assert (data.path, data.test_path, data.validation_path) == (str(tmp_path / "z"), "/t", str(tmp_path / "v"))


def test_a_tilde_is_the_home_folder(load, monkeypatch):
    monkeypatch.setenv("HOME", "/somewhere")
    assert load("data: {source: idx, path: ~/images}").data.path == "/somewhere/images"


def test_paths_within_a_grid_start_from_the_file_too(load, tmp_path):
    text = "data: {source: idx}\ngrid: {data.path: [a, /b], data: [{source: idx, path: c}]}"
    grid = load(text).grid
    assert grid["data.path"] == (str(tmp_path / "a"), "/b")
    assert grid["data"] == ({"source": "idx", "path": str(tmp_path / "c")},)


def test_an_empty_path_is_refused(problems):
    assert problems("data: {source: idx, path: ''}") == [
        'a.yaml:1:27: data.path: must be the path of a file or folder, or null; received ""'
    ]
