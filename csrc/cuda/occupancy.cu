#include "cuda.h"

namespace nsg::cuda {
namespace {

__global__ void __launch_bounds__(kBlock) fade_kernel(const __grid_constant__ UpdateOccupancy a) {
    for (int64_t i = begin(); i < a.cells; i += stride()) a.updated[i] = fade(a.grid[i], a.decay);
}

// Raises cells to the largest of their values, whichever comes first. Numbers that are not negative are in the order
// of their bits, and what is negative stays.
__global__ void __launch_bounds__(kBlock) raise_kernel(const __grid_constant__ UpdateOccupancy a) {
    for (int64_t i = begin(); i < a.visits; i += stride()) {
        float* cell = a.updated + a.visited[i];
        const float value = a.values[i], before = *cell;
        if (before >= 0.0f && value > before) atomicMax(reinterpret_cast<int*>(cell), __float_as_int(value));
    }
}

__global__ void __launch_bounds__(kBlock) is_invisible_kernel(const __grid_constant__ IsInvisible a) {
    for (int64_t i = begin(); i < a.points; i += stride()) a.invisible[i] = is_invisible(a, i);
}

}  // namespace

void run(const UpdateOccupancy& a, const Queue& queue) {
    launch(queue, "update_occupancy", fade_kernel, a, a.cells);
    launch(queue, "update_occupancy", raise_kernel, a, a.visits);
}

void run(const IsInvisible& a, const Queue& queue) { launch(queue, "is_invisible", is_invisible_kernel, a, a.points); }

}  // namespace nsg::cuda
