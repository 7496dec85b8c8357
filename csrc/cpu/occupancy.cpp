#include "cpu.h"

namespace nsg::NSG_ISA {
namespace {

// Raises a value that other threads may raise too. The largest wins, whoever comes first.
void raise(float* value, float to) {
    float before;
    __atomic_load(value, &before, __ATOMIC_RELAXED);
    while (before >= 0.0f && to > before &&
           !__atomic_compare_exchange(value, &before, &to, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
}

}  // namespace

void run(const UpdateOccupancy& a) {
#pragma omp parallel for simd num_threads(num_threads())
    for (int64_t i = 0; i < a.cells; ++i) a.updated[i] = fade(a.grid[i], a.decay);
#pragma omp parallel for num_threads(num_threads())
    for (int64_t i = 0; i < a.visits; ++i) raise(a.updated + a.visited[i], a.values[i]);
}

void run(const IsInvisible& a) {
#pragma omp parallel for schedule(dynamic, 4096) num_threads(num_threads())
    for (int64_t i = 0; i < a.points; ++i) a.invisible[i] = is_invisible(a, i);
}

}  // namespace nsg::NSG_ISA
