"""Per-image measures of how close reconstructions are to their images, in TensorFlow."""

from cae.metrics.ms_ssim import MS_SSIM_MINIMUM_SIDE, ms_ssim_per_image
from cae.metrics.pixel_errors import PSNR_CAP, mae_per_image, mse_per_image, psnr_from_mse
from cae.metrics.quality import quality_per_image
from cae.metrics.ssim import ssim_per_image

__all__ = [
    "MS_SSIM_MINIMUM_SIDE",
    "PSNR_CAP",
    "mae_per_image",
    "ms_ssim_per_image",
    "mse_per_image",
    "psnr_from_mse",
    "quality_per_image",
    "ssim_per_image",
]
