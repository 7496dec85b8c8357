"""The section ``train``: how long and how training runs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from nsg_cluster.config.base import Config, Fraction, NonNegative, PositiveFloat, PositiveInt

__all__ = ["Background", "DeadStart", "LossConfig", "OptimizerConfig", "ScheduleConfig", "TrainConfig"]

Background = Literal["white", "black", "random"]
Beta = Annotated[float, Field(ge=0, lt=1)]


class OptimizerConfig(Config):
    """Adam."""

    backend: Literal["native", "torch", "apex"] = "native"
    """``native`` passes over entries of hash tables that no sample touched; ``torch`` and ``apex`` are the fused Adams
    of those packages, the latter on a GPU."""
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


class ScheduleConfig(Config):
    """Learning rate over the steps."""

    kind: Literal["constant", "cosine", "exponential", "milestones"] = "exponential"
    """Shape after the warm-up."""
    warmup_steps: Annotated[int, Field(ge=0)] = 100
    """Steps over which the rate rises linearly."""
    final_factor: Annotated[float, Field(gt=0, le=1)] = 0.033
    """Rate at the last step, as a fraction of the peak, of ``cosine`` and ``exponential``."""
    milestones: tuple[Fraction, ...] = (0.5, 0.75, 0.9)
    """Parts of the training after which ``milestones`` lowers the rate."""
    milestone_factor: Annotated[float, Field(gt=0, le=1)] = 0.33
    """Factor by which it does."""


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
    latent: NonNegative = 0.0
    """Weight of the sum of the lengths of the objects' latent vectors (latent_balance; Neural Scene Graphs, eq. 9)."""
    class_prior: NonNegative = 0.0
    """Weight of the squared distances of the objects' latent vectors from the mean of their class."""


class DeadStart(Config):
    """When a start counts as dead, and what follows."""

    check_step: PositiveInt = 300
    """Step at which opacity is looked at."""
    restarts: Annotated[int, Field(ge=0, le=10)] = 1
    """How often training starts again from another seed before it is given up."""


class TrainConfig(Config):
    """How long and how training runs."""

    steps: PositiveInt = 2000
    """Optimizer steps."""
    rays: Annotated[int, Field(ge=16, le=1 << 20)] = 1024
    """Rays of the first step; later steps take as many as give ``samples``."""
    samples: Annotated[int, Field(ge=256, le=1 << 24)] | None = 1 << 15
    """Field evaluations aimed at in each step, which bounds memory; ``null`` to take as many ``rays`` in every step. On
    a GPU whose memory is full, half of them, and then again half."""
    pixels: Literal["uniform", "error_map"] = "uniform"
    """Which pixels are drawn: all equally often, or half of them where errors were large."""
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
    ema_decay: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Evaluate a running mean of the weights, of which this part is kept at each step; the weights themselves by
    default."""
    dead_start: DeadStart = DeadStart()
    checkpoint_every_s: PositiveFloat = 60.0
    """Seconds between checkpoints (one is also written at the end and on a warning signal)."""
    keep_checkpoints: PositiveInt = 2
    """Newest checkpoints that are kept."""
    log_every: PositiveInt = 50
    """Steps between scalars in the event files."""
    preview_every: PositiveInt | None = 500
    """Steps between previews of one held-out view; ``null`` for none."""
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
        if wrong:
            raise ValueError("\n".join(wrong))
        return self
