"""Compares the crops that alignment wrote with crops made like those of the original.

python3 large_photos_reference.py PHOTO SIZE < lines of JSON {"box": [x1, y1, x2, y2], "png": "base64"}
Prints the largest mean difference, in grey levels, between a crop and Pillow's crop of the full-size photo with BILINEAR.
"""
import base64
import io
import json
import sys

import numpy
from PIL import Image, ImageOps

Image.MAX_IMAGE_PIXELS = None
photo = ImageOps.exif_transpose(Image.open(sys.argv[1])).convert('RGB')
size = int(sys.argv[2])
worst = 0.0
for line in sys.stdin:
    face = json.loads(line)
    expected = photo.crop(face['box']).resize((size, size), Image.BILINEAR)
    actual = Image.open(io.BytesIO(base64.b64decode(face['png']))).convert('RGB')
    difference = numpy.abs(numpy.asarray(expected, float) - numpy.asarray(actual, float)).mean()
    worst = max(worst, float(difference))
print(json.dumps({'width': photo.width, 'height': photo.height, 'worstMeanDifference': worst}))
