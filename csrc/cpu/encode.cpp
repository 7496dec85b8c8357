#include "cpu.h"

namespace nsg::NSG_ISA {
namespace {

constexpr int kBlock = 64;        // points whose corners are found together, as vectors
constexpr int64_t kChunk = 4096;  // points of a task
constexpr int kLine = 16;         // floats of a cache line

// Corners of a block of points on a level: entries and weights, and what the weights are made of.
struct Corners {
    alignas(64) uint32_t entry[8][kBlock];
    alignas(64) float weight[8][kBlock];
    alignas(64) float upper[3][kBlock];

    void find(const HashLevel& level, const float* positions, int count) {
        alignas(64) uint32_t cell[3][kBlock];
        for (int i = 0; i < count; ++i) {
            for (int d = 0; d < 3; ++d) {
                const Place place = place_on_level(positions[3 * i + d], level.scale);
                cell[d][i] = place.cell;
                upper[d][i] = place.upper;
            }
        }
        const uint32_t size = level.size, row = level.resolution;
        const auto dense = [=](uint32_t x, uint32_t y, uint32_t z) { return mix_dense(x, y, z, size); };
        const auto hashed = [=](uint32_t x, uint32_t y, uint32_t z) { return mix_hashed(x, y, z, size); };
        if (is_dense(level)) {
            mix(cell, count, row, row * row, dense);
        } else {
            mix(cell, count, kPrimeY, kPrimeZ, hashed);
        }
    }

    // The terms of a corner's index are its coordinates times 1, factor_y and factor_z: all at once, they are few.
    template <class Entry>
    void mix(const uint32_t (&cell)[3][kBlock], int count, uint32_t factor_y, uint32_t factor_z, Entry entry_of) {
        for (int i = 0; i < count; ++i) {
            const uint32_t x = cell[0][i], y = cell[1][i] * factor_y, z = cell[2][i] * factor_z;
            const uint32_t xs[2] = {x, x + 1}, ys[2] = {y, y + factor_y}, zs[2] = {z, z + factor_z};
            const float wx[2] = {1.0f - upper[0][i], upper[0][i]}, wy[2] = {1.0f - upper[1][i], upper[1][i]};
            const float wz[2] = {1.0f - upper[2][i], upper[2][i]};
#pragma GCC unroll 8
            for (int corner = 0; corner < 8; ++corner) {
                const int dx = corner & 1, dy = corner >> 1 & 1, dz = corner >> 2;
                entry[corner][i] = entry_of(xs[dx], ys[dy], zs[dz]);
                weight[corner][i] = wx[dx] * wy[dy] * wz[dz];
            }
        }
    }
};

// Calls f with the number of features as a constant, so that loops over them are unrolled.
template <class Function>
void with_features(int features, Function f) {
    switch (features) {
        case 1: return f(std::integral_constant<int, 1>());
        case 2: return f(std::integral_constant<int, 2>());
        case 4: return f(std::integral_constant<int, 4>());
        case 8: return f(std::integral_constant<int, 8>());
    }
}

// Reads a share of a level's entries, in order: where most of them will be looked up, that is quicker than to wait for
// memory at each. (Prefetch instructions were tried, and did not help.)
void read_ahead(const HashLevel& level, int features, int64_t points, const float* table, int64_t part, int64_t parts) {
    const int64_t size = static_cast<int64_t>(level.size) * features;
    if (8 * kLine * points < size) return;
    const float* from = table + static_cast<int64_t>(level.offset) * features;
    float sum = 0.0f;
    for (int64_t i = size * part / parts; i < size * (part + 1) / parts; i += kLine) sum += from[i];
    [[maybe_unused]] volatile float read = sum;
}

template <int F>
void encode(const HashLevel& level, const HashEncodeForward& a, float* encoded, int64_t begin, int64_t end) {
    const float* table = a.table + static_cast<int64_t>(level.offset) * F;
    Corners corners;
    for (int64_t first = begin; first < end; first += kBlock) {
        const int count = static_cast<int>(end - first < kBlock ? end - first : kBlock);
        corners.find(level, a.positions + 3 * first, count);
        for (int i = 0; i < count; ++i) {
            float sum[F] = {};
            for (int corner = 0; corner < 8; ++corner) {
                const float* entry = table + static_cast<int64_t>(corners.entry[corner][i]) * F;
                const float weight = corners.weight[corner][i];
                for (int f = 0; f < F; ++f) sum[f] += weight * entry[f];
            }
            for (int f = 0; f < F; ++f) encoded[f * a.points + first + i] = sum[f];
        }
    }
}

template <int F>
void encode_backward_table(const HashLevel& level, const HashEncodeBackward& a, const float* grad_encoded) {
    float* grad_table = a.grad_table + static_cast<int64_t>(level.offset) * F;
    Corners corners;
    for (int64_t first = 0; first < a.points; first += kBlock) {
        const int count = static_cast<int>(a.points - first < kBlock ? a.points - first : kBlock);
        corners.find(level, a.positions + 3 * first, count);
        for (int i = 0; i < count; ++i) {
            float gradient[F];
            for (int f = 0; f < F; ++f) gradient[f] = grad_encoded[f * a.points + first + i];
            for (int corner = 0; corner < 8; ++corner) {
                float* entry = grad_table + static_cast<int64_t>(corners.entry[corner][i]) * F;
                const float weight = corners.weight[corner][i];
                for (int f = 0; f < F; ++f) entry[f] += weight * gradient[f];
            }
        }
    }
}

// Adds the gradient by the positions that one level gives.
template <int F>
void encode_backward_positions(
    const HashLevel& level, const HashEncodeBackward& a, const float* grad_encoded, int64_t begin, int64_t end) {
    const float* table = a.table + static_cast<int64_t>(level.offset) * F;
    Corners corners;
    alignas(64) float value[8][kBlock];  // what a corner's features are worth to the loss
    for (int64_t first = begin; first < end; first += kBlock) {
        const int count = static_cast<int>(end - first < kBlock ? end - first : kBlock);
        corners.find(level, a.positions + 3 * first, count);
        for (int i = 0; i < count; ++i) {
            for (int corner = 0; corner < 8; ++corner) {
                const float* entry = table + static_cast<int64_t>(corners.entry[corner][i]) * F;
                float sum = 0.0f;
                for (int f = 0; f < F; ++f) sum += entry[f] * grad_encoded[f * a.points + first + i];
                value[corner][i] = sum;
            }
        }
        for (int i = 0; i < count; ++i) {
            const float at[8] = {value[0][i], value[1][i], value[2][i], value[3][i],
                                 value[4][i], value[5][i], value[6][i], value[7][i]};
            const Slope slope = interpolation_slope(at, corners.upper[0][i], corners.upper[1][i], corners.upper[2][i]);
            const float* position = a.positions + 3 * (first + i);
            float* gradient = a.grad_positions + 3 * (first + i);
            gradient[0] += is_in_unit_interval(position[0]) ? slope.x * level.scale : 0.0f;
            gradient[1] += is_in_unit_interval(position[1]) ? slope.y * level.scale : 0.0f;
            gradient[2] += is_in_unit_interval(position[2]) ? slope.z * level.scale : 0.0f;
        }
    }
}

}  // namespace

void run(const HashEncodeForward& a) {
    const int64_t chunks = (a.points + kChunk - 1) / kChunk;
    // Level by level, so that the tasks at work share one table in the cache.
#pragma omp parallel for schedule(dynamic, 1) num_threads(num_threads())
    for (int64_t task = 0; task < a.grid.levels * chunks; ++task) {
        const int64_t l = task / chunks, begin = task % chunks * kChunk;
        const int64_t end = begin + kChunk < a.points ? begin + kChunk : a.points;
        if (l + 1 < a.grid.levels) {
            read_ahead(a.grid.level[l + 1], a.grid.features, a.points, a.table, task % chunks, chunks);
        }
        with_features(a.grid.features, [&](auto features) {
            encode<features()>(a.grid.level[l], a, a.encoded + l * features() * a.points, begin, end);
        });
    }
}

void run(const HashEncodeBackward& a) {
    // A level is added up by one thread in the order of the points: no races, and the same sum each time.
#pragma omp parallel for schedule(dynamic, 1) num_threads(num_threads())
    for (int l = a.grid.levels - 1; l >= 0; --l) {
        read_ahead(a.grid.level[l], a.grid.features, a.points, a.grad_table, 0, 1);
        with_features(a.grid.features, [&](auto features) {
            encode_backward_table<features()>(a.grid.level[l], a, a.grad_encoded + l * features() * a.points);
        });
    }
    if (a.grad_positions == nullptr) return;
#pragma omp parallel for schedule(dynamic, 1) num_threads(num_threads())
    for (int64_t begin = 0; begin < a.points; begin += kChunk) {
        const int64_t end = begin + kChunk < a.points ? begin + kChunk : a.points;
        for (int64_t i = 3 * begin; i < 3 * end; ++i) a.grad_positions[i] = 0.0f;
        for (int l = 0; l < a.grid.levels; ++l) {
            with_features(a.grid.features, [&](auto features) {
                const float* grad_encoded = a.grad_encoded + l * features() * a.points;
                encode_backward_positions<features()>(a.grid.level[l], a, grad_encoded, begin, end);
            });
        }
    }
}

void run(const SphericalHarmonicsForward& a) {
    const int width = a.degree * a.degree;
#pragma omp parallel for num_threads(num_threads())
    for (int64_t first = 0; first < a.points; first += NSG_LANES) {
        const int64_t count = a.points - first < NSG_LANES ? a.points - first : NSG_LANES;
        Vec direction[3] = {};
        for (int64_t i = 0; i < count; ++i) {
            for (int d = 0; d < 3; ++d) direction[d][i] = a.directions[3 * (first + i) + d];
        }
        for_each_harmonic(direction[0], direction[1], direction[2], a.degree, [&](int index, Vec value, Vec, Vec, Vec) {
            for (int64_t i = 0; i < count; ++i) a.encoded[(first + i) * width + index] = value[i];
        });
    }
}

void run(const SphericalHarmonicsBackward& a) {
    const int width = a.degree * a.degree;
#pragma omp parallel for num_threads(num_threads())
    for (int64_t first = 0; first < a.points; first += NSG_LANES) {
        const int64_t count = a.points - first < NSG_LANES ? a.points - first : NSG_LANES;
        Vec direction[3] = {}, gradient[3] = {};
        for (int64_t i = 0; i < count; ++i) {
            for (int d = 0; d < 3; ++d) direction[d][i] = a.directions[3 * (first + i) + d];
        }
        for_each_harmonic(
            direction[0], direction[1], direction[2], a.degree, [&](int index, Vec, Vec dx, Vec dy, Vec dz) {
                Vec grad = {};
                for (int64_t i = 0; i < count; ++i) grad[i] = a.grad_encoded[(first + i) * width + index];
                gradient[0] += grad * dx;
                gradient[1] += grad * dy;
                gradient[2] += grad * dz;
            });
        for (int64_t i = 0; i < count; ++i) {
            for (int d = 0; d < 3; ++d) a.grad_directions[3 * (first + i) + d] = gradient[d][i];
        }
    }
}

void run(const TruncExpForward& a) {
#pragma omp parallel for simd num_threads(num_threads())
    for (int64_t i = 0; i < a.count; ++i) a.value[i] = trunc_exp(a.x[i]);
}

void run(const TruncExpBackward& a) {
#pragma omp parallel for simd num_threads(num_threads())
    for (int64_t i = 0; i < a.count; ++i) a.grad_x[i] = a.grad_value[i] * trunc_exp_slope(a.x[i]);
}

}  // namespace nsg::NSG_ISA
