// A thread for each ray.
#include "cuda.h"

namespace nsg::cuda {
namespace {

constexpr int kRays = 64;  // of a block: few, so that a small batch still reaches every multiprocessor

__global__ void __launch_bounds__(kRays) merge_by_depth_kernel(const __grid_constant__ MergeByDepth a) {
    for (int64_t r = begin(); r < a.rays; r += stride()) merge_ray(a, r);
}

}  // namespace

void run(const MergeByDepth& a, const Queue& queue) {
    launch<kRays>(queue, "merge_by_depth", merge_by_depth_kernel, a, a.rays);
}

}  // namespace nsg::cuda
