#include "cpu.h"

namespace nsg::NSG_ISA {

void run(const CameraDirections& a) {
#pragma omp parallel for schedule(dynamic, 256) num_threads(num_threads())
    for (int64_t i = 0; i < a.rays; ++i) camera_direction(a, i);
}

}  // namespace nsg::NSG_ISA
