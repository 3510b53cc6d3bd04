"""Files as they lie on the disk: arrays, IDX, encoded images and folders of them, TFRecord shards."""
