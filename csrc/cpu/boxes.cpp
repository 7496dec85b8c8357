#include "cpu.h"

namespace nsg::NSG_ISA {

void run(const IntersectBoxes& a) {
#pragma omp parallel for num_threads(num_threads())
    for (int64_t r = 0; r < a.rays; ++r) {
        for (int64_t slot = r * a.slots; slot < (r + 1) * a.slots; ++slot) {
            Span span = {0.0f, 0.0f};
            if (a.candidates[slot] >= 0) {
                span = intersect_oriented_box(
                    a.origins + 3 * r, a.directions + 3 * r, a.world_to_box + 12 * a.candidates[slot]);
            }
            a.near[slot] = span.near;
            a.far[slot] = span.far;
        }
    }
}

}  // namespace nsg::NSG_ISA
