"""The data path of the original on one core: decode, random crop, flip. Prints JSON. Needs Pillow and NumPy, and also
measures TensorFlow's decoder if it is installed. Arguments: seconds, then image files."""
import json
import os
import random
import sys
import time

try:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
except AttributeError:
    pass
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import io

import numpy as np
from PIL import Image

SIZE = 160


def crop(pixels):
    y = random.randint(0, pixels.shape[0] - SIZE)
    x = random.randint(0, pixels.shape[1] - SIZE)
    pixels = pixels[y : y + SIZE, x : x + SIZE]
    return np.ascontiguousarray(pixels[:, ::-1] if random.random() < 0.5 else pixels)


def rate(decode, files, seconds):
    for data in files[:10]:
        crop(decode(data))
    started, count = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        crop(decode(files[count % len(files)]))
        count += 1
    return count / (time.perf_counter() - started)


seconds = float(sys.argv[1])
contents = [open(path, "rb").read() for path in sys.argv[2:]]
pillow = lambda data: np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
report = {"pillow_images_per_second": rate(pillow, contents, seconds)}
try:
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    decode = lambda data: tf.image.decode_image(data, channels=3).numpy()
    report["tensorflow_images_per_second"] = rate(decode, contents, seconds)
    report["tensorflow"] = tf.__version__
except ImportError:
    pass
print(json.dumps(report))
