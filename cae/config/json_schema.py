"""The JSON schema of configuration files, with which editors complete keys and mark mistakes.

`python -m cae.config.json_schema > configs/schema.json` brings the committed file up to date.
"""

from __future__ import annotations

import json
from typing import Any

from cae.config.shape import root_shape


def make_schema() -> dict[str, Any]:
    """Return the schema of a configuration file (JSON Schema 2020-12).

    It knows every key with its type, limits, default and a sentence, the short forms (`max_pool` for
    `{kind: max_pool}`) and `extends`. It does not know what must hold between keys.

    >>> make_schema()["properties"]["seed"]["description"]
    'Fixes initial weights, data order, splits and noise.'
    """
    schema = root_shape().schema
    extends = {
        "type": ["string", "null"],
        "default": None,
        "description": "A file whose keys hold where this one is silent; relative to this file.",
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of a training run",
        **schema,
        "properties": {"extends": extends, **schema["properties"]},
    }


if __name__ == "__main__":
    print(json.dumps(make_schema(), indent=2))
