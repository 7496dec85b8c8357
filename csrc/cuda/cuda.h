// What every CUDA source shares: errors, the device guard, the one place that launches kernels, and sums over a warp.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>

#include "dispatch.h"

namespace nsg::cuda {

constexpr int kBlock = 256;  // threads of a block, unless a kernel says otherwise
constexpr int kWarp = 32;
constexpr int64_t kMaxBlocks = int64_t(1) << 22;  // beyond them, threads take several turns
constexpr unsigned kAllLanes = 0xffffffffu;

// Throws unless a call of op succeeded.
void check(cudaError_t status, const char* op);

// Throws unless an array begins where its vectors may be read.
void check_alignment(const void* array, size_t bytes, const char* op, const char* name);

// Makes a device the current one of this thread while it lives.
class DeviceGuard {
  public:
    DeviceGuard(int device, const char* op) {
        check(cudaGetDevice(&before_), op);
        is_other_ = before_ != device;
        if (is_other_) check(cudaSetDevice(device), op);
    }
    ~DeviceGuard() {
        if (is_other_) cudaSetDevice(before_);
    }
    DeviceGuard(const DeviceGuard&) = delete;
    DeviceGuard& operator=(const DeviceGuard&) = delete;

  private:
    int before_ = 0;
    bool is_other_ = false;
};

// Starts a kernel. Nothing else in these sources does.
template <class Arguments>
void launch_blocks(
    const Queue& queue, const char* op, void (*kernel)(Arguments), const Arguments& arguments, dim3 blocks, int threads,
    size_t shared_bytes = 0) {
    if (blocks.x == 0 || blocks.y == 0) return;
    const DeviceGuard guard(queue.device, op);
    kernel<<<blocks, threads, shared_bytes, static_cast<cudaStream_t>(queue.stream)>>>(arguments);
    check(cudaGetLastError(), op);
}

// Starts a kernel with a thread for each of `threads`, and that in each of `rows` rows.
template <int block = kBlock, class Arguments>
void launch(
    const Queue& queue, const char* op, void (*kernel)(Arguments), const Arguments& arguments, int64_t threads,
    int rows = 1) {
    const int64_t blocks = std::min((threads + block - 1) / block, kMaxBlocks);
    launch_blocks(queue, op, kernel, arguments, dim3(static_cast<unsigned>(blocks), rows), block);
}

// Calls f with one of the sizes that a kernel is compiled for as a constant.
template <int... Sizes, class Function>
void with_size(int size, Function f) {
    ((size == Sizes ? f(std::integral_constant<int, Sizes>()) : void()), ...);
}

#if defined(__CUDACC__)

// A thread takes items begin(), begin() + stride(), ...
__device__ inline int64_t begin() { return static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; }
__device__ inline int64_t stride() { return static_cast<int64_t>(gridDim.x) * blockDim.x; }

__device__ inline int lane() { return static_cast<int>(threadIdx.x % kWarp); }

// Value of the lane before, or `first` in lane 0.
__device__ inline float from_lane_before(float value, float first) {
    const float before = __shfl_up_sync(kAllLanes, value, 1);
    return lane() == 0 ? first : before;
}

// Value of the lane after, or `last` in lane 31.
__device__ inline float from_lane_after(float value, float last) {
    const float after = __shfl_down_sync(kAllLanes, value, 1);
    return lane() == kWarp - 1 ? last : after;
}

// Sum, or product, over the lanes up to this one.
__device__ inline float sum_so_far(float value) {
    for (int distance = 1; distance < kWarp; distance *= 2) {
        const float other = __shfl_up_sync(kAllLanes, value, distance);
        if (lane() >= distance) value += other;
    }
    return value;
}

__device__ inline float product_so_far(float value) {
    for (int distance = 1; distance < kWarp; distance *= 2) {
        const float other = __shfl_up_sync(kAllLanes, value, distance);
        if (lane() >= distance) value *= other;
    }
    return value;
}

// Sum over this lane and those after it.
__device__ inline float sum_from_here(float value) {
    for (int distance = 1; distance < kWarp; distance *= 2) {
        const float other = __shfl_down_sync(kAllLanes, value, distance);
        if (lane() + distance < kWarp) value += other;
    }
    return value;
}

// Sum over all lanes, in every lane.
__device__ inline float sum_of_all(float value) {
    for (int distance = kWarp / 2; distance > 0; distance /= 2) {
        value += __shfl_xor_sync(kAllLanes, value, distance);
    }
    return value;
}

__device__ inline float from_lane(float value, int source) { return __shfl_sync(kAllLanes, value, source); }

#endif

}  // namespace nsg::cuda
