#!/usr/bin/env python3
"""Writes tests/golden/images: a tiny picture of every format and variant, and what it must decode to.

    pip install pillow tifffile pydicom numpy; apt-get install dcmtk
    python3 tests/reference/make_images.py

Lossless pictures are written from known arrays and their pixels listed as SHA-256 in expected.tsv (name, height, width,
channels, type, orientation, digest); lossy ones beside it as NAME.npy, as Pillow decodes them. Wherever Pillow can read a
lossless picture too, this script checks that Pillow sees the same pixels.
"""

import hashlib
import io
import pathlib
import struct
import subprocess
import zlib

import numpy as np
import pydicom
import tifffile
from PIL import Image

OUT = pathlib.Path(__file__).resolve().parent.parent / "golden" / "images"
H, W = 9, 13  # odd, so that packed rows end within a byte
rng = np.random.default_rng(20240501)
rows = []


def smooth(height, width, channels):
    """A picture that compresses: gradients and a bright square."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [(x * 17 + y * 5 + 60 * c) % 256 for c in range(channels)]
    a = np.stack(planes, axis=-1).astype(np.uint8)
    a[2:5, 3:7] = [250, 40, 90, 200][:channels]
    return a


GREY = smooth(H, W, 1)
GREY_ALPHA = smooth(H, W, 2)
RGB = smooth(H, W, 3)
RGBA = smooth(H, W, 4)
GREY16 = rng.integers(0, 65536, (H, W, 1), dtype=np.uint16)
RGB16 = rng.integers(0, 65536, (H, W, 3), dtype=np.uint16)
RGBA16 = rng.integers(0, 65536, (H, W, 4), dtype=np.uint16)
PALETTE = rng.integers(0, 256, (256, 3), dtype=np.uint8)


def record(name, pixels, orientation=1):
    pixels = np.ascontiguousarray(pixels)
    h, w, c = pixels.shape
    digest = hashlib.sha256(pixels.tobytes()).hexdigest()
    rows.append(f"{name}\t{h}\t{w}\t{c}\t{pixels.dtype.name}\t{orientation}\t{digest}")


def seen_by_pillow(name, channels):
    im = Image.open(OUT / name)
    if im.mode not in ("I;16", "I", "F", "I;16B"):
        im = im.convert({1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[channels])
    a = np.asarray(im)
    return a.reshape(a.shape[0], a.shape[1], -1)


def exact(name, pixels, orientation=1, pillow=True):
    """A lossless golden whose file exists already."""
    if pillow:
        seen = seen_by_pillow(name, pixels.shape[2])
        expected = pixels
        if seen.dtype == np.uint8 and pixels.dtype == np.uint16:
            expected = (pixels >> 8).astype(np.uint8)  # Pillow keeps the upper byte of 16-bit colour
        assert np.array_equal(seen, expected), name
    record(name, pixels, orientation)


def lossy(name, channels, orientation=1):
    pixels = seen_by_pillow(name, channels)
    np.save(OUT / f"{name}.npy", pixels)
    rows.append(f"{name}\t{pixels.shape[0]}\t{pixels.shape[1]}\t{channels}\tuint8\t{orientation}\t-")


def save(name, pixels_or_image, **options):
    im = pixels_or_image
    if isinstance(im, np.ndarray):
        im = Image.fromarray(im[:, :, 0] if im.shape[2] == 1 else im)
    im.save(OUT / name, **options)


# ---- JPEG

def jpeg():
    big = smooth(21, 35, 3)
    for name, options in {
        "rgb420.jpg": {},
        "rgb444.jpg": {"subsampling": 0},
        "rgb422.jpg": {"subsampling": 1},
        "progressive.jpg": {"progressive": True},
        "restart.jpg": {"restart_marker_blocks": 1},
        "keep_rgb.jpg": {"keep_rgb": True},
    }.items():
        save(name, big, quality=70, **options)
        lossy(name, 3)
    save("grey.jpg", big[:, :, :1], quality=70)
    lossy("grey.jpg", 1)
    save("cmyk.jpg", Image.fromarray(255 - smooth(21, 35, 4), "CMYK"), quality=70)
    lossy("cmyk.jpg", 3)
    # YCCK: Pillow writes the Adobe marker with transform 2 when asked for a CMYK file in YCCK; it does not, so the marker is
    # changed by hand: the same coefficients then mean YCCK.
    data = bytearray((OUT / "cmyk.jpg").read_bytes())
    at = data.find(b"Adobe")
    data[at + 11] = 2
    (OUT / "ycck.jpg").write_bytes(data)
    lossy("ycck.jpg", 3)
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        name = f"orientation{orientation}.jpg"
        save(name, big[:8, :16], quality=90, exif=exif)
        lossy(name, 3, orientation)
    # Stray bytes between segments are no damage.
    data = (OUT / "grey.jpg").read_bytes()
    (OUT / "stray.jpg").write_bytes(data[:2] + data[2:20] + b"\0\0\0" + data[20:])
    lossy("stray.jpg", 1)


# ---- PNG, by hand: Pillow writes neither interlaced files nor 16-bit colour

def png_bytes(samples, colour, depth, interlaced=False, chunks=()):
    h, w = samples.shape[:2]

    def pack(a):
        out = b""
        for line in a:
            flat = line.reshape(-1)
            if depth == 16:
                raw = flat.astype(">u2").tobytes()
            elif depth == 8:
                raw = flat.astype(np.uint8).tobytes()
            else:
                bits = ((flat[:, None] >> np.arange(depth - 1, -1, -1)) & 1).astype(np.uint8).reshape(-1)
                raw = np.packbits(bits).tobytes()
            out += b"\0" + raw
        return out

    if interlaced:
        passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
        data = b"".join(pack(samples[y::sy, x::sx]) for y, x, sy, sx in passes if samples[y::sy, x::sx].size)
    else:
        data = pack(samples)

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", w, h, depth, colour, 0, 0, int(interlaced))
    body = b"".join(chunk(k, b) for k, b in chunks)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + chunk(b"IDAT", zlib.compress(data, 9)) + chunk(b"IEND", b"")


def png():
    def write(name, samples, colour, depth, pixels, **options):
        (OUT / name).write_bytes(png_bytes(samples, colour, depth, **options))
        exact(name, pixels)

    for depth in (1, 2, 4):
        top = 2**depth - 1
        g = GREY >> (8 - depth)
        write(f"grey{depth}.png", g, 0, depth, (g * (255 // top)).astype(np.uint8))
        write(f"palette{depth}.png", g, 3, depth, PALETTE[g[:, :, 0]], chunks=[(b"PLTE", PALETTE[: top + 1].tobytes())])
    write("grey8.png", GREY, 0, 8, GREY)
    write("grey16.png", GREY16, 0, 16, GREY16)
    write("rgb8.png", RGB, 2, 8, RGB)
    write("rgb16.png", RGB16, 2, 16, RGB16)
    write("grey_alpha8.png", GREY_ALPHA, 4, 8, GREY_ALPHA)
    write("rgba8.png", RGBA, 6, 8, RGBA)
    write("rgba16.png", RGBA16, 6, 16, RGBA16)
    write("palette8.png", GREY, 3, 8, PALETTE[GREY[:, :, 0]], chunks=[(b"PLTE", PALETTE.tobytes())])
    alpha = rng.integers(0, 256, 40, dtype=np.uint8)
    full = np.concatenate([alpha, np.full(216, 255, np.uint8)])
    with_alpha = np.concatenate([PALETTE[GREY[:, :, 0]], full[GREY]], axis=2)
    write("palette8_transparent.png", GREY, 3, 8, with_alpha, chunks=[(b"PLTE", PALETTE.tobytes()), (b"tRNS", alpha.tobytes())])
    key = RGB[3, 4]
    opaque = np.where((RGB == key).all(axis=2, keepdims=True), 0, 255).astype(np.uint8)
    write("rgb8_transparent.png", RGB, 2, 8, np.concatenate([RGB, opaque], axis=2),
          chunks=[(b"tRNS", np.array(key, ">u2").tobytes())])
    for name, samples, colour, depth in (("grey1", GREY >> 7, 0, 1), ("rgb8", RGB, 2, 8), ("rgba16", RGBA16, 6, 16)):
        pixels = samples * 255 if depth == 1 else samples
        write(f"{name}_interlaced.png", samples, colour, depth, pixels.astype(samples.dtype), interlaced=True)
    tiny = RGB[:1, :1]
    write("one_pixel_interlaced.png", tiny, 2, 8, tiny, interlaced=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    save("exif.png", RGB, exif=exif)
    exact("exif.png", RGB, orientation=6)
    save("animated.png", Image.fromarray(RGB), save_all=True, append_images=[Image.fromarray(255 - RGB)])
    exact("animated.png", RGB)


# ---- BMP, TGA, PNM

def bmp():
    save("rgb.bmp", RGB)
    exact("rgb.bmp", RGB)
    save("grey.bmp", GREY)
    exact("grey.bmp", np.repeat(GREY, 3, axis=2))
    im = Image.fromarray(GREY[:, :, 0] >> 4, "P")
    im.putpalette(PALETTE.tobytes())
    save("palette.bmp", im)
    exact("palette.bmp", PALETTE[GREY[:, :, 0] >> 4])
    bits = (GREY > 127).astype(np.uint8)
    save("bilevel.bmp", Image.fromarray(bits[:, :, 0] * 255).convert("1"))
    exact("bilevel.bmp", np.repeat(bits * 255, 3, axis=2))

    def write(name, header_size, height, depth, compression, lines, pixels, masks=b"", palette=b"", pillow=True):
        stride = (W * depth + 31) // 32 * 4
        body = b"".join(line.ljust(stride, b"\0") for line in lines)
        offset = 14 + header_size + len(masks if header_size == 40 else b"") + len(palette)
        info = struct.pack("<IiiHHIIiiII", header_size, W, height, 1, depth, compression, len(body), 2835, 2835,
                           len(palette) // 4, 0)
        info = (info + masks).ljust(header_size, b"\0")
        head = b"BM" + struct.pack("<IHHI", offset + len(body), 0, 0, offset)
        (OUT / name).write_bytes(head + info + palette + body)
        exact(name, pixels, pillow=pillow)

    four = GREY[:, :, 0] >> 4
    packed = [bytes((line[i] << 4) | (line[i + 1] if i + 1 < W else 0) for i in range(0, W, 2)) for line in four[::-1].tolist()]
    bgrx = np.concatenate([PALETTE[:16, ::-1], np.zeros((16, 1), np.uint8)], axis=1).tobytes()
    write("palette4.bmp", 40, H, 4, 0, packed, PALETTE[four], palette=bgrx)
    bgr = [line[:, ::-1].tobytes() for line in RGB]
    write("top_down.bmp", 40, -H, 24, 0, bgr, RGB)
    bgra = [line[:, [2, 1, 0, 3]].tobytes() for line in RGBA[::-1]]
    write("plain32.bmp", 40, H, 32, 0, bgra, RGB_OF_RGBA)
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    write("rgba.bmp", 124, H, 32, 3, bgra, RGBA, masks=masks)
    five = RGB[:, :, :] >> 3
    words = (five[:, :, 0].astype(np.uint16) << 10) | (five[:, :, 1].astype(np.uint16) << 5) | five[:, :, 2]
    # 5 bits become 8 by repeating the upper ones; Pillow rounds down instead and differs by at most one level.
    wide = ((five << 3) | (five >> 2)).astype(np.uint8)
    write("five_bits.bmp", 40, H, 16, 0, [line.astype("<u2").tobytes() for line in words[::-1]], wide, pillow=False)
    assert np.abs(seen_by_pillow("five_bits.bmp", 3).astype(int) - wide).max() <= 1


RGB_OF_RGBA = RGBA[:, :, :3]


def tga():
    palette_image = Image.fromarray(GREY[:, :, 0], "P")
    palette_image.putpalette(PALETTE.tobytes())
    for name, source, pixels in (
        ("grey", Image.fromarray(GREY[:, :, 0]), GREY),
        ("grey_alpha", Image.fromarray(GREY_ALPHA), GREY_ALPHA),
        ("rgb", Image.fromarray(RGB), RGB),
        ("rgba", Image.fromarray(RGBA), RGBA),
        ("palette", palette_image, PALETTE[GREY[:, :, 0]]),
    ):
        for suffix, options in (("", {}), ("_rle", {"compression": "tga_rle"}), ("_top_down", {"orientation": 1})):
            if suffix == "_top_down" and name != "rgb":
                continue
            if suffix == "_rle" and name == "grey_alpha":
                continue  # stb_image does not know it
            save(f"{name}{suffix}.tga", source, **options)
            exact(f"{name}{suffix}.tga", pixels)
    data = bytearray((OUT / "rgb.tga").read_bytes())
    data[17] |= 0x10  # stored from right to left
    (OUT / "rgb_right_to_left.tga").write_bytes(data)
    exact("rgb_right_to_left.tga", RGB[:, ::-1])


def pnm():
    def write(name, body, pixels, pillow=True):
        (OUT / name).write_bytes(body)
        exact(name, pixels, pillow=pillow)

    bits = (GREY > 127).astype(np.uint8)
    size = b"%d %d" % (W, H)
    lines = lambda a: b"\n".join(b" ".join(b"%d" % v for v in line.reshape(-1)) for line in a) + b"\n"
    write("plain.pbm", b"P1\n# ink is 1\n" + size + b"\n" + b"\n".join(b"".join(b"%d" % v for v in l) for l in (1 - bits[:, :, 0])),
          bits * 255)
    write("plain.pgm", b"P2 " + size + b" # comment\n255\n" + lines(GREY), GREY)
    write("plain.ppm", b"P3\n" + size + b"\n255\n" + lines(RGB), RGB)
    write("raw.pbm", b"P4\n" + size + b"\n" + np.packbits(1 - bits[:, :, 0], axis=1).tobytes(), bits * 255)
    write("raw.pgm", b"P5\n" + size + b"\n255\n" + GREY.tobytes(), GREY)
    write("raw.ppm", b"P6\n# made by hand\n" + size + b"\n255\n" + RGB.tobytes(), RGB)
    write("raw16.pgm", b"P5 " + size + b" 65535\n" + GREY16.astype(">u2").tobytes(), GREY16)
    write("raw16.ppm", b"P6 " + size + b" 65535\n" + RGB16.astype(">u2").tobytes(), RGB16, pillow=False)
    assert np.array_equal(seen_by_pillow("raw16.ppm", 3), np.round(RGB16 / 65535 * 255))  # scaled to 8 bits there
    # A maximum between the usual ones: Python rounds halves to even, and so do we.
    six = GREY % 7
    write("maximum6.pgm", b"P5 " + size + b" 6\n" + six.tobytes(),
          np.array([[[round(int(v) / 6 * 255)] for v in line] for line in six[:, :, 0]], np.uint8))
    twelve = GREY16 % 4096
    write("maximum4095.pgm", b"P5 " + size + b" 4095\n" + twelve.astype(">u2").tobytes(),
          np.array([[[round(int(v) / 4095 * 65535)] for v in line] for line in twelve[:, :, 0]], np.uint16))


# ---- GIF

def gif():
    im = Image.fromarray(GREY[:, :, 0], "P")
    im.putpalette(PALETTE.tobytes())
    colours = PALETTE[GREY[:, :, 0]]
    for name, interlaced in (("plain.gif", 0), ("interlaced.gif", 1)):
        save(name, im, interlace=interlaced, optimize=False)
        exact(name, colours)
    index = int(GREY[3, 4, 0])
    save("transparent.gif", im, transparency=index, optimize=False)
    opaque = np.where(GREY == index, 0, 255).astype(np.uint8)
    exact("transparent.gif", np.concatenate([colours, opaque], axis=2))
    other = Image.fromarray(255 - GREY[:, :, 0], "P")
    other.putpalette(PALETTE.tobytes())
    save("animated.gif", im, save_all=True, append_images=[other], optimize=False)
    exact("animated.gif", colours)
    # A frame smaller than its canvas.
    data = bytearray((OUT / "plain.gif").read_bytes())
    data[6:10] = struct.pack("<HH", W + 4, H + 3)
    at = data.index(b"\x2c\0\0\0\0")
    data[at + 1 : at + 5] = struct.pack("<HH", 3, 2)
    (OUT / "offset.gif").write_bytes(data)
    canvas = np.tile(PALETTE[0], (H + 3, W + 4, 1)).astype(np.uint8)
    canvas[2 : 2 + H, 3 : 3 + W] = colours
    exact("offset.gif", canvas)


# ---- TIFF

def tiff():
    def with_pillow(name, image, pixels, **options):
        save(name, image, **options)
        exact(name, pixels)

    for compression in (None, "tiff_lzw", "tiff_adobe_deflate", "packbits"):
        with_pillow(f"rgb_{compression or 'plain'}.tif", Image.fromarray(RGB), RGB, compression=compression)
    bits = ((GREY > 127) * 255).astype(np.uint8)
    bilevel = Image.fromarray(bits[:, :, 0]).convert("1")
    for compression in (None, "group3", "group4"):
        with_pillow(f"bilevel_{compression or 'plain'}.tif", bilevel, bits, compression=compression)
    with_pillow("grey.tif", Image.fromarray(GREY[:, :, 0]), GREY)
    with_pillow("grey_alpha.tif", Image.fromarray(GREY_ALPHA), GREY_ALPHA)
    with_pillow("rgba.tif", Image.fromarray(RGBA), RGBA)
    palette_image = Image.fromarray(GREY[:, :, 0], "P")
    palette_image.putpalette(PALETTE.tobytes())
    with_pillow("palette.tif", palette_image, PALETTE[GREY[:, :, 0]])
    with_pillow("grey16.tif", Image.fromarray(GREY16[:, :, 0]), GREY16)
    floats = rng.standard_normal((H, W, 1)).astype(np.float32)
    with_pillow("float32.tif", Image.fromarray(floats[:, :, 0]), floats)
    cmyk = Image.fromarray(RGBA, "CMYK")
    with_pillow("cmyk.tif", cmyk, np.asarray(cmyk.convert("RGB")))
    for orientation in (3, 6):
        turned = Image.fromarray(RGB).transpose({3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_270}[orientation])
        exif = Image.Exif()
        exif[0x0112] = orientation
        with_pillow(f"orientation{orientation}.tif", Image.fromarray(RGB), np.asarray(turned), exif=exif)
    save("jpeg.tif", smooth(21, 35, 3), compression="jpeg", quality=80)
    lossy("jpeg.tif", 3)
    save("ycbcr.tif", Image.fromarray(smooth(8, 8, 3)).convert("YCbCr"))
    lossy("ycbcr.tif", 3)

    def with_tifffile(name, pixels, expected=None, pillow=False, **options):
        data = pixels[:, :, 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels
        tifffile.imwrite(OUT / name, data, metadata=None, software=False, **options)
        exact(name, pixels if expected is None else expected, pillow=pillow)

    large = smooth(40, 35, 3)
    with_tifffile("tiled.tif", large, photometric="rgb", tile=(16, 16), compression="zlib", pillow=True)
    with_tifffile("tiled_planes.tif", np.moveaxis(large, 2, 0), large, photometric="rgb", tile=(16, 32), planarconfig="separate",
                  compression="zlib")
    with_tifffile("strips_planes.tif", np.moveaxis(RGB, 2, 0), RGB, photometric="rgb", rowsperstrip=4, planarconfig="separate",
                  pillow=True)
    with_tifffile("strips.tif", RGB, photometric="rgb", rowsperstrip=4, pillow=True)
    with_tifffile("predictor.tif", RGB, photometric="rgb", compression="zlib", predictor=True, pillow=True)
    with_tifffile("big_endian16.tif", RGB16, photometric="rgb", byteorder=">", pillow=True)
    with_tifffile("bigtiff.tif", GREY16, photometric="minisblack", bigtiff=True, pillow=True)
    with_tifffile("white0_8.tif", GREY, 255 - GREY, photometric="miniswhite", pillow=True)
    # Pillow does not turn 16-bit MinIsWhite around; the format says that 0 is white.
    with_tifffile("white0_16.tif", GREY16, 65535 - GREY16, photometric="miniswhite")
    int16 = rng.integers(-32768, 32768, (H, W, 1), dtype=np.int16)
    with_tifffile("int16.tif", int16, int16.astype(np.float32), photometric="minisblack", pillow=True)
    uint32 = rng.integers(0, 1 << 24, (H, W, 1), dtype=np.uint32)
    with_tifffile("uint32.tif", uint32, uint32.astype(np.float32), photometric="minisblack", pillow=True)
    with_tifffile("float16.tif", floats.astype(np.float16), floats.astype(np.float16).astype(np.float32), photometric="minisblack")
    with_tifffile("float64.tif", floats.astype(np.float64), floats, photometric="minisblack")
    with_tifffile("rgba16.tif", RGBA16, photometric="rgb", extrasamples=["unassalpha"], pillow=True)
    with_tifffile("rgbx.tif", RGBA, RGB_OF_RGBA, photometric="rgb", extrasamples=["unspecified"], pillow=True)
    alpha = RGBA[:, :, 3:].astype(int)
    multiplied = np.concatenate([(RGBA[:, :, :3].astype(int) * alpha + 127) // 255, alpha], axis=2).astype(np.uint8)
    divided = np.minimum(255, multiplied[:, :, :3].astype(int) * 255 // np.maximum(alpha, 1))
    divided[(alpha == 0)[:, :, 0]] = 0
    with_tifffile("premultiplied.tif", multiplied, np.concatenate([divided, alpha], axis=2).astype(np.uint8), photometric="rgb",
                  extrasamples=["assocalpha"], pillow=True)


# ---- WebP

def webp():
    save("lossless.webp", RGB, lossless=True)
    exact("lossless.webp", RGB)
    save("lossless_alpha.webp", RGBA, lossless=True, exact=True)
    exact("lossless_alpha.webp", RGBA)
    big = smooth(21, 35, 4)
    save("lossy.webp", big[:, :, :3], quality=60)
    lossy("lossy.webp", 3)
    save("lossy_alpha.webp", big, quality=60)
    lossy("lossy_alpha.webp", 4)
    exif = Image.Exif()
    exif[0x0112] = 8
    save("exif.webp", RGB, lossless=True, exif=exif)
    exact("exif.webp", RGB, orientation=8)
    seen = np.maximum(RGBA, [0, 0, 0, 1]).astype(np.uint8)  # the encoder of animations forgets colours of no opacity
    save("animated.webp", Image.fromarray(seen), save_all=True, append_images=[Image.fromarray(255 - seen)], lossless=True)
    exact("animated.webp", seen)


# ---- DICOM

def dicom():
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.encaps import encapsulate
    from pydicom.uid import (ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGBaseline8Bit, RLELossless,
                             generate_uid)

    def write(name, pixels, expected, syntax=ExplicitVRLittleEndian, photometric="MONOCHROME2", stored=None, data=None, **more):
        ds = Dataset()
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = syntax
        ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
        ds.file_meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[name])
        ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID
        ds.SamplesPerPixel = pixels.shape[2]
        ds.PhotometricInterpretation = photometric
        ds.Rows, ds.Columns = pixels.shape[:2]
        ds.BitsAllocated = pixels.dtype.itemsize * 8
        ds.BitsStored = stored or ds.BitsAllocated
        ds.HighBit = ds.BitsStored - 1
        ds.PixelRepresentation = int(pixels.dtype.kind == "i")
        if pixels.shape[2] == 3:
            ds.PlanarConfiguration = more.pop("planar", 0)
        for key, value in more.items():
            setattr(ds, key, value)
        raw = data if data is not None else pixels.tobytes()
        ds.PixelData = raw + b"\0" * (len(raw) % 2)
        ds["PixelData"].VR = "OB" if data is not None or (pixels.dtype.itemsize == 1 and syntax != ImplicitVRLittleEndian) else "OW"
        if data is not None:
            ds["PixelData"].is_undefined_length = True
        ds.save_as(OUT / name, enforce_file_format=True)
        if expected is not None:
            record(name, expected)

    grey = GREY.astype(np.float32)
    write("grey8.dcm", GREY, grey)
    write("grey8_implicit.dcm", GREY, grey, syntax=ImplicitVRLittleEndian)
    write("monochrome1.dcm", GREY, 255 - grey, photometric="MONOCHROME1")
    twelve = (GREY16 % 4096).astype(np.uint16)
    write("rescaled12.dcm", twelve, (twelve.astype(np.float64) * 2 - 1024).astype(np.float32), stored=12, RescaleSlope="2",
          RescaleIntercept="-1024", WindowCenter="40", WindowWidth="400")
    signed = rng.integers(-2048, 2048, (H, W, 1), dtype=np.int16)
    write("signed12.dcm", signed & 0x0FFF, signed.astype(np.float32), stored=12)
    # numpy keeps the masked values' type, so PixelRepresentation is 1 and bit 11 is the sign
    write("monochrome1_12.dcm", twelve, 4095 - twelve.astype(np.float32), stored=12, photometric="MONOCHROME1", WindowCenter="1000",
          WindowWidth="300")
    write("rgb.dcm", RGB, RGB, photometric="RGB")
    planes = np.moveaxis(RGB, 2, 0)
    write("rgb_planes.dcm", RGB, RGB, photometric="RGB", planar=1, data=None)
    # pixel data of the planar file by hand
    ds = pydicom.dcmread(OUT / "rgb_planes.dcm")
    raw = np.ascontiguousarray(planes).tobytes()
    ds.PixelData = raw + b"\0" * (len(raw) % 2)
    ds.save_as(OUT / "rgb_planes.dcm")
    ds = pydicom.dcmread(OUT / "rescaled12.dcm")
    ds.compress(RLELossless, generate_instance_uid=False)
    ds.save_as(OUT / "rle.dcm")
    record("rle.dcm", (twelve.astype(np.float64) * 2 - 1024).astype(np.float32))
    rescaled = (twelve.astype(np.float64) * 2 - 1024).astype(np.float32)
    for name, command in (("jpeg_ls.dcm", ["dcmcjpls", "+un"]), ("jpeg_lossless.dcm", ["dcmcjpeg", "+e1", "+un"])):
        subprocess.run([*command, OUT / "rescaled12.dcm", OUT / name], check=True)
        record(name, rescaled)
    buffer = io.BytesIO()
    big = smooth(16, 24, 1)
    Image.fromarray(big[:, :, 0]).save(buffer, "JPEG", quality=80)
    write("jpeg.dcm", big, None, syntax=JPEGBaseline8Bit, data=encapsulate([buffer.getvalue()]))
    seen = np.asarray(Image.open(buffer)).astype(np.float32)[:, :, None]
    np.save(OUT / "jpeg.dcm.npy", seen)
    rows.append("jpeg.dcm\t16\t24\t1\tfloat32\t1\t-")


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    for old in OUT.iterdir():
        old.unlink()
    for make in (jpeg, png, bmp, tga, pnm, gif, tiff, webp, dicom):
        make()
    (OUT / "expected.tsv").write_text("name\theight\twidth\tchannels\ttype\torientation\tsha256\n" + "\n".join(sorted(rows)) + "\n")
    print(f"{len(rows)} pictures, {sum(f.stat().st_size for f in OUT.iterdir())} bytes")


main()
