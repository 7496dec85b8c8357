// Every op, as the structure of its arguments. A backend defines one function `run` for each.
#pragma once

#include "adam.h"
#include "bits.h"
#include "encode.h"
#include "march.h"
#include "mlp.h"
#include "volume.h"

#define NSG_OPS(X)                \
    X(AdamStep)                   \
    X(MortonEncode)               \
    X(MortonDecode)               \
    X(PackBits)                   \
    X(UnpackBits)                 \
    X(HashEncodeForward)          \
    X(HashEncodeBackward)         \
    X(SphericalHarmonicsForward)  \
    X(SphericalHarmonicsBackward) \
    X(TruncExpForward)            \
    X(TruncExpBackward)           \
    X(MlpForward)                 \
    X(MlpBackward)                \
    X(IntersectBox)               \
    X(MarchCount)                 \
    X(MarchWrite)                 \
    X(CompositeForward)           \
    X(CompositeBackward)          \
    X(DistortionForward)          \
    X(DistortionBackward)
