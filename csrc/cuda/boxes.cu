#include "../common/boxes.h"

#include "cuda.h"

namespace nsg::cuda {
namespace {

__global__ void __launch_bounds__(kBlock) intersect_boxes_kernel(const __grid_constant__ IntersectBoxes a) {
    for (int64_t slot = begin(); slot < a.rays * a.slots; slot += stride()) {
        const int64_t r = slot / a.slots, box = a.candidates[slot];
        Span span = {0.0f, 0.0f};
        if (box >= 0) {
            span = intersect_oriented_box(a.origins + 3 * r, a.directions + 3 * r, a.world_to_box + 12 * box);
        }
        a.near[slot] = span.near;
        a.far[slot] = span.far;
    }
}

}  // namespace

void run(const IntersectBoxes& a, const Queue& queue) {
    launch(queue, "intersect_boxes", intersect_boxes_kernel, a, a.rays * a.slots);
}

}  // namespace nsg::cuda
