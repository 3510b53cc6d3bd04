"""The kinds that a configuration chooses from; whatever lists kinds reads them here."""

from __future__ import annotations

from cae.kinds.bilinear_additive import BilinearAdditive
from cae.kinds.bottleneck import BottleneckKind, DenseBottleneck, NoBottleneck, SpatialBottleneck
from cae.kinds.conv_transpose import ConvTranspose
from cae.kinds.downsampling import AveragePool, DownsamplingKind, MaxPool, SpaceToDepthKind, StridedConv
from cae.kinds.fixed_unpool import FixedUnpool
from cae.kinds.linear_path import BlockLinearPath, GlobalLinearPath, LinearPathKind, NoLinearPath
from cae.kinds.max_unpool import MaxUnpool
from cae.kinds.normalization import (
    BatchNormalization,
    DivisiveNormalization,
    GroupNormalization,
    LayerNormalization,
    NoNormalization,
    NormalizationKind,
)
from cae.kinds.resize import Resize
from cae.kinds.subpixel import Subpixel
from cae.kinds.upsampling import UpsamplingKind

UPSAMPLINGS: list[type[UpsamplingKind]] = [Resize, MaxUnpool, FixedUnpool, ConvTranspose, Subpixel, BilinearAdditive]
DOWNSAMPLINGS: list[type[DownsamplingKind]] = [MaxPool, AveragePool, StridedConv, SpaceToDepthKind]
BOTTLENECKS: list[type[BottleneckKind]] = [NoBottleneck, SpatialBottleneck, DenseBottleneck]
NORMALIZATIONS: list[type[NormalizationKind]] = [
    *(NoNormalization, BatchNormalization, LayerNormalization, GroupNormalization, DivisiveNormalization)
]
LINEAR_PATHS: list[type[LinearPathKind]] = [NoLinearPath, BlockLinearPath, GlobalLinearPath]


def upsampling_variants() -> list[UpsamplingKind]:
    """Each kind of upsampling, once for each function that its options make it.

    Example:
        >>> [upsampling.label for upsampling in upsampling_variants()][:2]
        ['resize nearest', 'resize bilinear']
    """
    return [kind.model_validate(options) for kind in UPSAMPLINGS for options in kind.variants]
