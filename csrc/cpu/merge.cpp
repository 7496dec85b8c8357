#include "cpu.h"

namespace nsg::NSG_ISA {

void run(const MergeByDepth& a) {
#pragma omp parallel for schedule(dynamic, 64) num_threads(num_threads())
    for (int64_t r = 0; r < a.rays; ++r) merge_ray(a, r);
}

}  // namespace nsg::NSG_ISA
