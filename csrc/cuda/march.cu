// A thread for each ray, with the very arithmetic of the CPU: compiled without contraction to fused multiply-add.
#include "cuda.h"

namespace nsg::cuda {
namespace {

constexpr int kRays = 64;  // of a block: few, so that a small batch still reaches every multiprocessor

__global__ void __launch_bounds__(kBlock) intersect_box_kernel(const __grid_constant__ IntersectBox a) {
    for (int64_t r = begin(); r < a.rays; r += stride()) {
        const Span span = intersect_box(a.origins + 3 * r, a.directions + 3 * r, a.box, a.box + 3);
        a.near[r] = span.near;
        a.far[r] = span.far;
    }
}

__global__ void __launch_bounds__(kRays) march_count_kernel(const __grid_constant__ MarchCount a) {
    for (int64_t r = begin(); r < a.rays.rays; r += stride()) {
        int64_t count = 0;
        march_ray(a.rays, r, [&](float, float) { return ++count < a.rays.limit; });
        a.counts[r] = count;
    }
}

__global__ void __launch_bounds__(kRays) march_write_kernel(const __grid_constant__ MarchWrite a) {
    for (int64_t r = begin(); r < a.rays.rays; r += stride()) {
        int64_t i = a.offsets[r];
        const int64_t end = a.offsets[r + 1];
        float next = INFINITY;
        if (i < end) {
            next = march_ray(a.rays, r, [&](float start, float stop) {
                a.starts[i] = start;
                a.ends[i] = stop;
                a.indices[i] = r;
                return ++i < end;
            });
        }
        // A ray that was not counted to the limit has no samples left.
        if (a.next != nullptr) a.next[r] = end - a.offsets[r] < a.rays.limit ? INFINITY : next;
    }
}

}  // namespace

void run(const IntersectBox& a, const Queue& queue) { launch(queue, "intersect_box", intersect_box_kernel, a, a.rays); }

void run(const MarchCount& a, const Queue& queue) {
    launch<kRays>(queue, "march_count", march_count_kernel, a, a.rays.rays);
}

void run(const MarchWrite& a, const Queue& queue) {
    launch<kRays>(queue, "march_write", march_write_kernel, a, a.rays.rays);
}

}  // namespace nsg::cuda
