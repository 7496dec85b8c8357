"""Parameters and floats of a ray of mip-NeRF and mip-NeRF 360, from their configuration alone."""

from __future__ import annotations

from nsg_cluster.config.mip import MipFieldConfig, MipNerf360Config, MipNerfConfig, ReflectionsConfig

__all__ = ["mip_floats_of_a_ray", "mip_parameters"]

# Positions, distances, owners, densities, colors, weights, and gradients of some of these.
FLOATS_OF_ANY_SAMPLE = 24
DIRECTIONS = {"axes": 3, "icosahedron": 21}


def mip_parameters(model: MipNerfConfig | MipNerf360Config) -> int:
    """Return the number of parameters, exactly."""
    field = model.field
    trunk, last = _trunk(field, field.width, field.hidden_layers)
    color = _color(field, last) if field.reflections is None else _reflected(field, field.reflections, last)
    radiance = trunk + _layer(last, 1) + color + (_layer(last, 3) if field.normals == "predicted" else 0)
    if isinstance(model, MipNerfConfig):
        return radiance
    proposals, last = _trunk(field, model.proposal_width, model.proposal_layers)
    return radiance + proposals + _layer(last, 1)


def mip_floats_of_a_ray(model: MipNerfConfig | MipNerf360Config) -> int:
    """Return the floats that a ray takes until its gradient is known: each layer's input, twice, for its gradient."""
    field = model.field
    large = _floats(field, field.width, field.hidden_layers) + 2 * (field.bottleneck + field.color_width)
    if field.normals != "untrained":
        large *= 2  # the gradients of density, and theirs
    if field.reflections is not None:
        large += _floats_reflected(field, field.reflections)
    if isinstance(model, MipNerfConfig):
        return 2 * model.samples * large
    return model.samples * large + sum(model.rounds) * _floats(field, model.proposal_width, model.proposal_layers)


def _color(field: MipFieldConfig, inputs: int) -> int:
    """Return the parameters of the head that is told the direction of view."""
    told = 0 if field.direction_frequencies is None else 3 + 6 * field.direction_frequencies
    first = _layer(inputs, field.bottleneck) + _layer(field.bottleneck + told, field.color_width)
    return first + _layer(field.color_width, 3)


def _reflected(field: MipFieldConfig, reflections: ReflectionsConfig, inputs: int) -> int:
    """Return the parameters of what says what a surface is like, and of what is told the reflected direction."""
    told = field.bottleneck + _harmonics(reflections) + 1
    layers, last = _stack(told, field.color_width, reflections.color_layers, field.skip_every)
    return _layer(inputs, 7) + _layer(inputs, field.bottleneck) + layers + _layer(last, 3)


def _floats_reflected(field: MipFieldConfig, reflections: ReflectionsConfig) -> int:
    """Return the floats of a sample beyond those of a head that is told the direction of view."""
    told = field.bottleneck + _harmonics(reflections) + 1
    skips = sum(index % field.skip_every == 0 for index in range(1, reflections.color_layers))
    recurrence = (1 << (reflections.levels - 1)) ** 2
    return 2 * (1 + skips) * told + 2 * (reflections.color_layers + skips) * field.color_width + recurrence


def _harmonics(reflections: ReflectionsConfig) -> int:
    return sum(2 * (1 << level) + 1 for level in range(reflections.levels))


def _floats(field: MipFieldConfig, width: int, layers: int) -> int:
    skips = sum(index % field.skip_every == 0 for index in range(1, layers))
    return FLOATS_OF_ANY_SAMPLE + 2 * ((1 + skips) * _encoded(field) + (layers + skips) * width)


def _trunk(field: MipFieldConfig, width: int, layers: int) -> tuple[int, int]:
    """Return the parameters of a trunk, and how many numbers it hands on."""
    return _stack(_encoded(field), width, layers, field.skip_every)


def _stack(told: int, width: int, layers: int, skip_every: int) -> tuple[int, int]:
    """Return the parameters of layers that are told so many numbers, now and then once more, and what they hand on."""
    total, inputs = 0, told
    for index in range(layers):
        total += _layer(inputs, width)
        inputs = width + (told if index > 0 and index % skip_every == 0 else 0)
    return total, inputs


def _encoded(field: MipFieldConfig) -> int:
    return 2 * field.frequencies * DIRECTIONS[field.directions]


def _layer(inputs: int, outputs: int) -> int:
    return (inputs + 1) * outputs
