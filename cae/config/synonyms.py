"""What other libraries and papers call the things that a configuration names."""

from __future__ import annotations

import re

# From words without their capitals, hyphens and underscores to the word here; the first one that fits the place counts.
_VALUES: dict[str, tuple[str, ...]] = {
    "subpixel": ("pixelshuffle", "subpixelconv", "depthtospace", "espcn", "shuffle", "periodicshuffle", "icnr"),
    "resize": ("upsample", "upsampling2d", "upsampling", "interpolate", "interpolation", "resizing", "resizeconv"),
    "conv_transpose": (
        *("deconv", "deconv2d", "deconvolution", "transpose", "transposed", "transposedconv", "transposedconvolution"),
        *("convtranspose2d", "conv2dtranspose", "convtranspose2d", "fractionallystridedconv", "convt", "tconv"),
    ),
    "max_unpool": ("unpool", "unpooling", "maxunpool2d", "maxunpooling", "segnet", "deconvnet", "switches"),
    "fixed_unpool": ("zeroinsertion", "bedofnails", "unpoolfixed"),
    "learned_indices": ("indexnet", "indexing", "indexpool", "indexunpool", "learnedindex", "softpool"),
    "bilinear_additive": ("additive", "biladd", "bilinearadd"),
    "max_pool": ("maxpooling", "maxpooling2d", "maxpool2d", "max"),
    "average_pool": ("avgpool", "averagepooling", "averagepooling2d", "avgpool2d", "avg", "mean", "average"),
    "strided_conv": ("stride", "strides", "strided", "stridedconvolution", "conv", "convolution"),
    "spatial": ("conv1x1", "convolutional", "1x1", "map"),
    "dense": ("linear", "fc", "fullyconnected", "flat", "flatten", "mlp", "vector"),
    "batch": ("bn", "batchnorm", "batchnormalization", "batchnorm2d"),
    "group": ("gn", "groupnorm", "groupnormalization"),
    "layer": ("ln", "layernorm", "layernormalization"),
    "none": ("null", "off", "no", "nothing", "identity", "false"),
    "leaky_relu": ("lrelu", "leaky"),
    "silu": ("swish",),
    "linear": ("none", "identity"),
    "sigmoid": ("logistic",),
    "adamw": ("adamweightdecay",),
    "sgd": ("gd", "gradientdescent", "sgdm", "momentum"),
    "cosine": ("cosineannealing", "cosinedecay", "cosineannealinglr", "coswarmup", "warmupcosine"),
    "plateau": ("reducelronplateau", "reduceonplateau", "onplateau"),
    "exponential": ("exponentialdecay", "exponentiallr", "exp"),
    "step": ("steplr", "multistep", "stepdecay", "piecewise"),
    "mixed_float16": ("fp16", "float16", "half", "amp", "16", "16mixed"),
    "mixed_bfloat16": ("bf16", "bfloat16", "bf16mixed"),
    "float32": ("fp32", "single", "full", "32"),
    "mirrored": ("ddp", "dp", "multigpu", "gpus", "dataparallel"),
    "multi_worker": ("distributed", "multinode", "slurm", "horovod", "multiworkermirrored"),
    "one_device": ("single", "cpu", "gpu", "onedevice"),
    "gaussian": ("noise", "normal", "white", "awgn"),
    "salt_and_pepper": ("impulse", "saltpepper", "sp"),
    "masked_patches": ("mask", "masking", "mae", "cutout", "patches"),
    "1": ("gray", "grey", "grayscale", "greyscale", "l", "mono"),
    "3": ("rgb", "color", "colour"),
    "mse": ("l2", "meansquarederror", "squared"),
    "mae": ("l1", "meanabsoluteerror", "absolute"),
    "bce": ("binarycrossentropy", "crossentropy"),
    "image_folder": ("folder", "images", "directory", "dir", "files", "photos", "imagedirectory"),
    "arrays": ("npy", "npz", "numpy", "h5", "hdf5", "array"),
    "tfrecord": ("tfrecords", "records", "shards"),
    "idx": ("ubyte", "idxubyte"),
    "cifar10": ("cifar",),
    "fashion_mnist": ("fashion",),
    "litert": ("tflite", "tensorflowlite", "lite"),
    "savedmodel": ("saved", "tf", "pb", "tensorflow", "servable"),
    "saved_model": ("savedmodel", "saved", "tf", "pb", "tensorflow", "servable"),
    "keras": ("h5", "hdf5"),
    "onnx": ("onnxruntime", "torch", "pytorch"),
}
MEANT: dict[str, list[str]] = {}
for _word, _others in _VALUES.items():
    for _other in _others:
        MEANT.setdefault(_other, []).append(_word)

# From keys, spelt likewise, to dotted keys here.
_KEYS: dict[str, tuple[str, ...]] = {
    "training.optimizer.learning_rate": ("lr", "learningrate", "baselr", "initiallr", "maxlr", "rate", "alpha"),
    "training.optimizer.weight_decay": ("wd", "l2", "decay"),
    "training.optimizer": ("opt", "optim", "optimiser"),
    "training.schedule": ("scheduler", "lrschedule", "lrscheduler", "lrdecay"),
    "training.schedule.warmup_epochs": ("warmup", "warmupsteps"),
    "training.epochs": ("nepochs", "numepochs", "epoch", "maxepochs", "nepoch", "iterations"),
    "training.steps": ("maxsteps", "nsteps", "numsteps", "iters", "maxiter"),
    "training.batch_size": ("bs", "batch", "batchsize", "minibatch"),
    "training.global_clipnorm": ("clip", "clipnorm", "gradclip", "clipgrad", "gradientclipping", "maxgradnorm"),
    "training.ema.momentum": ("emadecay", "emamomentum", "useema", "swa", "weightaverage"),
    "training.precision": ("amp", "fp16", "mixedprecision", "dtype"),
    "training.early_stopping.patience": ("earlystop", "earlystoppingpatience"),
    "training.start_from": ("pretrained", "initfrom", "finetune", "weights", "checkpoint", "loadfrom"),
    "training.strategy": ("device", "devices", "gpus", "distributed", "ngpus"),
    "training.deterministic": ("reproducible", "determinism"),
    "objective.reconstruction": ("loss", "lossfn", "lossfunction", "criterion", "losses"),
    "objective.corruption": ("noise", "denoising", "denoise", "corrupt"),
    "objective.latent_l1": ("sparsity", "sparse", "l1"),
    "model.bottleneck": ("latent", "code"),
    "model.bottleneck.units": (
        "latentdim",
        "latentsize",
        "codesize",
        "codedim",
        "zdim",
        "embeddingdim",
        "bottlenecksize",
    ),
    "model.decoder.upsampling": ("upsample", "upsampler", "up", "unpooling", "unpool"),
    "model.encoder.downsampling": ("downsample", "pool", "pooling", "down"),
    "model.encoder.filters": ("channels", "numfilters", "nfilters", "features", "hiddendims", "depth"),
    "model.encoder.normalization": ("norm", "bn", "batchnorm"),
    "model.encoder.activation": ("act", "activationfn", "nonlinearity"),
    "model.encoder.dropout": ("dropoutrate", "pdrop"),
    "data.source": ("dataset", "datasetname"),
    "data.path": ("datadir", "datapath", "root", "dir", "folder", "images", "input", "imagedir"),
    "data.image_size": ("size", "imgsize", "imagesize", "resolution", "inputsize", "inputshape", "crop"),
    "data.validation_fraction": ("valsplit", "validationsplit", "val", "valfraction"),
    "data.test_fraction": ("testsplit", "testsize"),
    "data.augmentation": ("augment", "aug", "transforms", "transform"),
    "experiment": ("project", "exp", "experimentname"),
    "name": ("runname", "run"),
    "seed": ("randomseed", "randomstate"),
}
KEYS = {other: key for key, others in _KEYS.items() for other in others}

# What makes a section's choice elsewhere; here that is `kind`, `name` or `source`.
CHOICE_KEYS = {"type", "kind", "name", "class", "classname", "method", "mode"}

# What there is none of here, and why.
EXPLAINED = {
    "unet": "a U-Net's skip connections would carry the image past the code; of what bypasses it max_unpool has least,"
    " the switches",
    "vae": "this program trains plain autoencoders; a small code or latent_l1 bounds what passes",
    "gan": "this program trains with reconstruction losses only",
}


def letters(word: str) -> str:
    """Spell a word as the tables here do.

    >>> letters("Conv2D-Transpose")
    'conv2dtranspose'
    """
    return re.sub("[^a-z0-9]", "", word.lower())
