"""What a picture viewer should see: light, HDR to SDR, and other primaries to those of sRGB.

A viewer takes our pictures for sRGB: BT.709 primaries, D65, the curve of IEC 61966-2-1. Video that
is meant otherwise is converted after scaling, in linear light, in these steps::

    R'G'B' --curve--> light --HLG: OOTF--> --HDR: BT.2390--> --primaries--> --gamut--> sRGB curve

**SDR.** Its curve is taken to be sRGB's, both ways, because a viewer applies that one to our codes
whatever curve the video names. So greys never change, and video with BT.709 primaries, or none
named, is not touched at all.

**PQ** (SMPTE ST 2084) is light in cd/m2. **HLG** (BT.2100) is scene light; the OOTF of a display of
1000 cd/m2 (gamma 1.2) makes it light. Diffuse white, 203 cd/m2 in both (BT.2408), is the brightest
the result can show: light up to there is kept where the roll-off leaves it alone.

**Roll-off.** The EETF of BT.2390 (section 5.4.1), which works on PQ codes: from the peak of the
content to 203 cd/m2, black to black. It is evaluated for the largest of R, G, B and all three are
multiplied by the same factor, so chromaticity stays as it is and no channel is clipped alone.
:func:`peak_of` says what the peak is. Each frame is treated alike: no measuring, no flicker.

**Gamut.** BT.709 cannot show all of BT.2020 or P3. A colour outside moves straight to white (D65)
at the same luminance until no component is negative, then is darkened until none exceeds 1:
dominant wavelength stays, saturation gives way. Colours inside are exact.

**IPT-C2 and ICtCp** hold LMS instead of RGB under PQ (or HLG), so they take the same road with one
more matrix. Dolby Vision profile 5 also reshapes its base layer by metadata in every frame (RPU);
that is not applied, so its contrast and colours are near, not exact.

Sources: ITU-R BT.2100-2 (curves, OOTF, ICtCp), BT.2390-10, BT.2408-7; ITU-T H.273 tables 2 and 4;
for IPT-C2 the matrices of SMPTE ST 2128 as used by libplacebo (``pl_shader_dovi_reshape`` and the
LMS to RGB matrix of its ``colorspace.c``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..kernels import tone
from ..model.color import ColorInfo, LightLevels
from ._scratch import F32, scratch

F64 = NDArray[np.floating[Any]]

#: BT.2408: HDR reference white, which becomes the white of the picture, in cd/m2.
REFERENCE_WHITE: Final = 203.0
#: Peak of content that does not say, or says something impossible: what most is graded on.
USUAL_PEAK: Final = 1000.0
#: Nominal peak of an HLG display (BT.2100, note 5e), and its system gamma.
HLG_PEAK, HLG_GAMMA = 1000.0, 1.2
_PQ_PEAK: Final = 10000.0

_D65: Final = (0.3127, 0.3290)
_C: Final = (0.310, 0.316)
_P3: Final = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
_C525: Final = ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65)
#: x, y of red, green, blue and white (H.273 table 2), by FFmpeg's names.
PRIMARIES: Final[dict[str, tuple[tuple[float, float], ...]]] = {
    "bt709": ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), _D65),
    "bt470m": ((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), _C),
    "bt470bg": ((0.64, 0.33), (0.29, 0.60), (0.15, 0.06), _D65),
    "smpte170m": _C525,
    "smpte240m": _C525,
    "film": ((0.681, 0.319), (0.243, 0.692), (0.145, 0.049), _C),
    "bt2020": ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), _D65),
    "smpte431": (*_P3, (0.314, 0.351)),
    "smpte432": (*_P3, _D65),
    "ebu3213": ((0.630, 0.340), (0.295, 0.605), (0.155, 0.077), _D65),
}

#: LMS light to BT.2020 light. BT.2100 table 7, inverted; for IPT-C2 without its 2 % of crosstalk.
_ICTCP_TO_RGB: Final[F64] = np.linalg.inv(
    np.array([[1688, 2146, 262], [683, 2951, 462], [99, 309, 3688]]) / 4096
)
_IPT_TO_RGB: Final[F64] = np.array(
    [
        [3.06441879, -2.16597676, 0.10155818],
        [-0.65612108, 1.78554118, -0.12943749],
        [0.01736321, -0.04725154, 1.03004253],
    ]
) @ np.linalg.inv(np.full((3, 3), 0.02) + 0.94 * np.eye(3))

#: Layout of the kernel's tables; see :func:`snapengine.kernels.tone.show`.
_SIGNAL: Final = 4097
_ENTRIES: Final = 6400
#: Added to light before its bits are read, so that the steps near black are even and fine enough:
#: for the OOTF, the roll-off and the sRGB curve. Tables cost less than 0.2 of CIEDE2000 (tested).
_ADD: Final = (2.0**-12, 2.0**-6, 2.0**-6)


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One way of showing, ready for the kernel: 0 SDR, 1 PQ, 2 HLG; its numbers and tables."""

    kind: int
    numbers: F32
    tables: F32


def look_of(color: ColorInfo, light: LightLevels | None, gray: bool = False) -> Look | None:
    """How a resolved colour is shown; ``None``: as it is. ``gray``: there is no colour in it.

    Pure; the result is shared: do not write into it.
    """
    lms = color.matrix if color.matrix in ("ipt-c2", "ictcp") else ""
    transfer = color.transfer or ("smpte2084" if lms else "")
    primaries = color.primaries or ""
    if transfer == "smpte2084":
        return _look("pq", "bt2020" if lms else primaries, lms, peak_of(light))
    if transfer == "arib-std-b67":
        return _look("hlg", "bt2020" if lms else primaries, lms, HLG_PEAK)
    if lms:
        return _look("pq as sdr", "bt709", lms, _PQ_PEAK)
    if gray or primaries == "bt709" or primaries not in PRIMARIES:
        return None
    return _look("sdr", primaries, "", REFERENCE_WHITE)


def peak_of(light: LightLevels | None) -> float:
    """Peak of PQ content in cd/m2: MaxCLL, else the mastering display's, else 1000.

    A value counts only if it lies between reference white and 10000; MaxCLL also only if it is not
    below MaxFALL. A lie within these bounds costs highlights or brightness, never the picture.
    """
    if light is None:
        return USUAL_PEAK
    content, display = light.content_max, light.mastering_max
    average = light.content_average or 0.0
    if content is not None and max(REFERENCE_WHITE, average) <= content <= _PQ_PEAK:
        return content
    if display is not None and REFERENCE_WHITE <= display <= _PQ_PEAK:
        return display
    return USUAL_PEAK


def show(planes: Sequence[F32], samples: int, affine: F32, look: Look) -> list[F32]:
    """Source codes to R', G', B' of sRGB in 0..255, three new float planes of ``samples``.

    ``affine``: codes to R'G'B' (or L'M'S') in 0..1, rows of (a, b, c, 1). Valid until the same
    thread calls again.
    """
    out = scratch("shown", 3 * samples)
    tone.show(out, *planes, samples, look.kind, affine, look.numbers, look.tables)
    return [out[i * samples : (i + 1) * samples] for i in range(3)]


# --- tables ---------------------------------------------------------------------------------------


@lru_cache(maxsize=32)
def _look(mode: str, primaries: str, lms: str, peak: float) -> Look:
    """``mode``: "sdr", "pq", "hlg", or "pq as sdr": PQ codes shown as if they were SDR."""
    signal = np.linspace(0.0, 1.0, _SIGNAL)
    scene, bright = (_positions(add, 512) for add in _ADD[:2])
    shown = _positions(_ADD[2], 1024)
    light: F64
    factor: F64 = np.ones(_ENTRIES)
    roll: F64 = factor
    code: F64 = 255.0 * srgb_encode(shown)
    if mode == "hlg":
        light = hlg_decode(signal)
        factor = scene ** (HLG_GAMMA - 1) * (HLG_PEAK / REFERENCE_WHITE)
        roll = _roll_off(bright, peak)
    elif mode == "pq":
        light = pq_decode(signal) / REFERENCE_WHITE
        roll = _roll_off(bright, peak)
    elif mode == "pq as sdr":
        light, code = pq_decode(signal) / _PQ_PEAK, 255.0 * pq_encode(shown * _PQ_PEAK)
    else:
        light = srgb_decode(signal)
    first = {"": np.eye(3), "ictcp": _ICTCP_TO_RGB, "ipt-c2": _IPT_TO_RGB}[lms]
    source = PRIMARIES.get(primaries, PRIMARIES["bt2020"])
    numbers = (first, rgb_to_xyz(source)[1], to_bt709(source), rgb_to_xyz(PRIMARIES["bt709"])[1])
    return Look(
        kind={"pq": 1, "hlg": 2, "sdr": 0, "pq as sdr": 1}[mode],
        numbers=np.concatenate([*(n.reshape(-1) for n in numbers), _ADD]).astype(np.float32),
        tables=np.concatenate([light, factor, roll, code]).astype(np.float32),
    )


def _positions(add: float, per_octave: int) -> F64:
    """The light that each entry of a table stands for, when ``add`` has been added to it."""
    octave, step = np.divmod(np.arange(_ENTRIES), per_octave)
    return np.maximum(add * 2.0**octave * (1 + step / per_octave) - add, 0.0)


def _roll_off(light: F64, peak: float) -> F64:
    """What light (1: reference white) is multiplied by: BT.2390's EETF, black and white fixed."""
    top, white = (float(v) for v in pq_encode(np.array([peak, REFERENCE_WHITE])))
    most = white / top
    knee = 1.5 * most - 0.5
    e = np.minimum(pq_encode(light * REFERENCE_WHITE) / top, 1.0)
    t = (e - knee) / max(1.0 - knee, 1e-9)
    spline = (
        (2 * t**3 - 3 * t**2 + 1) * knee
        + (t**3 - 2 * t**2 + t) * (1 - knee)
        + (-2 * t**3 + 3 * t**2) * most
    )
    mapped = pq_decode(np.where(e < knee, e, spline) * top) / REFERENCE_WHITE
    return np.where((e < knee) | (light <= 0), 1.0, mapped / np.maximum(light, 1e-9))


def srgb_decode(code: F64) -> F64:
    """IEC 61966-2-1: code 0..1 to light 0..1."""
    return np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)


def srgb_encode(light: F64) -> F64:
    """IEC 61966-2-1: light 0..1 to code 0..1; more light is white."""
    light = np.minimum(light, 1.0)
    curve = 1.055 * np.maximum(light, 0.0031308) ** (1 / 2.4) - 0.055
    return np.where(light <= 0.0031308, light * 12.92, curve)


_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32


def pq_decode(signal: F64) -> F64:
    """SMPTE ST 2084: signal 0..1 to cd/m2."""
    power = signal ** (1 / _M2)
    light: F64 = _PQ_PEAK * (np.maximum(power - _C1, 0.0) / (_C2 - _C3 * power)) ** (1 / _M1)
    return light


def pq_encode(light: F64) -> F64:
    """SMPTE ST 2084: cd/m2 to signal; above 10000 it stays at 1."""
    power = np.clip(light / _PQ_PEAK, 0.0, 1.0) ** _M1
    signal: F64 = ((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2
    return signal


def hlg_decode(signal: F64) -> F64:
    """BT.2100: HLG signal 0..1 to scene light 0..1."""
    a = 0.17883277
    b = 1 - 4 * a
    c = 0.5 - a * np.log(4 * a)
    return np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)


def rgb_to_xyz(primaries: tuple[tuple[float, float], ...]) -> F64:
    """3x3: R, G, B light to CIE XYZ with luminance 1 for white (SMPTE RP 177)."""
    x, y = np.array(primaries).T
    xyz = np.stack([x / y, np.ones(4), (1 - x - y) / y])
    scale = np.linalg.solve(xyz[:, :3], xyz[:, 3])
    made: F64 = xyz[:, :3] * scale
    return made


def to_bt709(primaries: tuple[tuple[float, float], ...]) -> F64:
    """3x3: R, G, B light of ``primaries`` to BT.709's; white to white (Bradford)."""
    bradford = np.array(
        [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
    )
    source, target = rgb_to_xyz(primaries), rgb_to_xyz(PRIMARIES["bt709"])
    cones_s, cones_t = bradford @ source.sum(axis=1), bradford @ target.sum(axis=1)
    adapt = np.linalg.solve(bradford, (cones_t / cones_s)[:, None] * bradford)
    made: F64 = np.linalg.solve(target, adapt @ source)
    return made
