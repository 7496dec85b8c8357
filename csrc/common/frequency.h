// Sinusoidal encodings (NeRF, eq. 4, without its factor pi) and their expectation over Gaussians (mip-NeRF, eq. 14).
// Frequencies are 2^k, k from lowest to lowest + count - 1; for each, the sines of all coordinates, then the cosines.
#pragma once

#include "platform.h"

namespace nsg {

// variances and what belongs to them may be null.
struct FrequencyEncodeForward {
    int64_t points;
    int32_t dims, count, lowest;
    const float *means, *variances;
    float* encoded;
};

struct FrequencyEncodeBackward {
    int64_t points;
    int32_t dims, count, lowest;
    const float *means, *variances, *grad_encoded;
    float *grad_means, *grad_variances;
};

struct Waves {
    float sine, cosine;
};

// Reduced in double precision to a quarter turn, where two polynomials do: accurate for angles up to 10^9, without a
// call or a branch.
NSG_HD Waves waves(float angle) {
#if defined(__CUDA_ARCH__)
    Waves result;
    sincosf(angle, &result.sine, &result.cosine);
    return result;
#else
    const double magic =
        6755399441055744.0;  // 1.5 * 2^52: adding it rounds to an integer, which stands in the low bits
    const double shifted = static_cast<double>(angle) * 0.63661977236758134 + magic;
    uint64_t bits;
    __builtin_memcpy(&bits, &shifted, sizeof bits);
    const auto quarter = static_cast<uint32_t>(bits);
    // Larger angles are further apart than a turn, so that any wave is right that stays a wave.
    const float rest = static_cast<float>(static_cast<double>(angle) - (shifted - magic) * 1.5707963267948966);
    const float x = least(0.8f, greatest(-0.8f, rest));
    const float s = x * x;
    const float sine = x + x * s * (-1.6666654611e-1f + s * (8.3321608736e-3f - s * 1.9515295891e-4f));
    const float cosine =
        1.0f - 0.5f * s + s * s * (4.166664568298827e-2f + s * (-1.388731625493765e-3f + s * 2.443315711809948e-5f));
    const float a = quarter & 1 ? cosine : sine, b = quarter & 1 ? sine : cosine;
    return {quarter & 2 ? -a : a, (quarter + 1) & 2 ? -b : b};
#endif
}

NSG_HD float power_of_two(int32_t k) { return ldexpf(1.0f, k); }

// exp(-f^2 v / 2), the damping of a wave by a Gaussian of variance v.
NSG_HD float damping(float frequency, float variance) {
    return exponential(-0.5f * frequency * frequency * variance).exp;
}

}  // namespace nsg
