"""Layers that make pictures smaller and larger: complete Keras layers that know nothing of configurations.

Images are (batch, height, width, channels). Every enlarging layer can restore an exact `output_size`,
so that odd sizes come back.
"""

from cae.layers.blur import Blur2D
from cae.layers.carafe import Carafe2D
from cae.layers.conv_transpose import Conv2DTransposeToSize, TiedConv2DTranspose
from cae.layers.divisive_normalization import DivisiveNormalization2D
from cae.layers.dysample import DySample2D
from cae.layers.haar import HaarTransform2D, InverseHaarTransform2D
from cae.layers.indices import IndexedPooling2D, IndexedUnpooling2D
from cae.layers.reflect_conv import ReflectConv2D
from cae.layers.resize import BilinearAdditive2D, Resize2D
from cae.layers.resize_initializer import ResizeInitializer
from cae.layers.sub_pixels import (
    DepthToSpace2D,
    DuplicateToSpace2D,
    ICNRInitializer,
    SpaceToChannelMean2D,
    SpaceToDepth2D,
)
from cae.layers.switches import FixedUnpooling2D, MaxPooling2DWithSwitches, MaxUnpooling2D

__all__ = [
    "BilinearAdditive2D",
    "Blur2D",
    "Carafe2D",
    "Conv2DTransposeToSize",
    "DepthToSpace2D",
    "DivisiveNormalization2D",
    "DuplicateToSpace2D",
    "DySample2D",
    "FixedUnpooling2D",
    "HaarTransform2D",
    "ICNRInitializer",
    "IndexedPooling2D",
    "IndexedUnpooling2D",
    "InverseHaarTransform2D",
    "MaxPooling2DWithSwitches",
    "MaxUnpooling2D",
    "ReflectConv2D",
    "Resize2D",
    "ResizeInitializer",
    "SpaceToChannelMean2D",
    "SpaceToDepth2D",
    "TiedConv2DTranspose",
]
