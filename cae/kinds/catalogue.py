"""The kinds that a configuration chooses from; whatever lists kinds reads them here."""

from __future__ import annotations

from cae.kinds.bottleneck import BottleneckKind, DenseBottleneck, NoBottleneck, SpatialBottleneck
from cae.kinds.downsampling import (
    AveragePool,
    DownsamplingKind,
    HaarKind,
    LearnedIndicesKind,
    MaxPool,
    SpaceToDepthKind,
    StridedConv,
)
from cae.kinds.linear_path import BlockLinearPath, GlobalLinearPath, LinearPathKind, NoLinearPath
from cae.kinds.normalization import (
    BatchNormalization,
    DivisiveNormalization,
    GroupNormalization,
    LayerNormalization,
    NoNormalization,
    NormalizationKind,
)
from cae.kinds.upsampling import UpsamplingKind
from cae.kinds.upsampling.bilinear_additive import BilinearAdditive
from cae.kinds.upsampling.carafe import Carafe
from cae.kinds.upsampling.conv_transpose import ConvTranspose
from cae.kinds.upsampling.dysample import DySample
from cae.kinds.upsampling.fixed_unpool import FixedUnpool
from cae.kinds.upsampling.haar import Haar
from cae.kinds.upsampling.learned_indices import LearnedIndices
from cae.kinds.upsampling.max_unpool import MaxUnpool
from cae.kinds.upsampling.resize import Resize
from cae.kinds.upsampling.subpixel import Subpixel

UPSAMPLINGS: list[type[UpsamplingKind]] = [
    *(Resize, MaxUnpool, FixedUnpool, ConvTranspose, Subpixel, BilinearAdditive),
    *(Carafe, DySample, Haar, LearnedIndices),
]
DOWNSAMPLINGS: list[type[DownsamplingKind]] = [
    *(MaxPool, AveragePool, StridedConv, SpaceToDepthKind, HaarKind, LearnedIndicesKind)
]
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
