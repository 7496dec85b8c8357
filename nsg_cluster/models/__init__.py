"""Radiance fields that can be rendered: a field, a sampler and a renderer put together."""
