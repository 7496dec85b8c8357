// A block keeps the weights of all layers, and the activations of a tile of points, in shared memory: between the first
// layer and the last, activations go to device memory only where the backward pass needs them. Widths are rounded up
// to 4 times a power of two, the additional weights and activations are zero.
#include "cuda.h"

namespace nsg::cuda {
namespace {

constexpr int kPoints = 64;  // of a tile: two for each lane
constexpr int kWarps = 4;
constexpr int kThreads = kWarps * kWarp;
constexpr int kRow = kPoints + 4;  // floats from one row of activations to the next: neighbors begin in other banks

struct Plan {
    int width[kMaxLayers + 1];
    int first[kMaxLayers + 1];  // weight of each layer in shared memory, and the total
    int widest;

    explicit Plan(const MlpShape& shape) : width{}, first{}, widest(0) {
        for (int l = 0; l <= shape.layers; ++l) {
            width[l] = 4;
            while (width[l] < shape.sizes[l]) width[l] *= 2;
            widest = std::max(widest, width[l]);
            if (l > 0) first[l] = first[l - 1] + width[l - 1] * width[l];
        }
    }
};

size_t forward_bytes(const MlpShape& shape) {
    const Plan plan(shape);
    return (plan.first[shape.layers] + plan.widest * kRow) * sizeof(float);
}

size_t backward_bytes(const MlpShape& shape) {
    const Plan plan(shape);
    return 2 * (plan.first[shape.layers] + plan.widest * kRow) * sizeof(float);
}

struct Forward {
    MlpForward a;
    Plan plan;
};

struct Backward {
    MlpBackward a;
    Plan plan;
};

extern __shared__ float4 shared_memory[];

__device__ float* shared_floats() { return reinterpret_cast<float*>(shared_memory); }

__device__ int warp() { return static_cast<int>(threadIdx.x / kWarp); }

// Calls f with the number of rows that each warp computes of a matrix of that width, as a constant.
template <int MaxRows, class Function>
__device__ void with_rows(int width, Function f) {
    const int rows = width / kWarps;
    if (rows == 1) f(std::integral_constant<int, 1>());
    if (rows == 2) f(std::integral_constant<int, 2>());
    if (rows == 4) f(std::integral_constant<int, 4>());
    if (rows == 8) f(std::integral_constant<int, 8>());
    if (rows == 16) f(std::integral_constant<int, 16>());
    if constexpr (MaxRows == 32) {
        if (rows == 32) f(std::integral_constant<int, 32>());
    }
}

__device__ void load_weights(const float* const* weights, const MlpShape& shape, const Plan& plan, float* to) {
    for (int l = 0; l < shape.layers; ++l) {
        const int inputs = shape.sizes[l], outputs = shape.sizes[l + 1], width = plan.width[l];
        for (int k = static_cast<int>(threadIdx.x); k < width * plan.width[l + 1]; k += kThreads) {
            const int o = k / width, i = k % width;
            to[plan.first[l] + k] = o < outputs && i < inputs ? weights[l][o * inputs + i] : 0.0f;
        }
    }
}

// Copies the columns of a tile; what lies beyond the last row or point is zero.
__device__ void load_rows(const float* from, int rows, int width, int64_t points, int64_t base, float* to) {
    for (int k = static_cast<int>(threadIdx.x); k < width * kPoints; k += kThreads) {
        const int row = k / kPoints, p = k % kPoints;
        to[row * kRow + p] = row < rows && base + p < points ? from[row * points + base + p] : 0.0f;
    }
}

// Four fused multiply-adds: to add up the products first would take a fifth instruction.
__device__ void add_products(float& sum, float4 a, float4 b) {
    sum += a.x * b.x;
    sum += a.y * b.y;
    sum += a.z * b.z;
    sum += a.w * b.w;
}

// Rows of weights [rows, inputs] times x [inputs, points]: for each lane, points lane() and lane() + 32.
template <int Rows>
__device__ void multiply(const float* weights, int inputs, const float* x, float (&sum)[Rows][2]) {
    for (int i = 0; i < inputs; i += 4) {
        const float* from = x + i * kRow + lane();
        float4 in[2];
#pragma unroll
        for (int k = 0; k < 2; ++k, from += kWarp) {
            in[k] = make_float4(from[0], from[kRow], from[2 * kRow], from[3 * kRow]);
        }
#pragma unroll
        for (int r = 0; r < Rows; ++r) {
            const float4 w = *reinterpret_cast<const float4*>(weights + r * inputs + i);
            add_products(sum[r][0], w, in[0]);
            add_products(sum[r][1], w, in[1]);
        }
    }
}

// Columns of weights [outputs, stride] times g [outputs, points].
template <int Rows>
__device__ void multiply_transposed(
    const float* weights, int outputs, int stride, const float* g, float (&sum)[Rows][2]) {
    constexpr int kVector = Rows < 4 ? Rows : 4;
#pragma unroll 2
    for (int o = 0; o < outputs; ++o) {
        const float in[2] = {g[o * kRow + lane()], g[o * kRow + lane() + kWarp]};
#pragma unroll
        for (int r = 0; r < Rows; r += kVector) {
            float w[4];
            if constexpr (kVector == 4) {
                *reinterpret_cast<float4*>(w) = *reinterpret_cast<const float4*>(weights + o * stride + r);
            } else {
                for (int v = 0; v < kVector; ++v) w[v] = weights[o * stride + r + v];
            }
#pragma unroll
            for (int v = 0; v < kVector; ++v) {
                sum[r + v][0] += w[v] * in[0];
                sum[r + v][1] += w[v] * in[1];
            }
        }
    }
}

__device__ float4 load_or_zero(bool is_there, const float* from) {
    return is_there ? *reinterpret_cast<const float4*>(from) : make_float4(0.0f, 0.0f, 0.0f, 0.0f);
}

// gradient [outputs, inputs] += g [outputs, points] x [inputs, points]^T. A thread adds up 16 Rows by 8 elements apart.
template <int Rows>
__device__ void add_outer_products(const float* g, int outputs, const float* x, int inputs, float* gradient) {
    constexpr int kColumns = 8;
    const int column = static_cast<int>(threadIdx.x) % 8, row = static_cast<int>(threadIdx.x) / 8;
    for (int first_row = row; first_row < outputs; first_row += 16 * Rows) {
        for (int first_column = column; first_column < inputs; first_column += 8 * kColumns) {
            float sum[Rows][kColumns] = {};
            for (int p = 0; p < kPoints; p += 4) {
                float4 right[kColumns];
#pragma unroll
                for (int c = 0; c < kColumns; ++c) {
                    const int i = first_column + 8 * c;
                    right[c] = load_or_zero(i < inputs, x + i * kRow + p);
                }
#pragma unroll
                for (int r = 0; r < Rows; ++r) {
                    const int o = first_row + 16 * r;
                    const float4 left = load_or_zero(o < outputs, g + o * kRow + p);
#pragma unroll
                    for (int c = 0; c < kColumns; ++c) add_products(sum[r][c], left, right[c]);
                }
            }
#pragma unroll
            for (int r = 0; r < Rows; ++r) {
#pragma unroll
                for (int c = 0; c < kColumns; ++c) {
                    const int o = first_row + 16 * r, i = first_column + 8 * c;
                    if (o < outputs && i < inputs) gradient[o * inputs + i] += sum[r][c];
                }
            }
        }
    }
}

__device__ int64_t num_tiles(const MlpShape& shape) { return (shape.points + kPoints - 1) / kPoints; }

template <int MaxRows>
__global__ void __launch_bounds__(kThreads) mlp_forward_kernel(const __grid_constant__ Forward parameters) {
    const MlpForward& a = parameters.a;
    const Plan& plan = parameters.plan;
    const int layers = a.shape.layers;
    const int64_t points = a.shape.points;
    float *weights = shared_floats(), *x = weights + plan.first[layers];
    load_weights(a.weights, a.shape, plan, weights);
    for (int64_t tile = blockIdx.x; tile < num_tiles(a.shape); tile += gridDim.x) {
        const int64_t base = tile * kPoints;
        __syncthreads();
        load_rows(a.input, a.shape.sizes[0], plan.width[0], points, base, x);
        float* hidden = a.hidden;
        for (int l = 0; l < layers; ++l) {
            __syncthreads();
            const bool is_last = l + 1 == layers;
            const int outputs = a.shape.sizes[l + 1];
            float* kept = is_last ? a.output : hidden;
            with_rows<MaxRows>(plan.width[l + 1], [&](auto count) {
                constexpr int kRows = decltype(count)::value;
                const int first = warp() * kRows;
                float sum[kRows][2] = {};
                multiply<kRows>(weights + plan.first[l] + first * plan.width[l], plan.width[l], x, sum);
                __syncthreads();
#pragma unroll
                for (int r = 0; r < kRows; ++r) {
#pragma unroll
                    for (int k = 0; k < 2; ++k) {
                        const int o = first + r, p = lane() + k * kWarp;
                        const float value = is_last || !(sum[r][k] < 0.0f) ? sum[r][k] : 0.0f;
                        x[o * kRow + p] = value;
                        if (kept != nullptr && o < outputs && base + p < points) kept[o * points + base + p] = value;
                    }
                }
            });
            if (hidden != nullptr) hidden += outputs * points;
        }
    }
}

// Blocks add their gradients of the weights in no fixed order: the last bits differ from call to call.
template <int MaxRows>
__global__ void __launch_bounds__(kThreads) mlp_backward_kernel(const __grid_constant__ Backward parameters) {
    const MlpBackward& a = parameters.a;
    const Plan& plan = parameters.plan;
    const int layers = a.shape.layers, num_weights = plan.first[layers];
    const int64_t points = a.shape.points;
    float *weights = shared_floats(), *gradient = weights + num_weights;
    float *g = gradient + num_weights, *x = g + plan.widest * kRow;
    load_weights(a.weights, a.shape, plan, weights);
    for (int k = static_cast<int>(threadIdx.x); k < num_weights; k += kThreads) gradient[k] = 0.0f;
    for (int64_t tile = blockIdx.x; tile < num_tiles(a.shape); tile += gridDim.x) {
        const int64_t base = tile * kPoints;
        __syncthreads();
        load_rows(a.grad_output, a.shape.sizes[layers], plan.width[layers], points, base, g);
        const float* hidden = a.hidden;
        for (int l = 1; l < layers; ++l) hidden += a.shape.sizes[l] * points;
        for (int l = layers - 1; l >= 0; --l) {
            const int inputs = a.shape.sizes[l], width = plan.width[l], outputs = plan.width[l + 1];
            if (l > 0) hidden -= inputs * points;
            load_rows(l > 0 ? hidden : a.input, inputs, width, points, base, x);
            __syncthreads();
            float* sums = gradient + plan.first[l];
            if (outputs <= 16) {
                add_outer_products<1>(g, outputs, x, width, sums);
            } else if (outputs == 32) {
                add_outer_products<2>(g, outputs, x, width, sums);
            } else {
                add_outer_products<4>(g, outputs, x, width, sums);
            }
            if (l > 0 || a.grad_input != nullptr) {
                with_rows<MaxRows>(width, [&](auto count) {
                    constexpr int kRows = decltype(count)::value;
                    const int first = warp() * kRows;
                    float sum[kRows][2] = {};
                    multiply_transposed<kRows>(weights + plan.first[l] + first, outputs, width, g, sum);
                    __syncthreads();
#pragma unroll
                    for (int r = 0; r < kRows; ++r) {
#pragma unroll
                        for (int k = 0; k < 2; ++k) {
                            const int i = first + r, p = lane() + k * kWarp;
                            if (l > 0) {
                                g[i * kRow + p] = relu_gradient(x[i * kRow + p], sum[r][k]);
                            } else if (i < inputs && base + p < points) {
                                a.grad_input[i * points + base + p] = sum[r][k];
                            }
                        }
                    }
                });
            }
            __syncthreads();
        }
    }
    __syncthreads();
    for (int l = 0; l < layers; ++l) {
        const int inputs = a.shape.sizes[l], outputs = a.shape.sizes[l + 1];
        for (int k = static_cast<int>(threadIdx.x); k < inputs * outputs; k += kThreads) {
            atomicAdd(a.grad_weights[l] + k, gradient[plan.first[l] + k / inputs * plan.width[l] + k % inputs]);
        }
    }
}

// As many blocks as the device runs at once: each takes tile after tile, and loads the weights once.
template <class Parameters>
void launch_tiles(
    const Queue& queue, const char* op, void (*kernel)(Parameters), const Parameters& parameters, size_t bytes) {
    const DeviceGuard device(queue.device, op);
    int processors = 0, blocks = 0;
    check(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, queue.device), op);
    check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes)), op);
    check(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, kernel, kThreads, bytes), op);
    const int64_t tiles = (parameters.a.shape.points + kPoints - 1) / kPoints;
    const int64_t most = std::max<int64_t>(blocks, 1) * processors;
    launch_blocks(queue, op, kernel, parameters, dim3(static_cast<unsigned>(std::min(tiles, most))), kThreads, bytes);
}

}  // namespace

bool takes_mlp(const MlpShape& shape, int device) {
    int most = 0;
    check(cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, device), "mlp");
    return backward_bytes(shape) <= static_cast<size_t>(most);
}

void run(const MlpForward& a, const Queue& queue) {
    const Plan plan(a.shape);
    const auto kernel = plan.widest == kMaxWidth ? mlp_forward_kernel<32> : mlp_forward_kernel<16>;
    launch_tiles(queue, "mlp_forward", kernel, Forward{a, plan}, forward_bytes(a.shape));
}

void run(const MlpBackward& a, const Queue& queue) {
    const Plan plan(a.shape);
    const auto kernel = plan.widest == kMaxWidth ? mlp_backward_kernel<32> : mlp_backward_kernel<16>;
    launch_tiles(queue, "mlp_backward", kernel, Backward{a, plan}, backward_bytes(a.shape));
}

}  // namespace nsg::cuda
