"""The same seed twice: the same bits with `deterministic`, and the same start and order of images without."""

import hashlib

import numpy as np
import pytest

from cae.config import load_config
from cae.data.load import load_splits
from cae.data.pipeline import make_training_batches
from cae.model import build_autoencoder
from cae.plan import make_plan
from tests.conftest import make_images
from tests.faults.runs import metrics, weights
from tests.warm import WarmProcess, run_warm

# Every kind of upsampling in one model, and everything that draws random numbers.
CONFIG = """
data: {{source: arrays, path: {images}, augmentation: {{horizontal_flip: true, random_crop: 2}}}}
seed: 7
model:
  encoder: {{filters: [4, 4, 8, 8, 8, 8, 8, 8, 8], dropout: 0.1, normalization: batch, activation: gelu}}
  bottleneck: {{kind: dense, units: 8}}
  decoder:
    upsampling:
      - {{kind: subpixel, blur: true}}
      - max_unpool
      - conv_transpose
      - fixed_unpool
      - bilinear_additive
      - {{kind: carafe, compressed_channels: 8}}
      - {{kind: dysample, dynamic_scope: true, groups: 2}}
      - haar
      - resize
objective: {{reconstruction: {{mse: 1.0, ssim: 0.1}}, corruption: {{kind: salt_and_pepper, fraction: 0.1}}}}
training: {{epochs: 2, batch_size: 4, deterministic: true}}
logging: {{tensorboard: false}}
"""

START = """
import hashlib, sys
from cae.engine import start_engine
start_engine()
from tests.training.test_determinism import digest_of_start
print(digest_of_start(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp("determinism")
    np.save(folder / "pictures.npy", make_images(10, 261, 259))
    path = folder / "config.yaml"
    path.write_text(CONFIG.format(images=folder / "pictures.npy"))
    return path


def digest_of_start(path):
    """Digest of a run's first weights and of its first seven batches."""
    config = load_config(path)
    splits = load_splits(config.data)
    model = build_autoencoder(make_plan(config.model, splits.image_shape), seed=config.seed).model
    batches = iter(make_training_batches(splits.train, 16, seed=config.seed, augmentation=config.data.augmentation))
    content = [weight.tobytes() for weight in model.get_weights()] + [next(batches).numpy().tobytes() for _ in range(7)]
    return hashlib.sha256(b"".join(content)).hexdigest()


def test_two_processes_give_the_same_bits_with_every_kind_of_upsampling(config, run_command, tmp_path):
    process = WarmProcess("train.py", config, "--runs-dir", tmp_path / "other")
    code, _, err = run_command("train", config, "--runs-dir", tmp_path / "one")
    assert code == 0, err
    _, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    one, other = (tmp_path / name / "default" / "run" for name in ("one", "other"))
    assert metrics(one) == metrics(other)
    mine, its = weights(one), weights(other)
    assert mine.keys() == its.keys()
    assert len(mine) > 20
    for name, values in mine.items():
        assert values.tobytes() == its[name].tobytes(), name


def test_the_seed_fixes_first_weights_and_batches_in_every_process_without_deterministic_mode(config, tmp_path):
    code, out, err = run_warm("-c", START, config)
    assert code == 0, err
    assert out.split()[-1] == digest_of_start(config)
    other = tmp_path / "other.yaml"
    other.write_text(config.read_text().replace("seed: 7", "seed: 8"))
    assert digest_of_start(other) != digest_of_start(config)
