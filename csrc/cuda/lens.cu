#include "cuda.h"

namespace nsg::cuda {
namespace {

__global__ void __launch_bounds__(kBlock) camera_directions_kernel(const __grid_constant__ CameraDirections a) {
    for (int64_t i = begin(); i < a.rays; i += stride()) camera_direction(a, i);
}

}  // namespace

void run(const CameraDirections& a, const Queue& queue) {
    launch(queue, "camera_directions", camera_directions_kernel, a, a.rays);
}

}  // namespace nsg::cuda
