// Every op, as the structure of its arguments. A backend defines one function `run` for each.
#pragma once

#include "encode.h"
#include "volume.h"

#define NSG_OPS(X)                \
    X(HashEncodeForward)          \
    X(HashEncodeBackward)         \
    X(SphericalHarmonicsForward)  \
    X(SphericalHarmonicsBackward) \
    X(TruncExpForward)            \
    X(TruncExpBackward)           \
    X(CompositeForward)           \
    X(CompositeBackward)          \
    X(DistortionForward)          \
    X(DistortionBackward)
