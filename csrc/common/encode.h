// Encodings of points and directions. The hash grid follows tiny-cuda-nn: a point x of the unit cube stands at
// p = scale x + 0.5 on a level, between the corners floor(p) and floor(p) + 1; a level of at most T grid points is
// stored densely, x fastest, a larger one hashed into T entries.
#pragma once

#include "platform.h"

namespace nsg {

constexpr int kMaxLevels = 32;
constexpr int kMaxDegree = 8;

struct HashLevel {
    float scale;
    uint32_t resolution, offset, size;
};

struct HashGrid {
    int32_t levels, features;
    HashLevel level[kMaxLevels];
};

// encoded is stored feature by feature: [levels * features, points].
struct HashEncodeForward {
    HashGrid grid;
    int64_t points;
    const float *positions, *table;
    float* encoded;
};

// grad_table holds zeros beforehand. grad_positions may be null.
struct HashEncodeBackward {
    HashGrid grid;
    int64_t points;
    const float *positions, *table, *grad_encoded;
    float *grad_table, *grad_positions;
};

struct SphericalHarmonicsForward {
    int64_t points;
    int32_t degree;
    const float* directions;
    float* encoded;
};

struct SphericalHarmonicsBackward {
    int64_t points;
    int32_t degree;
    const float *directions, *grad_encoded;
    float* grad_directions;
};

struct TruncExpForward {
    int64_t count;
    const float* x;
    float* value;
};

struct TruncExpBackward {
    int64_t count;
    const float *x, *grad_value;
    float* grad_x;
};

// Where a coordinate stands on a level: the cell, how far into it, and the factor from there to the coordinate.
struct Place {
    uint32_t cell;
    float upper;
};

NSG_HD Place place_on_level(float x, float scale) {
    // Outside the unit interval a point is moved to its border. A NaN stays one in the weights, and picks cell 0.
    const float position = least(1.0f, greatest(0.0f, x)) * scale + 0.5f;
    const float cell = floorf(position);
    return {static_cast<uint32_t>(static_cast<int32_t>(greatest(cell, 0.0f))), position - cell};
}

// Terms of the entry's index along each axis; hashed or dense decides how the three are mixed.
constexpr uint32_t kPrimeY = 2654435761u, kPrimeZ = 805459861u;

NSG_HD bool is_dense(const HashLevel& level) {
    return static_cast<uint64_t>(level.resolution) * level.resolution * level.resolution <= level.size;
}

NSG_HD uint32_t mix_hashed(uint32_t x, uint32_t y, uint32_t z, uint32_t size) { return (x ^ y ^ z) & (size - 1); }

// The corner beyond the last one wraps around; one subtraction is enough from resolution 2 on, and 1 never wraps.
NSG_HD uint32_t mix_dense(uint32_t x, uint32_t y, uint32_t z, uint32_t size) {
    const uint32_t entry = x + (y + z);
    return entry < size ? entry : entry - size;
}

NSG_HD uint32_t hashed_entry(uint32_t x, uint32_t y, uint32_t z, uint32_t size) {
    return mix_hashed(x, y * kPrimeY, z * kPrimeZ, size);
}

NSG_HD uint32_t dense_entry(uint32_t x, uint32_t y, uint32_t z, uint32_t resolution, uint32_t size) {
    return mix_dense(x, resolution * y, resolution * resolution * z, size);
}

// Derivatives of trilinear interpolation between the corners of a cell: x changes with the lowest bit of the corner's
// index, then y, then z; upper is how far into the cell the place lies along each axis.
struct Slope {
    float x, y, z;
};

NSG_HD float mix(float a, float b, float share) { return a + share * (b - a); }

NSG_HD Slope interpolation_slope(const float* corner, float upper_x, float upper_y, float upper_z) {
    const float a = mix(corner[0], corner[1], upper_x), b = mix(corner[2], corner[3], upper_x);
    const float c = mix(corner[4], corner[5], upper_x), d = mix(corner[6], corner[7], upper_x);
    const float near = mix(corner[1] - corner[0], corner[3] - corner[2], upper_y);
    const float far = mix(corner[5] - corner[4], corner[7] - corner[6], upper_y);
    return {mix(near, far, upper_z), mix(b - a, d - c, upper_z), mix(c - a, d - b, upper_y)};
}

// Where moving a coordinate moves the point: outside it stays on the border.
NSG_HD bool is_in_unit_interval(float x) { return x >= 0.0f && x <= 1.0f; }

// Real spherical harmonics below a degree, as polynomials of a unit vector: N_lm P_l^m(z) / sin^m(theta) times the
// real or imaginary part of (x + i y)^m. Their derivatives are those of the polynomials.
// Visits each: f(index, value, d/dx, d/dy, d/dz). T is float, or a vector of floats.
template <class T, class Function>
NSG_HD void for_each_harmonic(T x, T y, T z, int degree, Function f) {
    // sqrt((2 l + 1) / (4 pi) (l - m)! / (l + m)!), times sqrt(2) for m > 0; row m, column l.
    constexpr float scales[kMaxDegree][kMaxDegree] = {
        {0.282094792f, 0.488602512f, 0.630783131f, 0.746352665f, 0.846284375f, 0.93560258f, 1.01710724f, 1.09254843f},
        {0, 0.488602512f, 0.36418281f, 0.3046972f, 0.267618617f, 0.241571547f, 0.221950995f, 0.206472246f},
        {0, 0, 0.182091405f, 0.0963537148f, 0.0630783131f, 0.0456527313f, 0.0350935337f, 0.0280973138f},
        {0, 0, 0, 0.0393362393f, 0.0168583883f, 0.00931882475f, 0.00584892228f, 0.00397356023f},
        {0, 0, 0, 0, 0.00596034034f, 0.00219646806f, 0.00106786222f, 0.000599036743f},
        {0, 0, 0, 0, 0, 0.000694584187f, 0.000227668991f, 9.98394572e-05f},
        {0, 0, 0, 0, 0, 0, 6.57223766e-05f, 1.95801285e-05f},
        {0, 0, 0, 0, 0, 0, 0, 5.23300945e-06f},
    };
    const T one = x * 0.0f + 1.0f, zero = x * 0.0f;
    T cosine = one, sine = zero;                 // of m phi, times sin^m(theta)
    T cosine_before = zero, sine_before = zero;  // of (m - 1) phi
    float diagonal = 1.0f;                       // P_m^m
    for (int m = 0; m < degree; ++m) {
        T p = diagonal * one, p_before = zero;  // P_l^m and P_(l-1)^m, divided by sin^m(theta)
        T dp = zero, dp_before = zero;          // by z
        for (int order = m; order < degree; ++order) {
            const T value = scales[m][order] * p, slope = scales[m][order] * dp;
            const T turn = value * static_cast<float>(m);  // d(x + iy)^m = m (x + iy)^(m-1) d(x + iy)
            const int center = order * (order + 1);
            f(center + m, value * cosine, turn * cosine_before, -turn * sine_before, slope * cosine);
            if (m > 0) f(center - m, value * sine, turn * sine_before, turn * cosine_before, slope * sine);
            const float a = static_cast<float>(2 * order + 1), b = static_cast<float>(order + m);
            const float inverse = 1.0f / static_cast<float>(order - m + 1);
            const T p_next = (a * z * p - b * p_before) * inverse;
            const T dp_next = (a * (p + z * dp) - b * dp_before) * inverse;
            p_before = p;
            p = p_next;
            dp_before = dp;
            dp = dp_next;
        }
        diagonal *= -static_cast<float>(2 * m + 1);
        cosine_before = cosine;
        sine_before = sine;
        cosine = x * cosine_before - y * sine_before;
        sine = x * sine_before + y * cosine_before;
    }
}

NSG_HD float trunc_exp(float x) {
    const float value = exponential(x).exp;
    return x > 88.72f ? INFINITY : value;
}

NSG_HD float trunc_exp_slope(float x) { return exponential(least(15.0f, greatest(-15.0f, x))).exp; }

}  // namespace nsg
