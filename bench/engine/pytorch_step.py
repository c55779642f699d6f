"""Times the training step of Inception-ResNet-v1 in PyTorch on the same GPU, for comparison with the engine.

Eager mode, float32: with TF32 off and on, each also with channels_last. Prints one line of JSON. Modes that the device
does not have are null, with the reason under "skipped". The exit code is 3 if PyTorch or the device is missing.

    python3 bench/engine/pytorch_step.py --batch 90 --image_size 160
    python3 bench/engine/pytorch_step.py --device cpu --batch 2 --image_size 80 --steps 1   # for a try without a GPU
    python3 bench/engine/pytorch_step.py --check fixture.json   # is it the same network? exit code 1 if not

--check computes on the CPU the values of a conformance fixture (see workers/jobs/conformance/model_conformance.ts):
embeddings, losses, gradients and moving statistics of hash-defined parameters and images.
"""
import argparse
import json
import math
import sys
import time

try:
    import torch
    from torch import nn
    from torch.nn import functional
except ImportError:
    print("PyTorch is not installed.", file=sys.stderr)
    sys.exit(3)


class Convolution(nn.Module):
    """Convolution, batch norm without gamma, ReLU; padding by kernel size (SAME) or none (VALID)."""

    def __init__(self, inputs, filters, kernel, stride=1, valid=False):
        super().__init__()
        height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = 0 if valid else (height // 2, width // 2)
        self.convolution = nn.Conv2d(inputs, filters, (height, width), stride, padding, bias=False)
        self.norm = nn.BatchNorm2d(filters, eps=0.001, momentum=0.005)
        self.norm.weight.requires_grad_(False)

    def forward(self, x):
        return functional.relu(self.norm(self.convolution(x)))


class Residual(nn.Module):
    def __init__(self, width, branches, joined, scale, relu=True):
        super().__init__()
        self.branches = nn.ModuleList(nn.Sequential(*branch) for branch in branches)
        self.up = nn.Conv2d(joined, width, 1)
        self.scale, self.relu = scale, relu

    def forward(self, x):
        joined = torch.cat([branch(x) for branch in self.branches], 1)
        x = x + self.scale * self.up(joined)
        return functional.relu(x) if self.relu else x


class Reduction(nn.Module):
    def __init__(self, branches):
        super().__init__()
        self.branches = nn.ModuleList(nn.Sequential(*branch) for branch in branches)

    def forward(self, x):
        return torch.cat([branch(x) for branch in self.branches] + [functional.max_pool2d(x, 3, 2)], 1)


def block35():
    c = Convolution
    return Residual(256, [[c(256, 32, 1)], [c(256, 32, 1), c(32, 32, 3)], [c(256, 32, 1), c(32, 32, 3), c(32, 32, 3)]], 96, 0.17)


def block17():
    c = Convolution
    return Residual(896, [[c(896, 128, 1)], [c(896, 128, 1), c(128, 128, (1, 7)), c(128, 128, (7, 1))]], 256, 0.1)


def block8(scale, relu):
    c = Convolution
    return Residual(1792, [[c(1792, 192, 1)], [c(1792, 192, 1), c(192, 192, (1, 3)), c(192, 192, (3, 1))]], 384, scale, relu)


class InceptionResnetV1(nn.Module):
    def __init__(self, embedding_size, classes):
        super().__init__()
        c = Convolution
        self.features = nn.Sequential(
            c(3, 32, 3, 2, True), c(32, 32, 3, 1, True), c(32, 64, 3), nn.MaxPool2d(3, 2),
            c(64, 80, 1), c(80, 192, 3, 1, True), c(192, 256, 3, 2, True),
            *[block35() for _ in range(5)],
            Reduction([[c(256, 384, 3, 2, True)], [c(256, 192, 1), c(192, 192, 3), c(192, 256, 3, 2, True)]]),
            *[block17() for _ in range(10)],
            Reduction([[c(896, 256, 1), c(256, 384, 3, 2, True)], [c(896, 256, 1), c(256, 256, 3, 2, True)],
                       [c(896, 256, 1), c(256, 256, 3), c(256, 256, 3, 2, True)]]),
            *[block8(0.2, True) for _ in range(5)], block8(1.0, False),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2),
        )
        self.bottleneck = nn.Linear(1792, embedding_size, bias=False)
        self.norm = nn.BatchNorm1d(embedding_size, eps=0.001, momentum=0.005)
        self.norm.weight.requires_grad_(False)
        self.logits = nn.Linear(embedding_size, classes)

    def forward(self, x):
        prelogits = self.norm(self.bottleneck(self.features(x)))
        return prelogits, self.logits(prelogits)


def total_loss(model, images, labels):
    """Mean cross entropy, the regularisation of all weights except biases and betas, and the prelogits norm (p = 1)."""
    prelogits, logits = model(images)
    weights = [parameter for parameter in model.parameters() if parameter.dim() > 1]
    cross_entropy = functional.cross_entropy(logits, labels)
    regularization = 2.5e-4 * sum(weight.square().sum() for weight in weights)
    prelogits_norm = (prelogits.abs() + 1e-4).sum(1).mean()
    return cross_entropy + regularization + 5e-4 * prelogits_norm, cross_entropy, regularization, prelogits_norm


def trainable(model):
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def time_step(arguments, tf32, channels_last):
    """The time of one step, milliseconds."""
    on_gpu = arguments.device == "cuda"
    if on_gpu:
        torch.backends.cuda.matmul.allow_tf32 = tf32
        torch.backends.cudnn.allow_tf32 = tf32
        torch.backends.cudnn.benchmark = True
    layout = torch.channels_last if channels_last else torch.contiguous_format
    model = InceptionResnetV1(512, arguments.classes).to(arguments.device).to(memory_format=layout).train()
    optimizer = torch.optim.Adam(trainable(model), 0.01, eps=0.1)
    size = arguments.image_size
    images = torch.randn(arguments.batch, 3, size, size, device=arguments.device).to(memory_format=layout)
    labels = torch.arange(arguments.batch, device=arguments.device) % arguments.classes

    def step():
        optimizer.zero_grad(set_to_none=True)
        total_loss(model, images, labels)[0].backward()
        optimizer.step()

    def wait():
        if on_gpu:
            torch.cuda.synchronize()

    for _ in range(5 if on_gpu else 1):
        step()
    wait()
    started_at = time.perf_counter()
    for _ in range(arguments.steps):
        step()
    wait()
    return 1000 * (time.perf_counter() - started_at) / arguments.steps


def measure(arguments):
    figures, skipped = {}, {}
    for tf32 in (False, True):
        for channels_last in (False, True):
            mode = f"{'tf32' if tf32 else 'fp32'}{'_channels_last' if channels_last else ''}_ms"
            if tf32 and arguments.device == "cpu":
                figures[mode], skipped[mode] = None, "TF32 is a mode of CUDA devices."
            else:
                figures[mode] = time_step(arguments, tf32, channels_last)
    model = InceptionResnetV1(512, arguments.classes)
    return {
        "device": torch.cuda.get_device_name() if arguments.device == "cuda" else "cpu",
        "torch": torch.__version__,
        "batch": arguments.batch,
        "image_size": arguments.image_size,
        "parameters": sum(parameter.numel() for parameter in trainable(model)),
        **figures,
        **({"skipped": skipped} if skipped else {}),
    }


# Hash-defined tensors, as in workers/compute/graph/hashed_tensors.ts.


def hash_base(name, seed):
    value = 0x811C9DC5
    for byte in name.encode():
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value ^ (seed * 0x9E3779B9 & 0xFFFFFFFF)


def hashed_uniform(name, seed, count):
    """float64 in [0, 1), [count]"""
    x = (torch.arange(count, dtype=torch.int64) + hash_base(name, seed)) & 0xFFFFFFFF
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        x = multiply32(x ^ (x >> shift), factor)
    x = x ^ (x >> 16)
    return (x >> 8).double() / 2**24


def multiply32(values, factor):
    """The product modulo 2^32, computed in halves so that no 64-bit product overflows."""
    low, high = factor & 0xFFFF, factor >> 16
    return (values * low + ((values * high & 0xFFFF) << 16)) & 0xFFFFFFFF


def hashed_parameter(name, shape, seed):
    u = hashed_uniform(name, seed, math.prod(shape))
    kind = name.rsplit("/", 1)[1]
    if kind == "weights":
        values = (2 * u - 1) * math.sqrt(3 / math.prod(shape[:-1]))
    else:
        values = 0.5 + u if kind == "moving_variance" else (2 * u - 1) * 0.1
    return values.float().reshape(shape)


def hashed_images(batch, size, seed):
    """The input of the network, [batch, 3, size, size]."""
    fine = (256 * hashed_uniform("images/fine", seed, batch * size * size * 3)).floor().reshape(batch, size, size, 3)
    coarse = (256 * hashed_uniform("images/coarse", seed, batch * 25 * 3)).floor().reshape(batch, 5, 5, 3)
    cell = 5 * torch.arange(size) // size
    pixels = torch.div(3 * coarse[:, cell][:, :, cell] + fine, 4, rounding_mode="floor")
    return ((pixels - 127.5) / 128).float().permute(0, 3, 1, 2).contiguous()


def from_tensorflow(tensor):
    """[height, width, in, out] → [out, in, height, width], [in, out] → [out, in]"""
    return tensor.permute(3, 2, 0, 1) if tensor.dim() == 4 else tensor.t() if tensor.dim() == 2 else tensor


def to_tensorflow(tensor):
    return tensor.permute(2, 3, 1, 0) if tensor.dim() == 4 else tensor.t() if tensor.dim() == 2 else tensor


def tensors_in_order(model):
    """The model's tensors in the order of the graph's parameters: layer by layer, weights before their norm."""
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            yield module.weight
            if module.bias is not None:
                yield module.bias
        elif isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            yield from (module.bias, module.running_mean, module.running_var)


def distance(found, digest):
    """The distance of a tensor from the digest of the correct one: the larger relative error of its length and projection."""
    values = to_tensorflow(found.detach()).double().flatten()
    probe = 2 * hashed_uniform(f"probe/{digest['name']}", digest["seed"], values.numel()) - 1
    length = max(abs(digest["l2"]), 1e-12)
    return max(abs(values.norm().item() - length), abs((values * probe).sum().item() - digest["probe"])) / length


def check(path):
    """Returns the report; `agrees` says whether everything is within the bounds."""
    with open(path, encoding="utf8") as file:
        fixture = json.load(file)
    seed, parameters, train = fixture["seed"], fixture["parameters"], fixture["train"]
    model = InceptionResnetV1(fixture["embedding_size"], fixture["classes"])
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 1 - fixture["keep_probability"]
    tensors = dict(zip(parameters, tensors_in_order(model)))
    same_count = len(list(tensors_in_order(model))) == len(parameters)
    for name, tensor in tensors.items():
        with torch.no_grad():
            tensor.copy_(from_tensorflow(hashed_parameter(name, parameters[name]["shape"], seed)))
    images = hashed_images(fixture["batch_size"], fixture["image_size"], seed)
    labels = torch.tensor(fixture["labels"])

    with torch.no_grad():
        embeddings = functional.normalize(model.eval()(images)[0])
    embedding_error = (embeddings - torch.tensor(fixture["eval"]["embeddings"])).abs().max().item()

    loss, *losses = total_loss(model.train(), images, labels)
    loss.backward()
    expected = [train[name] for name in ("total_loss", "cross_entropy", "regularization", "prelogits_norm")]
    loss_error = max(abs(found.item() - value) / value for found, value in zip((loss, *losses), expected))
    gradient_errors = sorted(
        distance(tensors[name].grad, {**digest, "name": name, "seed": seed})
        for name, digest in train["gradients"].items()
        # Zero by construction if a batch norm follows a bias.
        if digest["l2"] > 1e-6
    )
    # The probe of these digests has the name of the layer.
    moving_errors = [
        distance(tensors[f"{layer}/BatchNorm/{kind}"], {**digest, "name": layer, "seed": seed})
        for kind in ("moving_mean", "moving_variance")
        for layer, digest in train[kind].items()
    ]
    report = {
        "parameters": sum(parameter.numel() for parameter in trainable(model)),
        "expected_parameters": sum(
            math.prod(spec["shape"]) for spec in parameters.values() if spec["trainable"]
        ),
        "embedding_error": embedding_error,
        "loss_error": loss_error,
        "median_gradient_error": gradient_errors[len(gradient_errors) // 2],
        "largest_moving_error": max(moving_errors),
    }
    report["agrees"] = (
        same_count
        and report["parameters"] == report["expected_parameters"]
        and embedding_error < 1e-5
        and loss_error < 1e-5
        and report["median_gradient_error"] < 2e-3
        and report["largest_moving_error"] < 1e-4
    )
    return report


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=90)
    parser.add_argument("--image_size", type=int, default=160)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--check", metavar="FIXTURE")
    arguments = parser.parse_args()
    if arguments.check:
        report = check(arguments.check)
        print(json.dumps(report))
        sys.exit(0 if report["agrees"] else 1)
    if arguments.device == "cuda" and not torch.cuda.is_available():
        print("PyTorch finds no GPU. --device cpu measures the processor.", file=sys.stderr)
        sys.exit(3)
    print(json.dumps(measure(arguments)))


main()
