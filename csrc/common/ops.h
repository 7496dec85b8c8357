// Every op, as the structure of its arguments. A backend defines one function `run` for each.
#pragma once

#include "adam.h"
#include "bits.h"
#include "boxes.h"
#include "encode.h"
#include "frequency.h"
#include "histogram.h"
#include "lens.h"
#include "march.h"
#include "merge.h"
#include "mlp.h"
#include "occupancy.h"
#include "volume.h"

#define NSG_OPS(X)                \
    X(AdamStep)                   \
    X(MortonEncode)               \
    X(MortonDecode)               \
    X(PackBits)                   \
    X(UnpackBits)                 \
    X(BoxHitsCount)               \
    X(BoxHitsWrite)               \
    X(HashEncodeForward)          \
    X(HashEncodeBackward)         \
    X(SphericalHarmonicsForward)  \
    X(SphericalHarmonicsBackward) \
    X(TruncExpForward)            \
    X(TruncExpBackward)           \
    X(FrequencyEncodeForward)     \
    X(FrequencyEncodeBackward)    \
    X(SampleHistogram)            \
    X(DilateHistogram)            \
    X(InterlevelLossForward)      \
    X(InterlevelLossBackward)     \
    X(CameraDirections)           \
    X(IntersectBox)               \
    X(MarchCount)                 \
    X(MarchWrite)                 \
    X(MergeByDepth)               \
    X(MlpForward)                 \
    X(MlpBackward)                \
    X(UpdateOccupancy)            \
    X(IsInvisible)                \
    X(CompositeForward)           \
    X(CompositeBackward)          \
    X(DistortionForward)          \
    X(DistortionBackward)
