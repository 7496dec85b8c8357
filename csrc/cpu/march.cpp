// Compiled without contraction to fused multiply-add: see the header.
#include "cpu.h"

namespace nsg::NSG_ISA {

void run(const IntersectBox& a) {
#pragma omp parallel for num_threads(num_threads())
    for (int64_t r = 0; r < a.rays; ++r) {
        const Span span = intersect_box(a.origins + 3 * r, a.directions + 3 * r, a.box, a.box + 3);
        a.near[r] = span.near;
        a.far[r] = span.far;
    }
}

void run(const MarchCount& a) {
#pragma omp parallel for schedule(dynamic, 64) num_threads(num_threads())
    for (int64_t r = 0; r < a.rays.rays; ++r) {
        int64_t count = 0;
        march_ray(a.rays, r, [&](float, float) { return ++count < a.rays.limit; });
        a.counts[r] = count;
    }
}

void run(const MarchWrite& a) {
#pragma omp parallel for schedule(dynamic, 64) num_threads(num_threads())
    for (int64_t r = 0; r < a.rays.rays; ++r) {
        int64_t i = a.offsets[r];
        const int64_t end = a.offsets[r + 1];
        const auto emit = [&](float start, float stop) {
            if (i == end) return false;
            a.starts[i] = start;
            a.ends[i] = stop;
            a.indices[i] = r;
            return ++i < end;
        };
        // A ray that has samples left is stopped after its last one: where it goes on is known only if it was counted
        // to the limit.
        if (a.next == nullptr) {
            if (i < end) march_ray(a.rays, r, emit);
        } else {
            const float next = i < end ? march_ray(a.rays, r, emit) : INFINITY;
            a.next[r] = end - a.offsets[r] < a.rays.limit ? INFINITY : next;
        }
    }
}

}  // namespace nsg::NSG_ISA
