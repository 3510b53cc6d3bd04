"""What `import cae` offers: the commands, with objects in the place of files and exceptions in that of exit codes."""

from cae.api.run import Run, TrainingResult
from cae.api.trained import evaluate, load
from cae.api.training import train

__all__ = ["Run", "TrainingResult", "evaluate", "load", "train"]
