// Compiled without contraction to fused multiply-add: see the header.
#include "cpu.h"

namespace nsg::NSG_ISA {

void run(const BoxHitsCount& a) {
#pragma omp parallel for schedule(dynamic, 256) num_threads(num_threads())
    for (int64_t r = 0; r < a.rays.rays; ++r) a.counts[r] = count_hits(a.rays, r);
}

void run(const BoxHitsWrite& a) {
#pragma omp parallel for schedule(dynamic, 256) num_threads(num_threads())
    for (int64_t r = 0; r < a.rays.rays; ++r) write_hits(a, r);
}

}  // namespace nsg::NSG_ISA
