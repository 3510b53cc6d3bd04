import os
import stat

import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cae.config import RunConfig, load_config, save_config
from cae.config.run import why_not_a_folder
from cae.errors import UserError

positive = st.floats(1e-300, 1e300)
share = st.floats(0.001, 0.999)
folder_names = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._=,+-]{0,30}", fullmatch=True) | st.sampled_from(
    ["null", "yes", "1e3", "0o17", "0x1F", "1_000", "010", "12", "1.", "True", "2024-01-01", "y", "1" * 128]
)
paths = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1).map(
    lambda text: os.path.abspath(f"/{text}")
)


def section(**keys):
    """Mappings in which each key is stated or left out."""
    return st.fixed_dictionaries({}, optional=keys)


def choice(kind, by="kind", **keys):
    return st.fixed_dictionaries({by: st.just(kind)}, optional=keys)


upsampling = (
    st.sampled_from(["max_unpool", "fixed_unpool", "subpixel", "bilinear_additive", "resize", "conv_transpose"])
    | choice("resize", interpolation=st.sampled_from(["nearest", "bicubic", "lanczos3"]))
    | choice("conv_transpose", kernel_size=st.integers(1, 31))
)
common_data = {
    "image_size": st.lists(st.integers(170, 999), min_size=2, max_size=2),
    "channels": st.sampled_from([1, 3]),
}
configurations = section(
    experiment=folder_names,
    name=folder_names,
    seed=st.integers(0, 2**31 - 1),
    data=choice("mnist", "source", path=paths | st.none(), **common_data)
    | choice("bundled", "source", validation_fraction=share)
    | st.fixed_dictionaries({"source": st.just("idx"), "path": paths}, optional={"test_path": paths, **common_data})
    | st.fixed_dictionaries(
        {"source": st.just("image_folder"), "path": paths},
        optional={"background": st.lists(st.integers(0, 255), min_size=3, max_size=3), "test_fraction": share},
    )
    | st.fixed_dictionaries(
        {"source": st.just("tfrecord"), "path": paths},
        optional={"cache": st.sampled_from(["none", "memory", "disk"]), **common_data},
    ),
    model=section(
        encoder=section(
            normalization=st.sampled_from(["none", "batch"]) | choice("group", groups=st.sampled_from([1, 2, 4])),
            downsampling=section(pool_size=st.just(2)),
            dropout=st.floats(0, 0.99),
        ),
        bottleneck=st.just("none")
        | choice("dense", units=st.integers(1, 10**6))
        | section(channels=st.integers(1, 99)),
        decoder=section(upsampling=upsampling | st.lists(upsampling, min_size=2, max_size=2)),
    ),
    objective=section(
        reconstruction=st.dictionaries(st.sampled_from(["mse", "mae", "bce", "huber", "ssim"]), positive, min_size=1),
        corruption=st.just("gaussian") | choice("salt_and_pepper", fraction=share),
        latent_l1=positive,
    ),
    training=section(
        optimizer=st.just("rmsprop") | choice("sgd", "name", learning_rate=positive) | section(epsilon=positive),
        schedule=st.just("cosine") | choice("step", factor=share),
        early_stopping=st.none() | section(patience=st.integers(1, 10**9), min_delta=positive),
        xla=st.just("auto") | st.booleans(),
    ),
    logging=section(
        image_epochs=st.just("auto") | st.integers(1, 99) | st.lists(st.integers(1, 2**31 - 1), min_size=1)
    ),
    grid=st.dictionaries(st.just("seed"), st.lists(st.integers(0, 99), min_size=1, max_size=5, unique=True)),
)


@settings(max_examples=100, deadline=None, database=None)
@given(configurations)
def test_what_is_saved_is_loaded_as_an_equal_configuration(tmp_path_factory, raw):
    config = RunConfig.model_validate(raw)
    assume(not why_not_a_folder(config.experiment) and not why_not_a_folder(config.name))
    path = tmp_path_factory.mktemp("saved") / "config.yaml"
    save_config(config, path)
    loaded = load_config(path)
    assert loaded == config
    assert type(loaded.model.decoder.upsampling) is type(config.model.decoder.upsampling)


def test_a_saved_file_states_every_key_in_the_order_of_the_sections(tmp_path):
    save_config(RunConfig(), tmp_path / "config.yaml")
    raw = yaml.safe_load((tmp_path / "config.yaml").read_text())
    assert list(raw) == list(RunConfig.model_fields)
    optimizer = ["name", "learning_rate", "weight_decay", "beta_1", "beta_2", "epsilon"]
    assert list(raw["training"]["optimizer"]) == optimizer
    assert next(iter(raw["data"])) == "source"


def test_a_saved_file_has_short_lists_in_one_line(tmp_path):
    config = RunConfig.model_validate(
        {"model": {"encoder": {"filters": [8, 16]}, "decoder": {"upsampling": ["resize"] * 2}}}
    )
    save_config(config, tmp_path / "config.yaml")
    lines = (tmp_path / "config.yaml").read_text().splitlines()
    assert "    filters: [8, 16]" in lines
    assert lines.count("    - kind: resize") == 2


def test_text_that_looks_like_something_else_is_quoted_for_readers_of_either_yaml(tmp_path):
    for name in ("1e3", "0o17", "no", "010", "null", "1_000"):
        save_config(RunConfig(name=name), tmp_path / "config.yaml")
        assert f"name: '{name}'" in (tmp_path / "config.yaml").read_text().splitlines()


def test_saving_replaces_the_file_and_leaves_nothing_else(tmp_path):
    for seed in (1, 2):
        save_config(RunConfig(seed=seed), tmp_path / "config.yaml")
    assert load_config(tmp_path / "config.yaml").seed == 2
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE((tmp_path / "config.yaml").stat().st_mode) == 0o666 & ~umask


def test_a_file_that_cannot_be_written_is_the_users_to_mend(tmp_path):
    with pytest.raises(
        UserError, match=r"config\.yaml: the configuration cannot be written: No such file or directory"
    ):
        save_config(RunConfig(), tmp_path / "missing" / "config.yaml")
