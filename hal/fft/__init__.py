"""The Fourier transform extension of the Python Array API standard."""

from hal.fft.frequencies import fftfreq, fftshift, ifftshift, rfftfreq
from hal.fft.real import hfft, ihfft, irfft, irfftn, rfft, rfftn
from hal.fft.transforms import fft, fftn, ifft, ifftn

__all__ = [
    "fft",
    "fftfreq",
    "fftn",
    "fftshift",
    "hfft",
    "ifft",
    "ifftn",
    "ifftshift",
    "ihfft",
    "irfft",
    "irfftn",
    "rfft",
    "rfftfreq",
    "rfftn",
]
