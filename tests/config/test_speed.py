import json
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import json, sys, time
from cae.config import ConfigError, RunConfig, expand_grid, load_config, save_config
try:
    load_config(sys.argv[1], ["training.epochs=0"])
except ConfigError as error:
    problems = str(error).splitlines()
foreign = sorted({name.split(".")[0] for name in sys.modules} & {"tensorflow", "keras", "numpy", "h5py", "PIL"})
print(json.dumps({"problems": len(problems), "foreign": foreign, "seconds": time.process_time()}))
"""


def test_a_wrong_configuration_is_reported_in_under_a_second_and_without_tensorflow(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("".join(f"key_{number}: 1\n" for number in range(40)) + "model: {decoder: {upsamplng: resize}}\n")
    output = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    found = json.loads(output)
    assert found["problems"] == 42
    assert found["foreign"] == []
    # Of the processor's time, start of the interpreter included, so that other programs do not matter.
    assert found["seconds"] < 1.0
