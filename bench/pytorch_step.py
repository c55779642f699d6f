"""Times the training step of Inception-ResNet-v1 in PyTorch on the same GPU, to hold the engine against.

Eager mode, float32: with TF32 off and on, and with channels_last on top of each. Prints one line of JSON;
exit code 3 where PyTorch or a GPU is missing.
"""
import argparse
import json
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


def time_step(arguments, tf32, channels_last):
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cudnn.benchmark = True
    layout = torch.channels_last if channels_last else torch.contiguous_format
    model = InceptionResnetV1(512, arguments.classes).cuda().to(memory_format=layout).train()
    weights = [parameter for name, parameter in model.named_parameters() if parameter.dim() > 1]
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 0.01, eps=0.1)
    size = arguments.image_size
    images = torch.randn(arguments.batch, 3, size, size, device="cuda").to(memory_format=layout)
    labels = torch.arange(arguments.batch, device="cuda") % arguments.classes

    def step():
        optimizer.zero_grad(set_to_none=True)
        prelogits, logits = model(images)
        regularization = 2.5e-4 * sum(weight.square().sum() for weight in weights)
        norm = 5e-4 * (prelogits.abs() + 1e-4).sum(1).mean()
        (functional.cross_entropy(logits, labels) + regularization + norm).backward()
        optimizer.step()

    for _ in range(5):
        step()
    torch.cuda.synchronize()
    started_at = time.perf_counter()
    for _ in range(arguments.steps):
        step()
    torch.cuda.synchronize()
    return 1000 * (time.perf_counter() - started_at) / arguments.steps


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=90)
    parser.add_argument("--image_size", type=int, default=160)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--steps", type=int, default=20)
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        print("PyTorch finds no GPU.", file=sys.stderr)
        sys.exit(3)
    figures = {
        f"{'tf32' if tf32 else 'fp32'}{'_channels_last' if channels_last else ''}_ms": time_step(arguments, tf32, channels_last)
        for tf32 in (False, True)
        for channels_last in (False, True)
    }
    print(json.dumps({"device": torch.cuda.get_device_name(), "torch": torch.__version__, **figures}))


main()
