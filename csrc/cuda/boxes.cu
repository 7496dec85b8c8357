// A thread for each ray, with the very arithmetic of the CPU: compiled without contraction to fused multiply-add. Rays
// of a warp that look at the same frame read the same bounds.
#include "cuda.h"

namespace nsg::cuda {
namespace {

constexpr int kRays = 128;  // of a block

__global__ void __launch_bounds__(kRays) box_hits_count_kernel(const __grid_constant__ BoxHitsCount a) {
    for (int64_t r = begin(); r < a.rays.rays; r += stride()) a.counts[r] = count_hits(a.rays, r);
}

__global__ void __launch_bounds__(kRays) box_hits_write_kernel(const __grid_constant__ BoxHitsWrite a) {
    for (int64_t r = begin(); r < a.rays.rays; r += stride()) write_hits(a, r);
}

}  // namespace

void run(const BoxHitsCount& a, const Queue& queue) {
    launch<kRays>(queue, "box_hits_count", box_hits_count_kernel, a, a.rays.rays);
}

void run(const BoxHitsWrite& a, const Queue& queue) {
    launch<kRays>(queue, "box_hits_write", box_hits_write_kernel, a, a.rays.rays);
}

}  // namespace nsg::cuda
