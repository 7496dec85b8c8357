"""Instant-NGP: the field is a hash grid with two small networks.

Müller et al., "Instant Neural Graphics Primitives with a Multiresolution Hash Encoding",
https://arxiv.org/abs/2201.05989.
"""

from __future__ import annotations

from nsg_cluster.fields.radiance import HashRadianceField
from nsg_cluster.models.one_field import OneField

__all__ = ["InstantNgp"]


class InstantNgp(OneField):
    """A hash field under either sampler."""

    field: HashRadianceField
