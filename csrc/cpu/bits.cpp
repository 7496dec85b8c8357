#include "cpu.h"

namespace nsg::NSG_ISA {

void run(const MortonEncode& a) {
#pragma omp parallel for num_threads(num_threads())
    for (int64_t i = 0; i < a.count; ++i) a.codes[i] = morton_encode(a.cells + 3 * i);
}

void run(const MortonDecode& a) {
#pragma omp parallel for num_threads(num_threads())
    for (int64_t i = 0; i < a.count; ++i) morton_decode(a.codes[i], a.cells + 3 * i);
}

void run(const PackBits& a) {
#pragma omp parallel for num_threads(num_threads())
    for (int64_t i = 0; i < a.bytes; ++i) a.packed[i] = pack_bits(a.flags + 8 * i);
}

void run(const UnpackBits& a) {
#pragma omp parallel for num_threads(num_threads())
    for (int64_t i = 0; i < a.bytes; ++i) unpack_bits(a.packed[i], a.flags + 8 * i);
}

}  // namespace nsg::NSG_ISA
