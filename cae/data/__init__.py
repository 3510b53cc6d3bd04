"""Image sets: where images come from, how they are split, and the streams of batches made of them.

`load_splits` (`cae.data.load`) reads a `data` section into three image sets; `cae.data.pipeline` makes batches of them.
`sources/` has a module for each source, `formats/` reads files as they lie on the disk, and `cae.data.preparing` writes
image folders as shards. Everything but the pipeline, downloads and the writing of shards works without TensorFlow.
"""
