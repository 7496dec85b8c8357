// Encodings. Points lie along x, levels along y of the grid of blocks: blocks start in this order, so that those at
// work together share one level's table in the cache.
#include "cuda.h"

namespace nsg::cuda {
namespace {

// Values that are read and written together, 16 bytes at most.
template <int F>
struct alignas(F < 4 ? 4 * F : 16) Features {
    float value[F];
};

template <int F>
__device__ Features<F> load(const float* at) {
    return *reinterpret_cast<const Features<F>*>(at);
}

// A point's cell on a level, and how far into it the point stands.
struct Corners {
    uint32_t cell[3];
    float upper[3];

    __device__ Corners(const HashLevel& level, const float* position) {
        for (int d = 0; d < 3; ++d) {
            const Place place = place_on_level(position[d], level.scale);
            cell[d] = place.cell;
            upper[d] = place.upper;
        }
    }

    // Entries of the 8 corners. Bits 0, 1, 2 of a corner say whether it is the upper one along x, y, z.
    __device__ void find(const HashLevel& level, uint32_t (&entry)[8]) const {
        if (is_dense(level)) {
#pragma unroll
            for (uint32_t c = 0; c < 8; ++c) {
                entry[c] = dense_entry(
                    cell[0] + (c & 1), cell[1] + (c >> 1 & 1), cell[2] + (c >> 2), level.resolution, level.size);
            }
        } else {
#pragma unroll
            for (uint32_t c = 0; c < 8; ++c) {
                entry[c] = hashed_entry(cell[0] + (c & 1), cell[1] + (c >> 1 & 1), cell[2] + (c >> 2), level.size);
            }
        }
    }

    __device__ float side(uint32_t corner, int d) const { return corner >> d & 1 ? upper[d] : 1.0f - upper[d]; }

    __device__ float weight(uint32_t corner) const { return side(corner, 0) * side(corner, 1) * side(corner, 2); }

    // Derivative of the weight along an axis.
    __device__ float slope(uint32_t corner, int d) const {
        const float others = side(corner, d == 0 ? 1 : 0) * side(corner, d == 2 ? 1 : 2);
        return corner >> d & 1 ? others : -others;
    }
};

// Entries of two corners that are neighbors along x. In most cells of even x they are one aligned pair in memory.
template <int F>
__device__ void load_neighbors(
    const float* table, uint32_t lower, uint32_t upper, Features<F>& lower_value, Features<F>& upper_value) {
    if constexpr (F <= 2) {
        const Features<2 * F> pair = load<2 * F>(table + static_cast<int64_t>(lower & ~1u) * F);
        const bool is_odd = lower & 1;
        for (int f = 0; f < F; ++f) {
            lower_value.value[f] = is_odd ? pair.value[F + f] : pair.value[f];
            upper_value.value[f] = is_odd ? pair.value[f] : pair.value[F + f];
        }
        if ((lower ^ upper) != 1) upper_value = load<F>(table + static_cast<int64_t>(upper) * F);
    } else {
        lower_value = load<F>(table + static_cast<int64_t>(lower) * F);
        upper_value = load<F>(table + static_cast<int64_t>(upper) * F);
    }
}

template <int F>
__global__ void __launch_bounds__(kBlock) encode_kernel(const __grid_constant__ HashEncodeForward a) {
    const HashLevel level = a.grid.level[blockIdx.y];
    const float* table = a.table + static_cast<int64_t>(level.offset) * F;
    float* encoded = a.encoded + static_cast<int64_t>(blockIdx.y) * F * a.points;
    for (int64_t i = begin(); i < a.points; i += stride()) {
        const Corners corners(level, a.positions + 3 * i);
        uint32_t entry[8];
        corners.find(level, entry);
        Features<F> value[8];
#pragma unroll
        for (int c = 0; c < 8; c += 2) load_neighbors<F>(table, entry[c], entry[c + 1], value[c], value[c + 1]);
        float sum[F] = {};
#pragma unroll
        for (uint32_t corner = 0; corner < 8; ++corner) {
            const float weight = corners.weight(corner);
            for (int f = 0; f < F; ++f) sum[f] += weight * value[corner].value[f];
        }
        for (int f = 0; f < F; ++f) encoded[f * a.points + i] = sum[f];
    }
}

template <int F>
__device__ void add_atomically(float* at, const Features<F>& part) {
    int f = 0;
#if __CUDA_ARCH__ >= 900 && CUDART_VERSION >= 12020
    for (; f + 4 <= F; f += 4) {
        const float* p = part.value + f;
        atomicAdd(reinterpret_cast<float4*>(at + f), make_float4(p[0], p[1], p[2], p[3]));
    }
    for (; f + 2 <= F; f += 2) {
        atomicAdd(reinterpret_cast<float2*>(at + f), make_float2(part.value[f], part.value[f + 1]));
    }
#endif
    for (; f < F; ++f) atomicAdd(at + f, part.value[f]);
}

// Lanes of a warp in a row that share a cell: samples of a ray on a coarse level. They add up among themselves first.
struct Run {
    bool is_first;
    int last;
    bool is_long;  // on average over the warp

    __device__ explicit Run(const uint32_t (&cell)[3]) {
        const uint64_t key = cell[0] | static_cast<uint64_t>(cell[1]) << 21 | static_cast<uint64_t>(cell[2]) << 42;
        const uint64_t before = __shfl_up_sync(kAllLanes, key, 1);
        is_first = lane() == 0 || key != before;
        const unsigned firsts = __ballot_sync(kAllLanes, is_first);
        const unsigned later = firsts & ~((2u << lane()) - 1);
        last = later == 0 ? kWarp - 1 : __ffs(static_cast<int>(later)) - 2;
        is_long = __popc(firsts) <= kWarp / 2;
    }

    // Sum over this lane and those after it in the run.
    __device__ float sum(float value) const {
        for (int distance = 1; distance < kWarp; distance *= 2) {
            const float other = __shfl_down_sync(kAllLanes, value, distance);
            if (lane() + distance <= last) value += other;
        }
        return value;
    }
};

// Gradients meet in the table in no fixed order: their last bits differ from call to call.
template <int F>
__global__ void __launch_bounds__(kBlock) encode_backward_table_kernel(const __grid_constant__ HashEncodeBackward a) {
    const HashLevel level = a.grid.level[blockIdx.y];
    float* grad_table = a.grad_table + static_cast<int64_t>(level.offset) * F;
    const float* grad_encoded = a.grad_encoded + static_cast<int64_t>(blockIdx.y) * F * a.points;
    // Warps stay whole: lanes beyond the points go along and add nothing.
    const int64_t end = (a.points + kWarp - 1) / kWarp * kWarp;
    for (int64_t i = begin(); i < end; i += stride()) {
        const int64_t point = i < a.points ? i : a.points - 1;
        const Corners corners(level, a.positions + 3 * point);
        float gradient[F];
        bool is_zero = true;
        for (int f = 0; f < F; ++f) {
            gradient[f] = i < a.points ? grad_encoded[f * a.points + point] : 0.0f;
            is_zero = is_zero && gradient[f] == 0.0f;
        }
        Features<F> part[8];
#pragma unroll
        for (uint32_t corner = 0; corner < 8; ++corner) {
            const float weight = corners.weight(corner);
#pragma unroll
            for (int f = 0; f < F; ++f) part[corner].value[f] = weight * gradient[f];
        }
        const Run run(corners.cell);
        if (run.is_long) {
#pragma unroll
            for (int corner = 0; corner < 8; ++corner) {
#pragma unroll
                for (int f = 0; f < F; ++f) part[corner].value[f] = run.sum(part[corner].value[f]);
            }
        }
        if (run.is_long ? !run.is_first : is_zero) continue;
        uint32_t entry[8];
        corners.find(level, entry);
#pragma unroll
        for (int c = 0; c < 8; ++c) add_atomically<F>(grad_table + static_cast<int64_t>(entry[c]) * F, part[c]);
    }
}

template <int F>
__global__ void __launch_bounds__(kBlock)
    encode_backward_positions_kernel(const __grid_constant__ HashEncodeBackward a) {
    for (int64_t i = begin(); i < a.points; i += stride()) {
        const float* position = a.positions + 3 * i;
        float total[3] = {};
        for (int l = 0; l < a.grid.levels; ++l) {
            const HashLevel level = a.grid.level[l];
            const float* table = a.table + static_cast<int64_t>(level.offset) * F;
            const float* grad_encoded = a.grad_encoded + static_cast<int64_t>(l) * F * a.points + i;
            const Corners corners(level, position);
            float gradient[F];
            for (int f = 0; f < F; ++f) gradient[f] = grad_encoded[f * a.points];
            uint32_t entry[8];
            corners.find(level, entry);
#pragma unroll
            for (uint32_t corner = 0; corner < 8; ++corner) {
                const Features<F> features = load<F>(table + static_cast<int64_t>(entry[corner]) * F);
                float value = 0.0f;
                for (int f = 0; f < F; ++f) value += features.value[f] * gradient[f];
                for (int d = 0; d < 3; ++d) total[d] += value * corners.slope(corner, d) * level.scale;
            }
        }
        for (int d = 0; d < 3; ++d) {
            const bool is_inside = position[d] >= 0.0f && position[d] <= 1.0f;
            a.grad_positions[3 * i + d] = is_inside ? total[d] : 0.0f;
        }
    }
}

template <int Degree>
__global__ void __launch_bounds__(kBlock) harmonics_kernel(const __grid_constant__ SphericalHarmonicsForward a) {
    for (int64_t i = begin(); i < a.points; i += stride()) {
        const float* d = a.directions + 3 * i;
        float* encoded = a.encoded + i * Degree * Degree;
        for_each_harmonic(
            d[0], d[1], d[2], Degree, [&](int index, float value, float, float, float) { encoded[index] = value; });
    }
}

template <int Degree>
__global__ void __launch_bounds__(kBlock)
    harmonics_backward_kernel(const __grid_constant__ SphericalHarmonicsBackward a) {
    for (int64_t i = begin(); i < a.points; i += stride()) {
        const float* d = a.directions + 3 * i;
        const float* grad_encoded = a.grad_encoded + i * Degree * Degree;
        float x = 0.0f, y = 0.0f, z = 0.0f;
        for_each_harmonic(d[0], d[1], d[2], Degree, [&](int index, float, float dx, float dy, float dz) {
            const float gradient = grad_encoded[index];
            x += gradient * dx;
            y += gradient * dy;
            z += gradient * dz;
        });
        a.grad_directions[3 * i] = x;
        a.grad_directions[3 * i + 1] = y;
        a.grad_directions[3 * i + 2] = z;
    }
}

__global__ void __launch_bounds__(kBlock) trunc_exp_kernel(const __grid_constant__ TruncExpForward a) {
    for (int64_t i = begin(); i < a.count; i += stride()) a.value[i] = trunc_exp(a.x[i]);
}

__global__ void __launch_bounds__(kBlock) trunc_exp_backward_kernel(const __grid_constant__ TruncExpBackward a) {
    for (int64_t i = begin(); i < a.count; i += stride()) a.grad_x[i] = a.grad_value[i] * trunc_exp_slope(a.x[i]);
}

}  // namespace

void run(const HashEncodeForward& a, const Queue& queue) {
    const char* op = "hash_encode_forward";
    check_alignment(a.table, 16, op, "table");
    with_size<1, 2, 4, 8>(a.grid.features, [&](auto features) {
        launch(queue, op, encode_kernel<features()>, a, a.points, a.grid.levels);
    });
}

void run(const HashEncodeBackward& a, const Queue& queue) {
    const char* op = "hash_encode_backward";
    check_alignment(a.table, 16, op, "table");
    check_alignment(a.grad_table, 16, op, "grad_table");
    with_size<1, 2, 4, 8>(a.grid.features, [&](auto features) {
        launch(queue, op, encode_backward_table_kernel<features()>, a, a.points, a.grid.levels);
        if (a.grad_positions == nullptr) return;
        launch(queue, op, encode_backward_positions_kernel<features()>, a, a.points);
    });
}

void run(const SphericalHarmonicsForward& a, const Queue& queue) {
    with_size<1, 2, 3, 4, 5, 6, 7, 8>(a.degree, [&](auto degree) {
        launch(queue, "spherical_harmonics_forward", harmonics_kernel<degree()>, a, a.points);
    });
}

void run(const SphericalHarmonicsBackward& a, const Queue& queue) {
    with_size<1, 2, 3, 4, 5, 6, 7, 8>(a.degree, [&](auto degree) {
        launch(queue, "spherical_harmonics_backward", harmonics_backward_kernel<degree()>, a, a.points);
    });
}

void run(const TruncExpForward& a, const Queue& queue) {
    launch(queue, "trunc_exp_forward", trunc_exp_kernel, a, a.count);
}

void run(const TruncExpBackward& a, const Queue& queue) {
    launch(queue, "trunc_exp_backward", trunc_exp_backward_kernel, a, a.count);
}

}  // namespace nsg::cuda
