"""The section ``train``: how long and how training runs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from nsg_cluster.config.base import Config, Fraction, NonNegative, PositiveFloat, PositiveInt, RunReference

__all__ = [
    "Background",
    "CenterCrop",
    "DeadStart",
    "LossConfig",
    "OptimizerConfig",
    "ReptileConfig",
    "ScheduleConfig",
    "TrainConfig",
]

Background = Literal["white", "black", "random"]
Beta = Annotated[float, Field(ge=0, lt=1)]


class LookaheadConfig(Config):
    """Weights that go ahead and part of the way back (Zhang et al., https://arxiv.org/abs/1907.08610)."""

    every: Annotated[int, Field(ge=2)] = 6
    """Steps ahead."""
    share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Part of the way that remains of them."""


class OptimizerConfig(Config):
    """What moves the weights."""

    kind: Literal["adam", "radam", "nadam", "sgd"] = "adam"
    """``adam`` suits most; ``radam`` starts more gently, which saves scenes with much empty space; ``sgd`` has a
    momentum of ``betas[0]``."""
    backend: Literal["native", "torch", "apex"] = "native"
    """Of ``adam``: ``native`` passes over entries of hash tables that no sample touched; ``torch`` and ``apex`` are the
    fused Adams of those packages, the latter on a GPU. The other kinds are PyTorch's."""
    learning_rate: Annotated[float, Field(gt=0, le=10)] = 1e-2
    """Peak learning rate."""
    betas: tuple[Beta, Beta] = (0.9, 0.99)
    """Decay of the first and second moment."""
    eps: PositiveFloat = 1e-15
    """Added to the root of the second moment."""
    weight_decay: NonNegative = 0.0
    """L2 penalty on network weights (never on the hash grid)."""
    max_grad_norm: PositiveFloat | None = None
    """Clip gradients to this norm; no clipping by default."""
    lookahead: LookaheadConfig | None = None
    """Go ahead by this optimizer for some steps, and part of the way back; ``kind: radam`` with ``lookahead: {}`` is
    Ranger. Not by default."""


class ScheduleConfig(Config):
    """Learning rate over the steps."""

    kind: Literal["constant", "cosine", "exponential", "milestones", "polynomial"] = "exponential"
    """Shape after the warm-up."""
    warmup_steps: Annotated[int, Field(ge=0)] = 100
    """Steps over which the rate rises."""
    warmup: Literal["linear", "delay"] = "linear"
    """``linear``: the rate rises evenly, and the curve begins after that. ``delay``: the curve begins at once, and is
    multiplied by what rises as a quarter of a sine (lr_delay_steps of mip-NeRF)."""
    warmup_from: Fraction = 0.0
    """Where the rise begins, as a fraction of where it ends (lr_delay_mult of mip-NeRF)."""
    decay_steps: PositiveInt | None = None
    """Steps after which ``cosine``, ``exponential`` and ``polynomial`` are at their end and the rate stays; the whole
    training by default."""
    final_factor: Annotated[float, Field(gt=0, le=1)] = 0.033
    """Rate at the end, as a fraction of the peak, of ``cosine`` and ``exponential``."""
    milestones: tuple[Fraction, ...] = (0.5, 0.75, 0.9)
    """Parts of the training after which ``milestones`` lowers the rate."""
    milestone_factor: Annotated[float, Field(gt=0, le=1)] = 0.33
    """Factor by which it does."""
    power: PositiveFloat = 0.9
    """Of ``polynomial``: the rate is the part of the training that is left, to this power."""

    @model_validator(mode="after")
    def _decay_has_an_end(self) -> ScheduleConfig:
        if self.decay_steps is not None and self.kind in {"constant", "milestones"}:
            raise ValueError(f"decay_steps says nothing where kind is '{self.kind}'; leave it out")
        return self


class LossConfig(Config):
    """Weights and kinds of the loss terms."""

    photometric: Literal["mse", "huber", "charbonnier"] = "huber"
    """Distance between rendered and true color."""
    opacity_entropy: NonNegative = 1e-3
    """Weight of -o ln o, which pushes the opacity o of a ray to 0 or 1."""
    distortion: NonNegative = 0.0
    """Weight of the distortion loss of mip-NeRF 360 (eq. 15): in scene units along the ray, and in normalized distance
    with ``model.sampler.kind: proposal``."""
    coarse: NonNegative = 1.0
    """Weight of the same distance for the first of two passes, with ``model.kind`` ``nerf`` and ``mipnerf``."""
    interlevel: NonNegative = 1.0
    """Weight of the loss from which proposals learn (mip-NeRF 360, eq. 13), with ``model.sampler.kind: proposal``."""
    orientation: NonNegative = 0.1
    """Weight of what of a surface is seen from behind (Ref-NeRF, eq. 11), with ``model.field.normals``."""
    predicted_normals: NonNegative = 3e-4
    """Weight of the squared distance between predicted normals and those of the density (Ref-NeRF, eq. 10), with
    ``model.field.normals: predicted``."""
    sky: NonNegative = 0.0
    """Weight of the opacity of rays into the sky, of which class maps tell (Virtual KITTI 2, the street): what is far
    away and high up is left to ``model.sky``."""
    latent: NonNegative = 0.0
    """Weight of the sum of the lengths of the objects' latent vectors (latent_balance; Neural Scene Graphs, eq. 9)."""
    class_prior: NonNegative = 0.0
    """Weight of the squared distances of the objects' latent vectors from the mean of their class."""


class ReptileConfig(Config):
    """Reptile (Nichol et al., arXiv:1803.02999): learn weights from which few steps lead to any of many objects."""

    inner_steps: PositiveInt = 32
    """Steps on one object, at whose end the start moves towards where they led."""
    rate: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Part of that way that the start moves; it falls evenly to 0 over the training."""


class DeadStart(Config):
    """When a start counts as dead, and what follows."""

    check_step: PositiveInt = 300
    """Step at which opacity is looked at."""
    restarts: Annotated[int, Field(ge=0, le=10)] = 1
    """How often training starts again from another seed before it is given up."""


class CenterCrop(Config):
    """Training on the middle of the images at first, where the object is."""

    steps: PositiveInt = 500
    """Steps during which pixels are drawn from the middle alone (precrop_iters, center_crop_iter)."""
    fraction: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Part of the width and of the height that counts as the middle (precrop_frac)."""


class TrainConfig(Config):
    """How long and how training runs."""

    steps: PositiveInt = 2000
    """Optimizer steps."""
    rays: Annotated[int, Field(ge=16, le=1 << 20)] = 1024
    """Rays of the first step; later steps take as many as give ``samples``."""
    samples: Annotated[int, Field(ge=256, le=1 << 24)] | None = 1 << 15
    """Field evaluations aimed at in each step, which bounds memory; ``null`` to take as many ``rays`` in every step. On
    a GPU whose memory is full, half of them, and then again half."""
    rays_at_once: Annotated[int, Field(ge=16)] | None = None
    """Rays whose gradients are computed at once; those of a step's parts add up to the same, in less memory. All by
    default."""
    pixels: Literal["uniform", "error_map", "one_image"] = "uniform"
    """Which pixels are drawn: all equally often, or half of them where errors were large, or in each step those of one
    image alone."""
    center_crop: CenterCrop | None = None
    """Look at the middle of the images first; not by default."""
    jitter: bool = True
    """Take samples at random within their intervals, and let networks add their noise; false for the same places in
    every step (perturb, randomized of the original programs)."""
    background: Background = "random"
    """Color behind transparent training pixels; evaluation uses ``evaluate.background``."""
    transmittance_threshold: Annotated[float, Field(ge=0, lt=1)] = 1e-4
    """Samples that less than this fraction of a ray's light reaches get no gradient, which is faster; 0 for all. Not
    with ``model.sampler.kind: proposal``, whose few samples all count."""
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """Numbers inside the networks; everything else is float32. ``float16`` is for GPUs, with scaling of the loss."""
    optimizer: OptimizerConfig = OptimizerConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    loss: LossConfig = LossConfig()
    processes: Annotated[int, Field(ge=1, le=16)] = 1
    """Processes of one node that train one model: each renders its share of every batch, on a GPU of its own, or on
    its share of the CPU threads."""
    ema_decay: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Evaluate a running mean of the weights, of which this part is kept at each step; the weights themselves by
    default."""
    reptile: ReptileConfig | None = None
    """Learn one start for the networks of all objects, for ``model.objects.start_from`` of other experiments; with
    ``data.kind`` ``vehicles`` or ``object_views``. Not by default."""
    dead_start: DeadStart = DeadStart()
    checkpoint_every_s: PositiveFloat = 60.0
    """Seconds between checkpoints (one is also written at the end and on a warning signal)."""
    keep_checkpoints: PositiveInt = 2
    """Newest checkpoints that are kept."""
    log_every: PositiveInt = 50
    """Steps between scalars in the event files."""
    preview_every: PositiveInt | None = 500
    """Steps between previews of one held-out view; ``null`` for none."""
    start_from: RunReference | None = None
    """Begin with the newest weights of another run, as far as they fit: its id, the beginning of one, ``@last``, its
    folder, or that of one of its tasks. The optimizer and the steps begin afresh."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to compute; ``auto`` takes a GPU where there is one."""
    threads: PositiveInt | None = None
    """CPU threads; all that the job has by default."""

    @model_validator(mode="after")
    def _fits_the_device(self) -> TrainConfig:
        wrong = []
        if self.device == "cpu" and self.precision == "float16":
            wrong.append("precision 'float16' needs a GPU and device is 'cpu'; take 'float32'")
        if self.device == "cpu" and self.optimizer.backend == "apex":
            wrong.append("optimizer.backend 'apex' needs a GPU and device is 'cpu'; take 'native'")
        if self.optimizer.backend != "native" and self.optimizer.kind != "adam":
            wrong.append(f"optimizer.backend '{self.optimizer.backend}' is of kind 'adam'; leave it out")
        if self.center_crop is not None and self.pixels == "error_map":
            wrong.append("pixels 'error_map' draws from whole images; leave center_crop out, or take 'uniform'")
        if self.reptile is not None and (
            self.ema_decay is not None or self.optimizer.lookahead is not None or self.pixels != "uniform"
        ):
            wrong.append(
                "reptile draws pixels of one object after another and keeps weights itself; leave out pixels, "
                "ema_decay and optimizer.lookahead"
            )
        if wrong:
            raise ValueError("\n".join(wrong))
        return self
